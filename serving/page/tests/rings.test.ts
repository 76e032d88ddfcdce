import { expect, test } from "vitest";
import { unrolled } from "../src/map/rings";

test("a ring across the date line goes on beyond it, and back", () => {
  expect(unrolled([[170, 60], [-170, 60], [-170, 70], [170, 70], [170, 60]])).toEqual([[170, 60], [190, 60], [190, 70], [170, 70], [170, 60]]);
});

test("a ring around the pole is closed over it", () => {
  const ring = [[-90, -70], [0, -75], [90, -70], [180, -72], [-90, -70]];
  expect(unrolled(ring)).toEqual([[-90, -70], [0, -75], [90, -70], [180, -72], [270, -70], [270, -90], [-90, -90], [-90, -70]]);
});

test("another ring stays as it is", () => {
  const ring = [[10, 50], [20, 50], [20, 60], [10, 50]];
  expect(unrolled(ring)).toEqual(ring);
});
