/** How long ago something was, in the largest unit that tells it; what lies ahead is said so, not hidden. */

const UNITS: [string, number][] = [
  ["y", 365 * 86_400_000],
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
];

/** Less than this is "now", whichever way: clocks differ a little. */
const NOW_MS = 1_500;

export function span(ms: number): string {
  for (const [unit, size] of UNITS) if (ms >= size) return `${Math.floor(ms / size)} ${unit}`;
  return "0 s";
}

export function age(time: number | null, now: number): string {
  if (time === null || Number.isNaN(time)) return "-";
  const ms = now - time;
  if (Math.abs(ms) < NOW_MS) return "now";
  return ms > 0 ? `${span(ms)} ago` : `${span(-ms)} ahead`;
}

/** A length of time with its two largest parts: "1 h 12 min". */
export function duration(seconds: number | null): string {
  if (seconds === null) return "-";
  const minutes = Math.floor(seconds / 60);
  if (minutes === 0) return `${Math.round(seconds)} s`;
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  if (hours === 0) return `${minutes} min`;
  return rest === 0 ? `${hours} h` : `${hours} h ${rest} min`;
}
