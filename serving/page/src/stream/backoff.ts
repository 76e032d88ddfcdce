/** How long to wait before the next try: longer each time, and not all clients at once. */

const FIRST_MS = 500;
const LONGEST_MS = 30_000;

/** `tries` in a row have failed (0: none); `chance` is between 0 and 1. At least half of the wait is certain. */
export function waitMs(tries: number, chance: number): number {
  const longest = Math.min(LONGEST_MS, FIRST_MS * 2 ** tries);
  return Math.round((longest / 2) * (1 + chance));
}
