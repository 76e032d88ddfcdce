/** Rows of a list that comes in pages: the first at once, the next when they are asked for. */

import { useEffect, useRef, useState } from "preact/hooks";
import { inWords } from "../api/problem";
import { serverNow } from "../clock";
import { type Polled, waitAfter } from "./polling";

export interface Chunk<Row> {
  rows: Row[];
  next: string | null;
}

export interface Listing<Row> extends Polled<Row[]> {
  onMore: (() => void) | undefined;
}

interface Known<Row> {
  answer: Row[] | null;
  next: string | null;
  at: number | null;
  trouble: string | null;
}

const NOTHING = { answer: null, next: null, at: null, trouble: null };

/** Starts from nothing with what it depends on. A try that may succeed later is made again. */
export function useListing<Row>(
  load: (cursor: string | null, abort: AbortSignal) => Promise<Chunk<Row>>,
  dependencies: readonly unknown[],
): Listing<Row> {
  const [known, setKnown] = useState<Known<Row>>(NOTHING);
  const fetchFrom = useRef<(cursor: string | null) => void>(() => undefined);

  useEffect(() => {
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const fetchRows = async (cursor: string | null): Promise<void> => {
      try {
        const { rows, next } = await load(cursor, abort.signal);
        if (abort.signal.aborted) return;
        setKnown(({ answer }) => ({ answer: cursor === null ? rows : [...(answer ?? []), ...rows], next, at: serverNow(), trouble: null }));
      } catch (error) {
        if (abort.signal.aborted) return;
        setKnown((before) => ({ ...before, trouble: inWords(error) }));
        const wait = waitAfter(error, null);
        if (wait !== null) timer = setTimeout(() => void fetchRows(cursor), wait);
      }
    };
    fetchFrom.current = (cursor) => void fetchRows(cursor);
    setKnown(NOTHING);
    void fetchRows(null);
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, dependencies);

  const { next, ...shown } = known;
  return { ...shown, onMore: next === null ? undefined : () => fetchFrom.current(next) };
}
