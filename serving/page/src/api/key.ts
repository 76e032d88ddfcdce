/** The key that this tab shows to the API. It lives as long as the tab, and is sent nowhere else. */

import { signal } from "@preact/signals";

const PLACE = "fleetlake.key";

/** Whether the API refused what it got, so that a person must give a key. */
export const isKeyAsked = signal(false);

export function authorization(): Record<string, string> {
  const key = sessionStorage.getItem(PLACE);
  return key === null ? {} : { Authorization: `Bearer ${key}` };
}

export function askForKey(): void {
  isKeyAsked.value = true;
}

/** Keeps the key for this tab; the page starts again with it. */
export function keepKey(key: string): void {
  sessionStorage.setItem(PLACE, key);
  location.reload();
}

/** A header can carry only such: anything else would fail before it is sent. */
export function isPossibleKey(key: string): boolean {
  return /^[\x21-\x7e]+$/.test(key);
}
