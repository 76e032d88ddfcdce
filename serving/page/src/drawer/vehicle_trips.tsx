/** The vehicle's trips of today, or of longer; the chosen one is drawn on the map. */

import { useState } from "preact/hooks";
import { type Span, trips } from "../api/routes";
import type { Trip } from "../api/shapes";
import { serverNow } from "../clock";
import { fleet } from "../fleet/fleet";
import { duration } from "../format/age";
import { startOfDay } from "../format/moment";
import { number, quantity } from "../format/quantity";
import { go, place } from "../location";
import { Empty, Shown } from "../parts/notice";
import { useListing } from "../parts/listing";
import { LIST_SPANS, type Picked, type SpanChoice, spanOf, SpanPicker } from "../parts/spans";
import { Moment } from "../parts/when";

/** Since midnight, which is a day at most. */
const TODAY: SpanChoice = { title: "Today", ms: 86_400_000 };
const SPANS = [TODAY, ...LIST_SPANS.slice(1)];
const PAGE = 50;

function timeOf(picked: Picked): Span {
  if (picked.choice !== TODAY) return spanOf(picked);
  const to = picked.until ?? serverNow();
  return { from: startOfDay(to), to };
}

export function VehicleTrips({ id }: { id: string }) {
  const [picked, setPicked] = useState<Picked>({ choice: TODAY, until: null });
  const listing = useListing<Trip>(
    async (cursor, abort) => {
      const page = await trips(id, timeOf(picked), PAGE, cursor, abort);
      return { rows: page.trips, next: page.next_cursor };
    },
    [id, picked],
  );
  const newest = fleet.vehicles.get(id)?.time ?? null;
  return (
    <section aria-label="Trips">
      <SpanPicker choices={SPANS} picked={picked} onPick={setPicked} newest={newest} />
      <Shown polled={listing} what="trips">
        {(rows) =>
          rows.length === 0 ? (
            <Empty>
              No trips in this time. A trip appears some minutes after it has ended, when
              the marts are built.
            </Empty>
          ) : (
            <ul class="trips">
              {rows.map((trip) => (
                <li key={trip.trip_id}>
                  <TripButton trip={trip} />
                </li>
              ))}
            </ul>
          )
        }
      </Shown>
      {listing.onMore !== undefined && (
        <button type="button" onClick={listing.onMore}>
          Load more
        </button>
      )}
    </section>
  );
}

function TripButton({ trip }: { trip: Trip }) {
  const isChosen = place.value.trip === trip.trip_id;
  return (
    <button type="button" class="trip" aria-pressed={isChosen} onClick={() => go({ trip: isChosen ? null : trip.trip_id })}>
      <strong>
        <Moment time={trip.start_time} />
      </strong>
      <span>
        {quantity(trip.distance_km, "km")} in {duration(trip.duration_s)}
      </span>
      <span class="soft">
        top {quantity(trip.top_speed_kmh, "km/h", 0)}, {number(trip.soc_start, 0)} → {quantity(trip.soc_end, "%", 0)}
      </span>
      <span class="action">{isChosen ? "Hide" : "Show on the map"}</span>
    </button>
  );
}
