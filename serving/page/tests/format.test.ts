import { describe, expect, test } from "vitest";
import { age, duration } from "../src/format/age";
import { number, quantity, reading, title } from "../src/format/quantity";

const NOW = Date.parse("2026-05-04T12:00:00Z");
const S = 1000;

describe("an age", () => {
  test.each([
    [0, "now"],
    [1.4 * S, "now"],
    [2 * S, "2 s ago"],
    [59.9 * S, "59 s ago"],
    [60 * S, "1 min ago"],
    [3600 * S, "1 h ago"],
    [47 * 3600 * S, "1 d ago"],
    [800 * 86_400 * S, "2 y ago"],
    [-1 * S, "now"],
    [-200 * S, "3 min ahead"],
  ])("of %d ms is %s", (ms, text) => {
    expect(age(NOW - ms, NOW)).toBe(text);
  });

  test("of what is unknown is unknown", () => {
    expect(age(null, NOW)).toBe("-");
    expect(age(Number.NaN, NOW)).toBe("-");
  });
});

test("a duration has its two largest parts", () => {
  expect([42, 60, 754, 3600, 4500, null].map(duration)).toEqual(["42 s", "1 min", "12 min", "1 h", "1 h 15 min", "-"]);
});

describe("a value", () => {
  test("that is unknown is never a 0", () => {
    expect([number(null), number(undefined), number(Number.NaN), quantity(null, "km/h")]).toEqual(["-", "-", "-", "-"]);
  });

  test("keeps its digits, and gets no new ones", () => {
    expect(number(101.5)).toBe("101.5");
    expect(number(850_000)).toBe("850,000");
    expect(number(-5)).toBe("−5");
    expect(quantity(48.306, "km/h", 1)).toBe("48.3\u202fkm/h");
  });

  test("of a switch is a word, of a text itself", () => {
    expect(reading("ignition", 1, null)).toBe("on");
    expect(reading("ignition", 0, null)).toBe("off");
    expect(reading("is_open", false, null)).toBe("off");
    expect(reading("gear", "R", null)).toBe("R");
    expect(reading("speed", null, "km/h")).toBe("-");
  });

  test("of a place has the digits that tell a metre", () => {
    expect(reading("latitude", 52.486123, "degrees")).toBe("52.486123\u202f°");
  });
});

test("a name is written as people write", () => {
  expect([title("coolant_temperature"), title("soc")]).toEqual(["Coolant temperature", "State of charge"]);
});
