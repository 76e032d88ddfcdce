import { describe, expect, test } from "vitest";
import type { StateChange } from "../src/api/shapes";
import { withLive } from "../src/drawer/state";
import { activity, change, place, register, unheardOf } from "../src/fleet/vehicle";

const at = (second: number): string => new Date(Date.UTC(2026, 0, 1, 12, 0, second)).toISOString();

function event(second: number, more: Partial<StateChange> = {}): StateChange {
  return {
    vehicle_id: "V1",
    fleet: "north",
    time: at(second),
    latitude: 52.5,
    longitude: 13.4 + second / 100_000,
    speed: second,
    soc: 80,
    ignition: 1,
    charge_state: null,
    signals: { speed: { value: second, time: at(second) } },
    ...more,
  };
}

describe("a vehicle", () => {
  test("shows the newest, in whatever order it came", () => {
    const vehicle = unheardOf("V1");
    for (const second of [5, 9, 7]) change(vehicle, event(second), 0);
    expect([vehicle.speed, vehicle.time]).toEqual([9, Date.parse(at(9))]);
    expect(vehicle.motion?.to.longitude).toBeCloseTo(13.40009, 9);
    expect(vehicle.live.get("speed")?.value).toBe(9);
  });

  test("that the stream knows newer is not set back by a late answer", () => {
    const vehicle = unheardOf("V1");
    change(vehicle, event(9), 0);
    expect(place(vehicle, { ...event(3), vehicle_id: "V1" }, { longitude: 1, latitude: 1 })).toBe(false);
    expect(vehicle.speed).toBe(9);
  });

  test("keeps its place when an event has none", () => {
    const vehicle = unheardOf("V1");
    change(vehicle, event(1), 0);
    change(vehicle, event(2, { latitude: null, longitude: null }), 0);
    expect(vehicle.motion?.to.latitude).toBe(52.5);
  });

  test("of the registry that never sent is silent, and at no place", () => {
    const vehicle = unheardOf("V2");
    register(vehicle, { vehicle_id: "V2", fleet: "north", model: "Twizy", last_time: null });
    expect([vehicle.time, vehicle.motion, activity(vehicle, 0)]).toEqual([null, null, "silent"]);
  });

  test("charges when its charger says so, from the first look at the fleet on, and until it says otherwise", () => {
    const vehicle = unheardOf("V1");
    place(vehicle, { ...event(0, { speed: 0 }), charge_state: "charging" }, { longitude: 13.4, latitude: 52.5 });
    expect(activity(vehicle, Date.parse(at(1)))).toBe("charging");
    change(vehicle, event(2, { speed: 0, charge_state: "complete" }), 0);
    expect(activity(vehicle, Date.parse(at(3)))).toBe("plugged");
    change(vehicle, event(4, { speed: 0, charge_state: "disconnected" }), 0);
    expect(activity(vehicle, Date.parse(at(5)))).toBe("standing");
  });
});

test("a live value replaces an older one, and no longer claims its Kafka record", () => {
  const row = { signal: "speed", sensor: null, value: 5, unit: "km/h", time: at(5), topic: "t", partition: 0, offset: 3 };
  const live = new Map([
    ["speed", { value: 7, time: Date.parse(at(7)) }],
    ["soc", { value: 80, time: Date.parse(at(7)) }],
  ]);
  const [soc, speed] = withLive([row], live);
  expect(speed).toMatchObject({ value: 7, unit: "km/h", time: at(7), topic: null, offset: null, isNewer: true });
  expect(soc).toMatchObject({ signal: "soc", value: 80, unit: null });
  expect(withLive([row], new Map([["speed", { value: 4, time: Date.parse(at(4)) }]]))).toMatchObject([{ value: 5, offset: 3, isNewer: false }]);
});
