/**
 * A series of the API and what has come by the stream since, as columns to draw. Where nothing was read the line is
 * broken: it never leads over a gap.
 */

import type { SeriesPoint } from "../api/shapes";

export interface LiveReading {
  time: number;
  value: number;
}

/** Times in seconds; a null breaks the line. */
export interface Columns {
  times: number[];
  values: (number | null)[];
  minima: (number | null)[];
  maxima: (number | null)[];
}

/** A pause of so many steps, and at least so long, is a gap. */
const GAP_STEPS = 2.5;
const GAP_LEAST_S = 90;

export function toColumns(points: readonly SeriesPoint[], stepS: number, live: readonly LiveReading[]): Columns {
  const columns: Columns = { times: [], values: [], minima: [], maxima: [] };
  const gapS = Math.max(GAP_LEAST_S, stepS * GAP_STEPS);
  for (const point of points) {
    const value = point.last ?? point.average;
    add(columns, gapS, Date.parse(point.time) / 1000, value, point.minimum, point.maximum);
  }
  for (const reading of newer(live, points, stepS)) {
    add(columns, gapS, reading.time / 1000, reading.value, reading.value, reading.value);
  }
  return columns;
}

/** Those after the last step of the series, in order, each time once: the newest value of it. */
function newer(live: readonly LiveReading[], points: readonly SeriesPoint[], stepS: number): LiveReading[] {
  const last = points.at(-1);
  const end = last === undefined ? -Infinity : Date.parse(last.time) + stepS * 1000;
  const byTime = new Map(live.filter(({ time }) => time >= end).map((reading) => [reading.time, reading]));
  return [...byTime.values()].sort((a, b) => a.time - b.time);
}

function add(
  columns: Columns,
  gapS: number,
  time: number,
  value: number | null,
  minimum: number | null,
  maximum: number | null,
): void {
  const before = columns.times.at(-1);
  if (before !== undefined && time - before > gapS) push(columns, before + gapS / 2, null, null, null);
  push(columns, time, value, minimum, maximum);
}

function push(columns: Columns, time: number, value: number | null, minimum: number | null, maximum: number | null): void {
  columns.times.push(time);
  columns.values.push(value);
  columns.minima.push(minimum);
  columns.maxima.push(maximum);
}

/** What somebody who does not see the chart is told. */
export function summary(columns: Columns): { lowest: number; highest: number; newest: number } | null {
  const known = (values: (number | null)[]) => values.filter((value) => value !== null);
  const [minima, maxima, values] = [known(columns.minima), known(columns.maxima), known(columns.values)];
  const newest = values.at(-1);
  if (newest === undefined) return null;
  return {
    lowest: minima.reduce((a, b) => Math.min(a, b), newest),
    highest: maxima.reduce((a, b) => Math.max(a, b), newest),
    newest,
  };
}
