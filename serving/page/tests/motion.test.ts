import { describe, expect, test } from "vitest";
import { isMoving, metres, moveTo, positionAt, standing } from "../src/fleet/motion";

const HERE = { longitude: 13.4, latitude: 52.5 };
const NEAR = { longitude: 13.4004, latitude: 52.5002 };
const FAR = { longitude: 2.35, latitude: 48.85 };

describe("a dot between two positions", () => {
  test("goes on the straight line, and not beyond the newer one", () => {
    const motion = moveTo(standing(HERE), NEAR, 1000, 5000);
    expect(positionAt(motion, 5000)).toEqual(HERE);
    expect(positionAt(motion, 5500).longitude).toBeCloseTo(13.4002, 9);
    expect(positionAt(motion, 5500).latitude).toBeCloseTo(52.5001, 9);
    expect(positionAt(motion, 99_000)).toEqual(NEAR);
    expect([isMoving(motion, 5999), isMoving(motion, 6000)]).toEqual([true, false]);
  });

  test("turns from where it is drawn, without a jump", () => {
    const first = moveTo(standing(HERE), NEAR, 1000, 0);
    const second = moveTo(first, HERE, 1000, 400);
    expect(positionAt(second, 400)).toEqual(positionAt(first, 400));
    expect(positionAt(second, 1400)).toEqual(HERE);
  });

  test("never takes longer than two seconds", () => {
    expect(moveTo(standing(HERE), NEAR, 60_000, 0).durationMs).toBe(2000);
  });

  test("jumps where no vehicle could have driven, and where there was none before", () => {
    expect(positionAt(moveTo(standing(HERE), FAR, 1000, 0), 0)).toEqual(FAR);
    expect(positionAt(moveTo(null, FAR, 1000, 0), 0)).toEqual(FAR);
  });
});

test("distances are those of the earth", () => {
  expect(metres(HERE, { longitude: 13.4, latitude: 53.5 })).toBeCloseTo(111_320, 0);
  expect(metres(HERE, FAR)).toBeGreaterThan(850_000);
});
