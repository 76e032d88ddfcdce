/** What the map is made of: sources, layers, and the colour of each in the theme of the moment. */

import type { FeatureCollection } from "geojson";
import type { LayerSpecification, SourceSpecification, StyleSpecification } from "maplibre-gl";
import { ACTIVITIES } from "../fleet/activity";
import { colour } from "../theme";

export const NOTHING: FeatureCollection = { type: "FeatureCollection", features: [] };

/** Drawn from the system's own fonts: the style names no address to fetch letters from. */
const FONT = ["system-ui", "sans-serif"];
const CLUSTERS_UNTIL_ZOOM = 12;
const NAMES_FROM_ZOOM = 10;

const empty: SourceSpecification = { type: "geojson", data: NOTHING };

const sources: Record<string, SourceSpecification> = {
  land: { ...empty, attribution: "Land: Natural Earth" } as SourceSpecification,
  borders: empty,
  graticule: empty,
  track: empty,
  fleet: {
    type: "geojson",
    data: NOTHING,
    cluster: true,
    clusterRadius: 38,
    clusterMinPoints: 3,
    clusterMaxZoom: CLUSTERS_UNTIL_ZOOM,
    maxzoom: 20,
  },
};

const CLUSTER_RADIUS = ["step", ["get", "point_count"], 13, 20, 16, 100, 20, 1000, 25] as never;

const layers: LayerSpecification[] = [
  { id: "sea", type: "background" },
  { id: "land", type: "fill", source: "land" },
  { id: "shore", type: "line", source: "land", paint: { "line-width": 1 } },
  { id: "borders", type: "line", source: "borders", paint: { "line-width": 0.8, "line-dasharray": [3, 2] } },
  { id: "graticule", type: "line", source: "graticule", paint: { "line-width": 1 } },
  degreesAt("north", [0, 0.5], "top"),
  degreesAt("west", [0.5, 0], "left"),
  {
    id: "track",
    type: "line",
    source: "track",
    layout: { "line-cap": "round", "line-join": "round" },
    paint: { "line-width": 4 },
  },
  { id: "track-ends", type: "circle", source: "track", filter: ["==", ["geometry-type"], "Point"], paint: { "circle-radius": 6, "circle-stroke-width": 3 } },
  { id: "clusters", type: "circle", source: "fleet", filter: ["has", "point_count"], paint: { "circle-radius": CLUSTER_RADIUS, "circle-stroke-width": 2 } },
  {
    id: "cluster-counts",
    type: "symbol",
    source: "fleet",
    filter: ["has", "point_count"],
    layout: { "text-field": ["get", "point_count_abbreviated"], "text-font": FONT, "text-size": 12, "text-allow-overlap": true },
  },
  {
    id: "vehicles",
    type: "circle",
    source: "fleet",
    filter: ["!", ["has", "point_count"]],
    paint: { "circle-radius": ["interpolate", ["linear"], ["zoom"], 3, 5, 14, 8], "circle-stroke-width": 2 },
  },
  {
    id: "names",
    type: "symbol",
    source: "fleet",
    minzoom: NAMES_FROM_ZOOM,
    filter: ["!", ["has", "point_count"]],
    layout: { "text-field": ["get", "id"], "text-font": FONT, "text-size": 11, "text-anchor": "top", "text-offset": [0, 1.5], "text-optional": true },
    paint: { "text-halo-width": 1.5 },
  },
];

function degreesAt(edge: string, offset: [number, number], anchor: "top" | "left"): LayerSpecification {
  return {
    id: `degrees-${edge}`,
    type: "symbol",
    source: "graticule",
    filter: ["==", ["get", "edge"], edge],
    layout: { "text-field": ["get", "text"], "text-font": FONT, "text-size": 10, "text-anchor": anchor, "text-offset": offset },
    paint: { "text-halo-width": 1 },
  };
}

export const style: StyleSpecification = { version: 8, sources, layers };

type Paint = [layer: string, property: string, value: unknown];

/** Every colour of the map. */
export function paints(): Paint[] {
  const ofActivity = Object.keys(ACTIVITIES).flatMap((name) => [name, colour(name)]);
  return [
    ["sea", "background-color", colour("map-sea")],
    ["land", "fill-color", colour("map-land")],
    ["shore", "line-color", colour("map-shore")],
    ["borders", "line-color", colour("map-border")],
    ["graticule", "line-color", colour("map-line")],
    ...["north", "west"].flatMap((edge): Paint[] => [
      [`degrees-${edge}`, "text-color", colour("map-degrees")],
      [`degrees-${edge}`, "text-halo-color", colour("map-land")],
    ]),
    ["track", "line-color", colour("accent")],
    ["track-ends", "circle-color", colour("surface")],
    ["track-ends", "circle-stroke-color", colour("accent")],
    ["clusters", "circle-color", colour("map-cluster")],
    ["clusters", "circle-stroke-color", colour("map-ring")],
    ["cluster-counts", "text-color", colour("map-cluster-text")],
    ["vehicles", "circle-color", ["match", ["get", "activity"], ...ofActivity, colour("unknown")]],
    ["vehicles", "circle-stroke-color", colour("map-ring")],
    ["names", "text-color", colour("text")],
    ["names", "text-halo-color", colour("map-land")],
  ];
}
