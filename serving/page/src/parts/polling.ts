/** An answer that is asked for again and again while it is shown. What was known stays when the next try fails. */

import { useEffect, useState } from "preact/hooks";
import { serverNow } from "../clock";
import { inWords, Refused } from "../api/problem";

export interface Polled<Answer> {
  answer: Answer | null;
  /** When the answer came. */
  at: number | null;
  trouble: string | null;
}

const UNKNOWN = { answer: null, at: null, trouble: null };

/** Asks at once, and `everyMs` after each answer (null: once); what it depends on makes it start from nothing. */
export function usePolled<Answer>(
  load: (abort: AbortSignal) => Promise<Answer>,
  everyMs: number | null,
  dependencies: readonly unknown[],
): Polled<Answer> {
  const [polled, setPolled] = useState<Polled<Answer>>(UNKNOWN);
  useEffect(() => {
    setPolled(UNKNOWN);
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async (): Promise<void> => {
      let wait = everyMs;
      try {
        const answer = await load(abort.signal);
        if (!abort.signal.aborted) setPolled({ answer, at: serverNow(), trouble: null });
      } catch (error) {
        if (abort.signal.aborted) return;
        setPolled((before) => ({ ...before, trouble: inWords(error) }));
        wait = waitAfter(error, everyMs);
      }
      if (wait !== null && !abort.signal.aborted) timer = setTimeout(() => void ask(), wait);
    };
    void ask();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, dependencies);
  return polled;
}

const RETRY_MS = 5_000;

/** What is wrong with the question itself stays wrong; what is away may come back. Without a key nothing is asked. */
export function waitAfter(error: unknown, everyMs: number | null): number | null {
  if (error instanceof Refused && error.status === 401) return null;
  if (error instanceof Refused && error.status < 500 && error.status !== 429) return everyMs;
  const asked = error instanceof Refused ? error.retryAfterMs : null;
  return Math.max(everyMs ?? RETRY_MS, asked ?? 0);
}
