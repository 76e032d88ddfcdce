/** Every signal of the vehicle: its newest value, how old that is, and on demand the Kafka record that carried it. */

import { useState } from "preact/hooks";
import { Refused } from "../api/problem";
import { vehicleState } from "../api/routes";
import type { VehicleState as Answer } from "../api/shapes";
import { fleet } from "../fleet/fleet";
import { reading, title } from "../format/quantity";
import { Empty, Shown } from "../parts/notice";
import { usePolled } from "../parts/polling";
import { Source } from "../parts/source";
import { Age } from "../parts/when";
import { type ShownSignal, withLive } from "./state";

/** The stream brings values at once; units and coordinates come with this. */
const LOOK_EVERY_MS = 5_000;

const nothingOf = (id: string): Answer => ({ vehicle_id: id, fleet: null, at: null, last_time: null, signals: [] });

/** A vehicle of the registry that never sent is no error. */
async function stateOf(id: string, abort: AbortSignal): Promise<Answer> {
  try {
    const state = await vehicleState(id, abort);
    fleet.learn(state);
    return state;
  } catch (error) {
    if (error instanceof Refused && error.status === 404) return nothingOf(id);
    throw error;
  }
}

export function VehicleState({ id }: { id: string }) {
  const [withSources, setWithSources] = useState(false);
  const polled = usePolled((abort) => stateOf(id, abort), LOOK_EVERY_MS, [id]);
  void fleet.revision.value;
  return (
    <section aria-label="State">
      <Shown polled={polled} what="the state">
        {(answer) => {
          const signals = withLive(answer.signals, fleet.vehicles.get(id)?.live ?? new Map());
          if (signals.length === 0) return <Empty>Nothing is known of this vehicle: it never sent, or it is not yours to see.</Empty>;
          return (
            <>
              <label class="check">
                <input type="checkbox" checked={withSources} onChange={() => setWithSources(!withSources)} />
                Show the Kafka record of each value (topic/partition/offset)
              </label>
              <Signals signals={signals} withSources={withSources} />
            </>
          );
        }}
      </Shown>
    </section>
  );
}

function Signals({ signals, withSources }: { signals: ShownSignal[]; withSources: boolean }) {
  return (
    <div class="table-frame" role="region" aria-label="Signals" tabIndex={0}>
      <table class="signals">
        <thead>
          <tr>
            <th scope="col">Signal</th>
            <th scope="col" class="number">
              Value
            </th>
            <th scope="col">Age</th>
          </tr>
        </thead>
        <tbody>
          {signals.map((row) => (
            <tr key={`${row.signal} ${row.sensor}`} data-signal={row.signal}>
              <th scope="row">
                {title(row.signal)}
                {row.sensor !== null && <small> {row.sensor}</small>}
                {withSources && <div>{row.isNewer ? <span class="soft">record asked for…</span> : <Source {...row} />}</div>}
              </th>
              <td class="number">{reading(row.signal, row.value, row.unit)}</td>
              <td class="age">
                <Age time={row.time} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
