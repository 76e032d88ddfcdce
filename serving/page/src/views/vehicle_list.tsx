/** The vehicles as a list: what the map shows, for who does not use the map. */

import { now } from "../clock";
import { ACTIVITIES, type Activity } from "../fleet/activity";
import { chosen, counts, fleetName, fleetNames, hidden, search, type Seen, toggle } from "../fleet/choice";
import { fleet } from "../fleet/fleet";
import { age } from "../format/age";
import { number, quantity } from "../format/quantity";
import { go, place } from "../location";
import { Dot } from "../parts/activity_chip";
import { Empty, Loading, Trouble } from "../parts/notice";

/** More names than this nobody reads: typing narrows them. */
const MOST_SHOWN = 200;

export function VehicleList() {
  return (
    <aside class="list" aria-label="Vehicles">
      <div class="filters">
        <input
          type="search"
          aria-label="Search for a vehicle"
          placeholder="Search for a vehicle"
          value={search.value}
          onInput={(event) => (search.value = event.currentTarget.value)}
        />
        <FleetFilter />
        <ActivityFilter />
      </div>
      <Rows />
    </aside>
  );
}

function FleetFilter() {
  if (fleetNames.value.length === 0) return null;
  return (
    <select
      aria-label="Fleet"
      value={fleetName.value ?? ""}
      onChange={(event) => (fleetName.value = event.currentTarget.value || null)}
    >
      <option value="">All fleets</option>
      {fleetNames.value.map((name) => (
        <option key={name} value={name}>
          {name}
        </option>
      ))}
    </select>
  );
}

/** Also the legend of the map's colours. */
function ActivityFilter() {
  return (
    <div class="activities" role="group" aria-label="Show vehicles that are">
      {(Object.keys(ACTIVITIES) as Activity[]).map((name) => {
        const count = counts.value.get(name) ?? 0;
        const isShown = !hidden.value.has(name);
        if (count === 0 && isShown) return null;
        return (
          <button key={name} type="button" class="activity" aria-pressed={isShown} onClick={() => toggle(name)}>
            <Dot activity={name} />
            {ACTIVITIES[name]} <b>{number(count)}</b>
          </button>
        );
      })}
    </div>
  );
}

function Rows() {
  if (fleet.size.value === 0) {
    if (fleet.trouble.value !== null) return <Trouble>{fleet.trouble.value}</Trouble>;
    if (!fleet.isLoaded.value) return <Loading what="vehicles" />;
    return <Empty>No vehicle has sent anything yet. The first event makes it appear here.</Empty>;
  }
  const shown = chosen.value.slice(0, MOST_SHOWN);
  if (shown.length === 0) return <Empty>No vehicle is like that. Clear the search, or show more kinds.</Empty>;
  return (
    <>
      <ul class="vehicles">
        {shown.map((each) => (
          <Row key={each.vehicle.id} {...each} />
        ))}
      </ul>
      {chosen.value.length > MOST_SHOWN && (
        <p class="soft more">
          {number(chosen.value.length - MOST_SHOWN)} more. Type a part of the name to find them.
        </p>
      )}
    </>
  );
}

function Row({ vehicle, activity }: Seen) {
  const isChosen = place.value.vehicle === vehicle.id;
  return (
    <li>
      <button
        type="button"
        class={`vehicle ${activity}`}
        aria-current={isChosen ? "true" : undefined}
        onClick={() => go({ view: "map", vehicle: vehicle.id, trip: null })}
      >
        <Dot activity={activity} />
        <span class="name">{vehicle.id}</span>
        <span class="what">
          {ACTIVITIES[activity]}
          {activity === "driving" && `, ${quantity(vehicle.speed, "km/h", 0)}`}
          {vehicle.motion === null && ", no position"}
        </span>
        <span class="soc">{vehicle.soc === null ? "" : quantity(vehicle.soc, "%", 0)}</span>
        <span class="age">{age(vehicle.time, now.value)}</span>
      </button>
    </li>
  );
}
