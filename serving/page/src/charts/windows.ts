/** Anomalies counted per 10 seconds of their event time, kind by kind; a window without any counts 0. */

import type { Anomaly } from "../api/shapes";

export const WINDOW_MS = 10_000;

export interface Windows {
  /** Begin of each window, oldest first. */
  begins: number[];
  kinds: { kind: string; counts: number[]; total: number }[];
}

/** All windows that touch the last `spanMs` before `now`. */
export function countWindows(anomalies: Iterable<Anomaly>, now: number, spanMs: number): Windows {
  const last = Math.floor(now / WINDOW_MS);
  const first = Math.floor((now - spanMs) / WINDOW_MS);
  const begins = Array.from({ length: last - first + 1 }, (_, index) => (first + index) * WINDOW_MS);
  const kinds = new Map<string, number[]>();
  for (const { kind, event_time } of anomalies) {
    const index = Math.floor(Date.parse(event_time) / WINDOW_MS) - first;
    if (index < 0 || index >= begins.length) continue;
    let counts = kinds.get(kind);
    if (counts === undefined) kinds.set(kind, (counts = begins.map(() => 0)));
    counts[index] = (counts[index] ?? 0) + 1;
  }
  const rows = [...kinds].map(([kind, counts]) => ({ kind, counts, total: counts.reduce((a, b) => a + b, 0) }));
  return { begins, kinds: rows.sort((a, b) => a.kind.localeCompare(b.kind)) };
}

/** One above the other: for each kind the tops of its bars, the last kind's on top of all. */
export function stacked(windows: Windows): number[][] {
  const below = windows.begins.map(() => 0);
  return windows.kinds.map(({ counts }) => counts.map((count, index) => (below[index] = (below[index] ?? 0) + count)));
}
