/** The state of a vehicle as it was asked for, with what the stream has brought since. */

import type { SignalRow } from "../api/shapes";
import type { Reading } from "../fleet/vehicle";

export interface ShownSignal extends SignalRow {
  /** Newer than its coordinates: those are known with the next look. */
  isNewer: boolean;
}

export function withLive(rows: readonly SignalRow[], live: ReadonlyMap<string, Reading>): ShownSignal[] {
  const shown = rows.map((row): ShownSignal => {
    const reading = live.get(row.signal);
    if (reading === undefined || reading.time <= Date.parse(row.time)) return { ...row, isNewer: false };
    return { ...row, ...unlocated(reading), sensor: null, isNewer: true };
  });
  const known = new Set(rows.map(({ signal }) => signal));
  for (const [signal, reading] of live) {
    if (!known.has(signal)) shown.push({ signal, sensor: null, unit: null, ...unlocated(reading), isNewer: true });
  }
  return shown.sort((a, b) => a.signal.localeCompare(b.signal) || (a.sensor ?? "").localeCompare(b.sensor ?? ""));
}

function unlocated({ value, time }: Reading): Pick<SignalRow, "value" | "time" | "topic" | "partition" | "offset"> {
  return { value, time: new Date(time).toISOString(), topic: null, partition: null, offset: null };
}
