import { expect, test } from "vitest";
import type { Anomaly } from "../src/api/shapes";
import { countWindows, stacked } from "../src/charts/windows";

const BEGIN = Date.UTC(2026, 0, 1, 12);
const anomaly = (second: number, kind: string) =>
  ({ kind, event_time: new Date(BEGIN + second * 1000).toISOString() }) as Anomaly;

test("each anomaly is counted in the ten seconds it happened in; the others count 0", () => {
  const some = [anomaly(0, "overspeed"), anomaly(9.9, "overspeed"), anomaly(10, "overheat"), anomaly(29, "overspeed")];
  const windows = countWindows(some, BEGIN + 35_000, 35_000);
  expect(windows.begins.map((begin) => (begin - BEGIN) / 1000)).toEqual([0, 10, 20, 30]);
  expect(windows.kinds).toEqual([
    { kind: "overheat", counts: [0, 1, 0, 0], total: 1 },
    { kind: "overspeed", counts: [2, 0, 1, 0], total: 3 },
  ]);
  expect(stacked(windows)).toEqual([
    [0, 1, 0, 0],
    [2, 1, 1, 0],
  ]);
});

test("what is older or lies ahead is not counted", () => {
  expect(countWindows([anomaly(-60, "overspeed"), anomaly(90, "overspeed")], BEGIN, 30_000).kinds).toEqual([]);
});
