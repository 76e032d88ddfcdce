/** Which vehicles a person wants to see: by what they typed, the fleet, and what the vehicle does. */

import { computed, signal } from "@preact/signals";
import { now } from "../clock";
import type { Activity } from "./activity";
import { fleet } from "./fleet";
import { activity, type Vehicle } from "./vehicle";

export const search = signal("");
export const fleetName = signal<string | null>(null);
export const hidden = signal<ReadonlySet<Activity>>(new Set());

export interface Seen {
  vehicle: Vehicle;
  activity: Activity;
}

/** By name, with numbers in the order of numbers. Ten thousand are sorted only when one is new. */
const order = new Intl.Collator("en", { numeric: true });
const sorted = computed<Vehicle[]>(() => {
  void fleet.size.value;
  return [...fleet.vehicles.values()].sort((a, b) => order.compare(a.id, b.id));
});

/** Made anew with every change, and with the clock: a vehicle becomes silent without an event. */
const everyone = computed<Seen[]>(() => {
  void fleet.revision.value;
  const time = now.value;
  return sorted.value.map((vehicle) => ({ vehicle, activity: activity(vehicle, time) }));
});

const matching = computed(() => {
  const [text, name] = [search.value.trim().toLowerCase(), fleetName.value];
  if (text === "" && name === null) return everyone.value;
  return everyone.value.filter(
    ({ vehicle }) => (name === null || vehicle.fleet === name) && vehicle.id.toLowerCase().includes(text),
  );
});

export const chosen = computed(() => matching.value.filter((each) => !hidden.value.has(each.activity)));

export const counts = computed(() => {
  const counted = new Map<Activity, number>();
  for (const each of matching.value) counted.set(each.activity, (counted.get(each.activity) ?? 0) + 1);
  return counted;
});

export const fleetNames = computed(() => {
  const names = new Set(everyone.value.map(({ vehicle }) => vehicle.fleet).filter((name) => name !== null));
  return [...names].sort((a, b) => order.compare(a, b));
});

export function toggle(which: Activity): void {
  const next = new Set(hidden.value);
  if (!next.delete(which)) next.add(which);
  hidden.value = next;
}
