/**
 * Rings of land that cross the date line, in the form that a flat map draws: their degrees go on beyond 180 instead of
 * falling back to -180, which would draw a line around the world. A ring around a pole is closed over that pole.
 */

import type { Feature, FeatureCollection, Geometry, Position } from "geojson";

const AROUND = 360;
const POLE = 90;

export function unrolled(ring: Position[]): Position[] {
  let turns = 0;
  const points = ring.map(([longitude = 0, latitude = 0], index): Position => {
    const before = ring[index - 1]?.[0] ?? longitude;
    if (longitude - before > AROUND / 2) turns -= 1;
    if (before - longitude > AROUND / 2) turns += 1;
    return [longitude + turns * AROUND, latitude];
  });
  const [first, last] = [points[0], points.at(-1)];
  if (turns === 0 || first === undefined || last === undefined) return points;
  const pole = (last[1] ?? 0) < 0 ? -POLE : POLE;
  return [...points, [last[0] ?? 0, pole], [first[0] ?? 0, pole], first];
}

function unrolledGeometry(geometry: Geometry): Geometry {
  if (geometry.type === "Polygon") return { ...geometry, coordinates: geometry.coordinates.map(unrolled) };
  if (geometry.type !== "MultiPolygon") return geometry;
  return { ...geometry, coordinates: geometry.coordinates.map((polygon) => polygon.map(unrolled)) };
}

export function unrolledAll({ features }: FeatureCollection): FeatureCollection {
  return {
    type: "FeatureCollection",
    features: features.map((each): Feature => ({ ...each, geometry: unrolledGeometry(each.geometry) })),
  };
}
