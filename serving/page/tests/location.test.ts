// @vitest-environment node
import { beforeAll, expect, test, vi } from "vitest";

let location_: typeof import("../src/location");

beforeAll(async () => {
  vi.stubGlobal("location", { hash: "" });
  vi.stubGlobal("addEventListener", () => undefined);
  location_ = await import("../src/location");
});

test("a place and its address tell the same, whatever a vehicle is called", () => {
  const place = { view: "trips", vehicle: "HONDA 231/ä&#?", trip: "a:b c" } as const;
  expect(location_.placeOf(location_.hashOf(place))).toEqual(place);
});

test("an address that nobody wrote leads to the map", () => {
  expect(location_.placeOf("#/toString?x=1")).toEqual({ view: "map", vehicle: null, trip: null });
  expect(location_.placeOf("")).toEqual({ view: "map", vehicle: null, trip: null });
});
