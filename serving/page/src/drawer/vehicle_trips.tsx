/** The vehicle's trips of today, or of longer; the chosen one is drawn on the map. */

import { useState } from "preact/hooks";
import { trips } from "../api/routes";
import type { Trip } from "../api/shapes";
import { serverNow } from "../clock";
import { duration } from "../format/age";
import { startOfDay } from "../format/moment";
import { number, quantity } from "../format/quantity";
import { go, place } from "../location";
import { Empty, Shown } from "../parts/notice";
import { useListing } from "../parts/listing";
import { type SpanChoice, spanOf, SpanSwitch } from "../parts/spans";
import { Moment } from "../parts/when";

const TODAY: SpanChoice = { title: "Today", ms: 0 };
const DAY = 86_400_000;
const SPANS: SpanChoice[] = [TODAY, { title: "7 d", ms: 7 * DAY }, { title: "30 d", ms: 30 * DAY }, { title: "All", ms: null }];
const PAGE = 50;

export function VehicleTrips({ id }: { id: string }) {
  const [choice, setChoice] = useState(TODAY);
  const listing = useListing<Trip>(
    async (cursor, abort) => {
      const span = choice === TODAY ? { from: startOfDay(serverNow()), to: serverNow() } : spanOf(choice);
      const page = await trips(id, span, PAGE, cursor, abort);
      return { rows: page.trips, next: page.next_cursor };
    },
    [id, choice],
  );
  return (
    <section aria-label="Trips">
      <SpanSwitch label="Trips of" choices={SPANS} chosen={choice} onChoose={setChoice} />
      <Shown polled={listing} what="trips">
        {(rows) =>
          rows.length === 0 ? (
            <Empty>
              No trips {choice === TODAY ? "today" : "in this time"}. A trip appears some minutes after it has ended, when
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
