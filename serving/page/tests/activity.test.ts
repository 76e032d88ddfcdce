import { expect, test } from "vitest";
import { activityOf, type Facts, SILENT_AFTER_MS } from "../src/fleet/activity";

const NOW = 1_000_000_000;
const NOTHING: Facts = { time: NOW, speed: null, ignition: null, chargeState: null, chargePower: null };

test.each<[string, Partial<Facts>]>([
  ["driving", { speed: 48 }],
  ["driving", { speed: 48, chargeState: "complete" }],
  ["standing", { speed: 0 }],
  ["standing", { ignition: false }],
  ["standing", { speed: 0, chargeState: "disconnected" }],
  ["charging", { speed: 0, chargeState: "charging" }],
  ["charging", { chargePower: 7.2 }],
  ["plugged", { speed: 0, chargeState: "complete", chargePower: 0 }],
  ["unknown", {}],
  ["silent", { speed: 48, time: NOW - SILENT_AFTER_MS - 1 }],
  ["silent", { time: null }],
])("%s: %o", (activity, facts) => {
  expect(activityOf({ ...NOTHING, ...facts }, NOW)).toBe(activity);
});
