/** A field for the name of a vehicle, with those that are known offered while one types. */

import { useId, useState } from "preact/hooks";
import { fleet } from "../fleet/fleet";
import { go, place } from "../location";

/** A browser shows no more of them anyway. */
const MOST_OFFERED = 50;

export function VehicleField({ isNeeded }: { isNeeded: boolean }) {
  const id = useId();
  const [text, setText] = useState(place.value.vehicle ?? "");
  const choose = (name: string) => go({ vehicle: name.trim() === "" ? null : name.trim(), trip: null });
  return (
    <form
      class="field"
      onSubmit={(event) => {
        event.preventDefault();
        choose(text);
      }}
    >
      <label for={id}>Vehicle</label>
      <input
        id={id}
        type="search"
        list={`${id}-names`}
        placeholder={isNeeded ? "Which vehicle?" : "All vehicles"}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onChange={(event) => choose(event.currentTarget.value)}
      />
      <datalist id={`${id}-names`}>
        {offered(text).map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </form>
  );
}

function offered(text: string): string[] {
  void fleet.size.value;
  const wanted = text.trim().toLowerCase();
  const names: string[] = [];
  for (const name of fleet.vehicles.keys()) {
    if (name.toLowerCase().includes(wanted)) names.push(name);
    if (names.length === MOST_OFFERED) break;
  }
  return names;
}
