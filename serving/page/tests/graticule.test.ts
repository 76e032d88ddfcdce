import { expect, test } from "vitest";
import { graticule, stepFor } from "../src/map/graticule";

test("lines are as close as fits, from the world to a street", () => {
  expect([360, 60, 6, 0.7, 0.01].map(stepFor)).toEqual([30, 10, 1, 0.1, 0.001]);
});

test("each line has its degrees, on both sides of zero", () => {
  const box = { west: -11, south: -11, east: 55, north: 11 };
  const texts = graticule(box).features.flatMap(({ properties }) => (properties?.["text"] as string | undefined) ?? []);
  expect(texts).toEqual(["10° W", "0°", "10° E", "20° E", "30° E", "40° E", "50° E", "10° S", "0°", "10° N"]);
});

test("beyond the date line degrees begin again", () => {
  const texts = graticule({ west: 170, south: 0, east: 200, north: 1 }).features.map(({ properties }) => properties?.["text"] as string);
  expect(texts).toContain("175° W");
});
