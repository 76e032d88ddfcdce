/**
 * Server-sent events from text that arrives in any pieces, as the HTML standard reads them. `EventSource` would do it
 * too, but cannot send a key.
 */

export interface ServerEvent {
  id: string;
  name: string;
  data: string;
}

export class EventParser {
  /** How long the server wants a client to wait before it comes again. */
  retryMs: number | null = null;

  private rest = "";
  private isFirst = true;
  private data: string[] = [];
  private name = "";

  /** `lastId` is that of the newest event that had one: where to resume from. */
  constructor(public lastId = "") {}

  /** The events that are whole with this piece of text. */
  feed(piece: string): ServerEvent[] {
    let text = this.rest + piece;
    if (this.isFirst && text !== "") {
      this.isFirst = false;
      text = text.replace(/^\uFEFF/, "");
    }
    const lines = text.split(/\r\n|\n|\r(?=[^])/);
    this.rest = lines.pop() ?? "";
    return lines.flatMap((line) => this.line(line));
  }

  private line(line: string): ServerEvent[] {
    if (line === "") return this.dispatch();
    const [, field = "", value = ""] = /^([^:]*)(?:: ?)?([^]*)$/.exec(line) ?? [];
    if (field === "data") this.data.push(value);
    else if (field === "event") this.name = value;
    else if (field === "id" && !value.includes("\0")) this.lastId = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.retryMs = Number(value);
    return [];
  }

  private dispatch(): ServerEvent[] {
    const { data, name } = this;
    this.data = [];
    this.name = "";
    return data.length === 0 ? [] : [{ id: this.lastId, name: name || "message", data: data.join("\n") }];
  }
}
