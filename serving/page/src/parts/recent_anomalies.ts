/** The anomalies of the last minutes, kept current: each look asks only for what may be new since the one before. */

import { useRef } from "preact/hooks";
import { anomalies } from "../api/routes";
import type { Anomaly } from "../api/shapes";
import { serverNow } from "../clock";
import { type Polled, usePolled } from "./polling";

const LOOK_EVERY_MS = 3_000;
/** Events come late: each look goes back so far behind the one before. */
const OVERLAP_MS = 60_000;
const PAGE = 1000;
/** Clocks of vehicles may be so much ahead; events further ahead are rejected. */
const AHEAD_MS = 300_000;
/** More than this in one look are not counted one by one in a browser; `isWhole` tells it. */
const MOST_PAGES = 10;

export interface Recent {
  anomalies: Anomaly[];
  isWhole: boolean;
}

/** An anomaly that is not in the mart yet may have no id: its record and signal name it. */
export function identity(anomaly: Anomaly): string {
  const { topic, partition, offset, signal, sensor, kind, vehicle_id, event_time } = anomaly;
  return JSON.stringify([topic, partition, offset, vehicle_id, signal, sensor, kind, event_time]);
}

export function useRecentAnomalies(spanMs: number): Polled<Recent> {
  const known = useRef(new Map<string, Anomaly>());
  const looked = useRef<number | null>(null);
  return usePolled(
    async (abort) => {
      const oldest = serverNow() - spanMs;
      const from = Math.max(oldest, (looked.current ?? oldest) - OVERLAP_MS);
      const time = serverNow();
      const isWhole = await readAll(known.current, from, abort);
      looked.current = time;
      for (const [key, each] of known.current) if (Date.parse(each.event_time) < oldest) known.current.delete(key);
      return { anomalies: [...known.current.values()], isWhole };
    },
    LOOK_EVERY_MS,
    [spanMs],
  );
}

async function readAll(known: Map<string, Anomaly>, from: number, abort: AbortSignal): Promise<boolean> {
  let cursor: string | null = null;
  for (let page = 0; page < MOST_PAGES; page++) {
    const answer: { anomalies: Anomaly[]; next_cursor: string | null } = await anomalies(null, { from, to: serverNow() + AHEAD_MS }, PAGE, cursor, abort);
    for (const each of answer.anomalies) known.set(identity(each), each);
    cursor = answer.next_cursor;
    if (cursor === null) return true;
  }
  return false;
}
