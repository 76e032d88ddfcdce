import { expect, test } from "vitest";
import { waitMs } from "../src/stream/backoff";

test("each try waits longer, and never longer than half a minute", () => {
  const waits = [0, 1, 2, 3, 8, 50, 2000].map((tries) => waitMs(tries, 1));
  expect(waits).toEqual([500, 1000, 2000, 4000, 30_000, 30_000, 30_000]);
});

test("chance spreads the clients over half of the wait", () => {
  expect(waitMs(3, 0)).toBe(2000);
  expect(waitMs(3, 0.5)).toBe(3000);
});
