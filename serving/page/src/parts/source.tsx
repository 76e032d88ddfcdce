/** Where a number comes from: the Kafka record of it, as `fleetlake trace` and bronze know it. */

import type { Coordinates } from "../api/shapes";
import { UNKNOWN } from "../format/quantity";

export function Source({ topic, partition, offset }: Coordinates) {
  if (topic === null || partition === null || offset === null) return <>{UNKNOWN}</>;
  return (
    <code class="source" title={`topic ${topic}, partition ${partition}, offset ${offset}`}>
      {topic}/{partition}/{offset}
    </code>
  );
}
