/** Lines of latitude and longitude for what the map shows, as close as fits, with their degrees: the map's own scale. */

import type { Feature, FeatureCollection, LineString, Point } from "geojson";

export interface Box {
  west: number;
  south: number;
  east: number;
  north: number;
}

const STEPS = [30, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001];
const LINES_ACROSS = 6;
const POLE = 85;

/** The largest step that still gives about so many lines across. */
export function stepFor(degreesAcross: number): number {
  return STEPS.find((step) => degreesAcross / step >= LINES_ACROSS) ?? 0.001;
}

export function graticule(box: Box): FeatureCollection<LineString | Point> {
  const step = stepFor(box.east - box.west);
  const [south, north] = [Math.max(-POLE, box.south), Math.min(POLE, box.north)];
  const features: Feature<LineString | Point>[] = [];
  for (const longitude of multiples(box.west, box.east, step)) {
    features.push(line([longitude, south], [longitude, north]));
    features.push(label([longitude, north], degrees(wrapped(longitude), step, "E", "W"), "north"));
  }
  for (const latitude of multiples(south, north, step)) {
    features.push(line([box.west, latitude], [box.east, latitude]));
    features.push(label([box.west, latitude], degrees(latitude, step, "N", "S"), "west"));
  }
  return { type: "FeatureCollection", features };
}

function* multiples(from: number, to: number, step: number): Generator<number> {
  for (let count = Math.ceil(from / step); count * step <= to; count++) yield count * step;
}

const wrapped = (longitude: number): number => ((((longitude + 180) % 360) + 360) % 360) - 180;

function degrees(value: number, step: number, positive: string, negative: string): string {
  const decimals = Math.max(0, -Math.floor(Math.log10(step)));
  const text = Math.abs(value).toFixed(decimals);
  return Number(text) === 0 ? "0°" : `${text}° ${value > 0 ? positive : negative}`;
}

function line(from: [number, number], to: [number, number]): Feature<LineString> {
  return { type: "Feature", geometry: { type: "LineString", coordinates: [from, to] }, properties: {} };
}

function label(at: [number, number], text: string, edge: string): Feature<Point> {
  return { type: "Feature", geometry: { type: "Point", coordinates: at }, properties: { text, edge } };
}
