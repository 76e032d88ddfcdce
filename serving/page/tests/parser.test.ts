import { describe, expect, test } from "vitest";
import { EventParser } from "../src/stream/parser";

const WHOLE = 'retry: 800\n\n: heartbeat\n\nid: 7\nevent: state\ndata: {"a":1}\n\nid: 8\nevent: state\ndata: {"a":2}\n\n';

describe("server-sent events", () => {
  test("are the same in whatever pieces they come", () => {
    const whole = new EventParser().feed(WHOLE);
    for (let size = 1; size <= WHOLE.length; size++) {
      const parser = new EventParser();
      const events = [];
      for (let at = 0; at < WHOLE.length; at += size) events.push(...parser.feed(WHOLE.slice(at, at + size)));
      expect(events).toEqual(whole);
      expect(parser.lastId).toBe("8");
      expect(parser.retryMs).toBe(800);
    }
  });

  test("have a name, an id and data", () => {
    expect(new EventParser().feed(WHOLE)).toEqual([
      { id: "7", name: "state", data: '{"a":1}' },
      { id: "8", name: "state", data: '{"a":2}' },
    ]);
  });

  test("end at any of the three line ends, also when a pair of them is torn apart", () => {
    const parser = new EventParser();
    expect(parser.feed("data: 1\r\n\r")).toEqual([]);
    expect(parser.feed("\ndata: 2\r\rdata: 3\n\n")).toEqual(
      ["1", "2", "3"].map((data) => ({ id: "", name: "message", data })),
    );
  });

  test("keep the lines of their data, and lose only the first space", () => {
    expect(new EventParser().feed("data:  a\ndata:b\ndata\n\n")[0]?.data).toBe(" a\nb\n");
  });

  test("without data are none, but their id counts", () => {
    const parser = new EventParser();
    expect(parser.feed("id: 9\nevent: state\n\n")).toEqual([]);
    expect(parser.lastId).toBe("9");
  });

  test("go on from the id of before when they have none of their own", () => {
    expect(new EventParser("41").feed("data: x\n\n")[0]?.id).toBe("41");
  });

  test("that are not whole yet are not given", () => {
    expect(new EventParser().feed("data: half")).toEqual([]);
  });
});
