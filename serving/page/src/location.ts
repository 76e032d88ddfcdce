/** Where on the page one is. It stands in the address, so that a view, a vehicle or a trip can be linked to. */

import { signal } from "@preact/signals";

export const VIEWS = {
  map: "Map",
  anomalies: "Anomalies",
  alerts: "Alerts",
  trips: "Trips",
  charging: "Charging",
  quality: "Quality",
  pipeline: "Pipeline",
} as const;

export type View = keyof typeof VIEWS;

export interface Place {
  view: View;
  vehicle: string | null;
  trip: string | null;
}

export function placeOf(hash: string): Place {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const parameters = new URLSearchParams(query);
  const view = Object.hasOwn(VIEWS, path) ? (path as View) : "map";
  return { view, vehicle: parameters.get("vehicle"), trip: parameters.get("trip") };
}

export function hashOf(place: Partial<Place>): string {
  const parameters = new URLSearchParams();
  if (place.vehicle) parameters.set("vehicle", place.vehicle);
  if (place.trip) parameters.set("trip", place.trip);
  const query = parameters.toString();
  return `#/${place.view ?? "map"}${query === "" ? "" : `?${query}`}`;
}

export const place = signal<Place>(placeOf(location.hash));

addEventListener("hashchange", () => (place.value = placeOf(location.hash)));

/** Goes there; what is not named stays as it is. */
export function go(to: Partial<Place>): void {
  location.hash = hashOf({ ...place.value, ...to });
}
