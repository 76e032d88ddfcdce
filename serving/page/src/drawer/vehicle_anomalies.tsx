/** The vehicle's anomalies, newest first. */

import { useState } from "preact/hooks";
import { anomalies } from "../api/routes";
import type { Anomaly } from "../api/shapes";
import { fleet } from "../fleet/fleet";
import { AnomalyTable } from "../parts/anomaly_table";
import { useListing } from "../parts/listing";
import { Empty, Shown } from "../parts/notice";
import { LAST_WEEK, LIST_SPANS, spanOf, SpanPicker } from "../parts/spans";

const PAGE = 100;

export function VehicleAnomalies({ id }: { id: string }) {
  const [picked, setPicked] = useState(LAST_WEEK);
  const listing = useListing<Anomaly>(
    async (cursor, abort) => {
      const page = await anomalies(id, spanOf(picked), PAGE, cursor, abort);
      return { rows: page.anomalies, next: page.next_cursor };
    },
    [id, picked],
  );
  return (
    <section aria-label="Anomalies">
      <SpanPicker choices={LIST_SPANS} picked={picked} onPick={setPicked} newest={fleet.vehicles.get(id)?.time ?? null} />
      <Shown polled={listing} what="anomalies">
        {(rows) =>
          rows.length === 0 ? (
            <Empty>No anomalies of this vehicle in this time.</Empty>
          ) : (
            <AnomalyTable caption="Anomalies of this vehicle" rows={rows} ofOneVehicle onMore={listing.onMore} />
          )
        }
      </Shown>
    </section>
  );
}
