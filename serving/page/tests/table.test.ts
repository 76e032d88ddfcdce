import { expect, test } from "vitest";
import { sorted } from "../src/parts/table";

test("rows are sorted either way, and what is unknown stands last", () => {
  const rows = [3, null, 10, 1];
  expect(sorted(rows, (row) => row, false)).toEqual([1, 3, 10, null]);
  expect(sorted(rows, (row) => row, true)).toEqual([10, 3, 1, null]);
});

test("names with numbers are in the order of the numbers", () => {
  expect(sorted(["CAR_10", "CAR_9"], (row) => row, false)).toEqual(["CAR_9", "CAR_10"]);
});
