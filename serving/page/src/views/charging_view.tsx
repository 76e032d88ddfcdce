/** Charging sessions, of all vehicles or of one. */

import { useState } from "preact/hooks";
import { chargingSessions } from "../api/routes";
import type { ChargingSession } from "../api/shapes";
import { fleet } from "../fleet/fleet";
import { duration } from "../format/age";
import { number } from "../format/quantity";
import { hashOf, place } from "../location";
import { useListing } from "../parts/listing";
import { Empty, Shown } from "../parts/notice";
import { LAST_WEEK, LIST_SPANS, spanOf, SpanPicker } from "../parts/spans";
import { type Column, Table } from "../parts/table";
import { Moment } from "../parts/when";
import { VehicleField } from "./vehicle_field";

const PAGE = 200;

const columns: Column<ChargingSession>[] = [
  {
    title: "Vehicle",
    by: (row) => row.vehicle_id,
    cell: (row) => <a href={hashOf({ view: "map", vehicle: row.vehicle_id })}>{row.vehicle_id}</a>,
  },
  { title: "Start", by: (row) => row.start_time, cell: (row) => <Moment time={row.start_time} /> },
  { title: "Duration", by: (row) => row.duration_s, cell: (row) => duration(row.duration_s), isNumber: true },
  { title: "From [%]", by: (row) => row.soc_start, cell: (row) => number(row.soc_start, 1), isNumber: true },
  { title: "To [%]", by: (row) => row.soc_end, cell: (row) => number(row.soc_end, 1), isNumber: true },
  { title: "Energy [kWh]", by: (row) => row.energy_kwh, cell: (row) => number(row.energy_kwh), isNumber: true },
  { title: "Top power [kW]", by: (row) => row.power_max_kw, cell: (row) => number(row.power_max_kw, 1), isNumber: true },
  { title: "Current", by: (row) => row.current_type, cell: (row) => row.current_type ?? "-" },
  { title: "Found by", by: (row) => row.method, cell: (row) => row.method },
];

export function ChargingView() {
  const [picked, setPicked] = useState(LAST_WEEK);
  const { vehicle } = place.value;
  const newest = vehicle === null ? null : (fleet.vehicles.get(vehicle)?.time ?? null);
  const listing = useListing<ChargingSession>(
    async (cursor, abort) => {
      const page = await chargingSessions(vehicle, spanOf(picked), PAGE, cursor, abort);
      return { rows: page.charging_sessions, next: page.next_cursor };
    },
    [vehicle, picked],
  );
  return (
    <>
      <h1>Charging</h1>
      <section class="card" aria-label="Charging sessions">
        <div class="row">
          <VehicleField key={vehicle} isNeeded={false} />
          <SpanPicker choices={LIST_SPANS} picked={picked} onPick={setPicked} newest={newest} hasDate />
        </div>
        <Shown polled={listing} what="charging sessions">
          {(rows) =>
            rows.length === 0 ? (
              <Empty>No charging sessions in this time. Choose a longer one, or an earlier end.</Empty>
            ) : (
              <Table
                caption="Charging sessions"
                columns={columns}
                rows={rows}
                keyOf={(row) => `${row.vehicle_id} ${row.start_time}`}
                onMore={listing.onMore}
              />
            )
          }
        </Shown>
      </section>
    </>
  );
}
