/** What time it is, by the server: ages on the page are right also where this machine's clock is not. */

import { signal } from "@preact/signals";

/** The `Date` header has whole seconds, so less than this is no difference. */
const WORTH_CORRECTING_MS = 2_000;
const TICK_MS = 1_000;

let aheadMs = 0;

/** Learns from an answer's `Date` header how far this machine's clock is off. */
export function learnServerTime(header: string | null): void {
  const server = Date.parse(header ?? "");
  if (Number.isNaN(server)) return;
  const ahead = Date.now() - server;
  aheadMs = Math.abs(ahead) > WORTH_CORRECTING_MS ? ahead : 0;
}

export function serverNow(): number {
  return Date.now() - aheadMs;
}

/** The time for what is shown: it ticks once a second, and what reads it is drawn anew. */
export const now = signal(serverNow());

export function startTicking(): void {
  setInterval(() => (now.value = serverNow()), TICK_MS);
}
