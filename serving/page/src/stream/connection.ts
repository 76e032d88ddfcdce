/**
 * The live connection: state changes as they happen. When it breaks it is opened again with the id of the last event,
 * so nothing in between is missed; where the server no longer knows that id it says `reset`, and all is loaded anew.
 */

import { signal } from "@preact/signals";
import { ask } from "../api/client";
import { Refused } from "../api/problem";
import { waitMs } from "./backoff";
import { EventParser, type ServerEvent } from "./parser";

export type Connection =
  | { is: "connecting" }
  | { is: "live" }
  | { is: "lost"; since: number; nextTry: number }
  | { is: "refused" };

export interface Receiver {
  /** Before the first event of a connection; `resumed` tells whether it goes on where the last one broke. */
  opened(resumed: boolean): Promise<void>;
  received(event: ServerEvent): void;
}

/** A connection on which nothing comes for so long, not even a heartbeat, is taken for dead. */
const SILENCE_MS = 60_000;

export const connection = signal<Connection>({ is: "connecting" });

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export class Stream {
  private lastId = "";
  private tries = 0;
  private lostSince: number | null = null;

  constructor(private readonly receiver: Receiver) {}

  /** Returns when the server wants a key; until then it reads, and connects again. */
  async run(): Promise<void> {
    for (;;) {
      const refusal = await this.read().catch((error: unknown) => (error instanceof Refused ? error : null));
      if (refusal instanceof Refused && refusal.status === 401) {
        connection.value = { is: "refused" };
        return;
      }
      await this.waitForNextTry(refusal?.retryAfterMs ?? 0);
    }
  }

  private async waitForNextTry(leastMs: number): Promise<void> {
    const wait = Math.max(leastMs, waitMs(this.tries, Math.random()));
    this.tries += 1;
    this.lostSince ??= Date.now();
    connection.value = { is: "lost", since: this.lostSince, nextTry: Date.now() + wait };
    await pause(wait);
  }

  /** Until the server ends it: null. */
  private async read(): Promise<null> {
    const abort = new AbortController();
    let watchdog = setTimeout(() => abort.abort(), SILENCE_MS);
    try {
      const reader = (await this.open(abort.signal)).getReader();
      const [decoder, parser] = [new TextDecoder(), new EventParser(this.lastId)];
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return null;
        clearTimeout(watchdog);
        watchdog = setTimeout(() => abort.abort(), SILENCE_MS);
        this.tries = 0;
        for (const event of parser.feed(decoder.decode(value, { stream: true }))) this.receiver.received(event);
        this.lastId = parser.lastId;
      }
    } finally {
      clearTimeout(watchdog);
      abort.abort();
    }
  }

  private async open(signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const resumed = this.lastId !== "";
    const headers: Record<string, string> = { Accept: "text/event-stream" };
    if (resumed) headers["Last-Event-ID"] = this.lastId;
    const { body } = await ask("stream", {}, { headers, signal, cache: "no-store" });
    if (body === null) throw new TypeError("the stream has no body");
    await this.receiver.opened(resumed);
    this.lostSince = null;
    connection.value = { is: "live" };
    return body;
  }
}
