/** What the page knows of one vehicle, and how a state change alters it: an older value never replaces a newer one. */

import type { LatestProperties, SignalRow, StateChange, Value, VehicleRow } from "../api/shapes";
import { type Activity, activityOf } from "./activity";
import { type Motion, moveTo, type Position, standing } from "./motion";

export interface Reading {
  value: Value;
  time: number;
}

export interface Vehicle {
  id: string;
  fleet: string | null;
  model: string | null;
  time: number | null;
  motion: Motion | null;
  positionTime: number;
  speed: number | null;
  soc: number | null;
  ignition: boolean | null;
  chargeState: string | null;
  /** The newest values that the page has heard of, by the stream or by asking. */
  live: Map<string, Reading>;
}

export function unheardOf(id: string): Vehicle {
  return {
    id,
    fleet: null,
    model: null,
    time: null,
    motion: null,
    positionTime: 0,
    speed: null,
    soc: null,
    ignition: null,
    chargeState: null,
    live: new Map(),
  };
}

export function register(vehicle: Vehicle, row: VehicleRow): void {
  vehicle.fleet = row.fleet;
  vehicle.model = row.model;
  if (row.last_time !== null) vehicle.time = Math.max(vehicle.time ?? 0, Date.parse(row.last_time));
}

/** As of a point of `/fleet/latest`: true when nothing newer had come by the stream meanwhile. */
export function place(vehicle: Vehicle, latest: LatestProperties, position: Position | null): boolean {
  const time = Date.parse(latest.time);
  vehicle.fleet = latest.fleet ?? vehicle.fleet;
  if (vehicle.time !== null && time < vehicle.time && vehicle.motion !== null) return false;
  adopt(vehicle, latest, time);
  if (position !== null) {
    vehicle.motion = standing(position);
    vehicle.positionTime = time;
  }
  return true;
}

/** As of the answer of a vehicle's state: it knows more signals than a point of the map. */
export function learn(vehicle: Vehicle, rows: readonly SignalRow[]): void {
  for (const { signal, value, time } of rows) keep(vehicle, signal, value, Date.parse(time));
}

function keep(vehicle: Vehicle, signal: string, value: Value, time: number): void {
  if (time >= (vehicle.live.get(signal)?.time ?? 0)) vehicle.live.set(signal, { value, time });
}

/** As of an event of the stream; `drawnAt` is the clock of the animation. */
export function change(vehicle: Vehicle, event: StateChange, drawnAt: number): void {
  const time = Date.parse(event.time);
  vehicle.fleet = event.fleet ?? vehicle.fleet;
  for (const [name, reading] of Object.entries(event.signals)) {
    keep(vehicle, name, reading.value, Date.parse(reading.time));
  }
  if (vehicle.time !== null && time < vehicle.time) return;
  adopt(vehicle, event, time);
  if (event.longitude !== null && event.latitude !== null) {
    const to = { longitude: event.longitude, latitude: event.latitude };
    vehicle.motion = moveTo(vehicle.motion, to, time - vehicle.positionTime, drawnAt);
    vehicle.positionTime = time;
  }
}

function adopt(vehicle: Vehicle, latest: LatestProperties, time: number): void {
  vehicle.time = Math.max(vehicle.time ?? time, time);
  vehicle.speed = latest.speed;
  vehicle.soc = latest.soc;
  vehicle.ignition = latest.ignition === null ? null : Boolean(latest.ignition);
  vehicle.chargeState = latest.charge_state;
}

const CHARGE_POWERS = ["charge_power", "ac_charge_power", "dc_charge_power"];

export function activity(vehicle: Vehicle, now: number): Activity {
  const powers = CHARGE_POWERS.map((name) => vehicle.live.get(name)?.value).filter((value) => typeof value === "number");
  return activityOf({ ...vehicle, chargePower: powers.length === 0 ? null : Math.max(...powers) }, now);
}
