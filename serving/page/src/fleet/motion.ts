/**
 * Where a dot is drawn between two positions that a vehicle sent: on the straight line, never beyond the newer one.
 * What nobody measured is not made up: a jump that no vehicle drives is drawn as a jump.
 */

export interface Position {
  longitude: number;
  latitude: number;
}

export interface Motion {
  from: Position;
  to: Position;
  startedAt: number;
  durationMs: number;
}

const LONGEST_MS = 2_000;
const METRES_PER_DEGREE = 111_320;
/** 500 km/h, what the catalog takes for the greatest possible speed. */
const FASTEST_M_PER_S = 139;
/** Receivers err by so much while standing. */
const SLACK_M = 200;

export function standing(position: Position): Motion {
  return { from: position, to: position, startedAt: 0, durationMs: 0 };
}

export function positionAt(motion: Motion, time: number): Position {
  if (motion.durationMs <= 0) return motion.to;
  const part = Math.min(1, Math.max(0, (time - motion.startedAt) / motion.durationMs));
  const between = (from: number, to: number) => from + (to - from) * part;
  return {
    longitude: between(motion.from.longitude, motion.to.longitude),
    latitude: between(motion.from.latitude, motion.to.latitude),
  };
}

export const isMoving = (motion: Motion, time: number): boolean => time < motion.startedAt + motion.durationMs;

/** The way on to a new position, from where the dot is drawn now; `tookMs` is the time between the two readings. */
export function moveTo(motion: Motion | null, to: Position, tookMs: number, time: number): Motion {
  if (motion === null || !isDrivable(motion.to, to, tookMs)) return standing(to);
  return { from: positionAt(motion, time), to, startedAt: time, durationMs: Math.min(LONGEST_MS, Math.max(0, tookMs)) };
}

function isDrivable(from: Position, to: Position, tookMs: number): boolean {
  return metres(from, to) <= SLACK_M + (Math.max(0, tookMs) / 1000) * FASTEST_M_PER_S;
}

/** Of short distances; across the date line it is far too long, which makes it a jump. */
export function metres(from: Position, to: Position): number {
  const middle = ((from.latitude + to.latitude) / 2) * (Math.PI / 180);
  const east = (to.longitude - from.longitude) * Math.cos(middle);
  return Math.hypot(east, to.latitude - from.latitude) * METRES_PER_DEGREE;
}
