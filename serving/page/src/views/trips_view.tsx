/** The trips of a vehicle, each with a link that draws it on the map. */

import { useState } from "preact/hooks";
import { trips } from "../api/routes";
import type { Trip } from "../api/shapes";
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

const columns: Column<Trip>[] = [
  { title: "Start", by: (row) => row.start_time, cell: (row) => <Moment time={row.start_time} /> },
  { title: "End", by: (row) => row.end_time, cell: (row) => <Moment time={row.end_time} /> },
  { title: "Duration", by: (row) => row.duration_s, cell: (row) => duration(row.duration_s), isNumber: true },
  { title: "Distance [km]", by: (row) => row.distance_km, cell: (row) => number(row.distance_km), isNumber: true },
  { title: "Average [km/h]", by: (row) => row.average_speed_kmh, cell: (row) => number(row.average_speed_kmh, 1), isNumber: true },
  { title: "Top [km/h]", by: (row) => row.top_speed_kmh, cell: (row) => number(row.top_speed_kmh, 1), isNumber: true },
  { title: "Battery used [%]", by: (row) => row.soc_used, cell: (row) => number(row.soc_used, 1), isNumber: true },
  { title: "Energy [kWh]", by: (row) => row.energy_kwh, cell: (row) => number(row.energy_kwh), isNumber: true },
  {
    title: "Map",
    cell: (row) => <a href={hashOf({ view: "map", vehicle: row.vehicle_id, trip: row.trip_id })}>Show</a>,
  },
];

export function TripsView() {
  const { vehicle } = place.value;
  return (
    <>
      <h1>Trips</h1>
      <section class="card" aria-label="Trips">
        {vehicle === null ? (
          <>
            <div class="row">
              <VehicleField isNeeded />
            </div>
            <Empty>Choose a vehicle to see its trips.</Empty>
          </>
        ) : (
          <OfVehicle id={vehicle} />
        )}
      </section>
    </>
  );
}

function OfVehicle({ id }: { id: string }) {
  const [picked, setPicked] = useState(LAST_WEEK);
  const listing = useListing<Trip>(
    async (cursor, abort) => {
      const page = await trips(id, spanOf(picked), PAGE, cursor, abort);
      return { rows: page.trips, next: page.next_cursor };
    },
    [id, picked],
  );
  return (
    <>
      <div class="row">
        <VehicleField key={id} isNeeded />
        <SpanPicker choices={LIST_SPANS} picked={picked} onPick={setPicked} newest={fleet.vehicles.get(id)?.time ?? null} hasDate />
      </div>
      <Shown polled={listing} what="trips">
        {(rows) =>
          rows.length === 0 ? (
            <Empty>No trips of {id} in this time. Choose a longer one, or an earlier end.</Empty>
          ) : (
            <Table caption={`Trips of ${id}`} columns={columns} rows={rows} keyOf={(row) => row.trip_id} onMore={listing.onMore} />
          )
        }
      </Shown>
    </>
  );
}
