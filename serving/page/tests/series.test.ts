import { describe, expect, test } from "vitest";
import type { SeriesPoint } from "../src/api/shapes";
import { summary, toColumns } from "../src/charts/series";

const BEGIN = Date.UTC(2026, 0, 1, 12);

const point = (second: number, last: number): SeriesPoint => ({
  time: new Date(BEGIN + second * 1000).toISOString(),
  readings: 3,
  minimum: last - 1,
  maximum: last + 2,
  average: last,
  last,
});
const live = (second: number, value: number) => ({ time: BEGIN + second * 1000, value });
const seconds = (times: number[]): number[] => times.map((time) => time - BEGIN / 1000);

describe("a series with what came since", () => {
  test("is one line: the live readings begin where the last step ends", () => {
    const columns = toColumns([point(0, 10), point(10, 20)], 10, [live(12, 99), live(20, 30), live(21, 31)]);
    expect(seconds(columns.times)).toEqual([0, 10, 20, 21]);
    expect(columns.values).toEqual([10, 20, 30, 31]);
    expect(columns.minima).toEqual([9, 19, 30, 31]);
    expect(columns.maxima).toEqual([12, 22, 30, 31]);
  });

  test("is in order, with each time once", () => {
    const columns = toColumns([], 10, [live(5, 1), live(3, 2), live(5, 3)]);
    expect(seconds(columns.times)).toEqual([3, 5]);
    expect(columns.values).toEqual([2, 3]);
  });

  test("is broken where nothing was read", () => {
    const columns = toColumns([point(0, 10), point(10, 11), point(400, 12)], 10, []);
    expect(columns.values).toEqual([10, 11, null, 12]);
    const times = seconds(columns.times);
    expect(times[2]).toBeGreaterThan(10);
    expect(times[2]).toBeLessThan(400);
  });

  test("is told in words by its peaks", () => {
    expect(summary(toColumns([point(0, 10), point(10, 50), point(20, 30)], 10, []))).toEqual({ lowest: 9, highest: 52, newest: 30 });
    expect(summary(toColumns([], 10, []))).toBeNull();
  });
});
