/** Land and borders of Natural Earth. In a file of its own: the map is there before it has come. */

import type { FeatureCollection, MultiLineString } from "geojson";
import { feature, mesh } from "topojson-client";
import type { GeometryCollection, Topology } from "topojson-specification";
import atlas from "world-atlas/countries-50m.json";
import { unrolledAll } from "./rings";

const world = atlas as unknown as Topology<{ land: GeometryCollection; countries: GeometryCollection }>;

export const land = unrolledAll(feature(world, world.objects.land) as FeatureCollection);
export const borders: MultiLineString = mesh(world, world.objects.countries, (one, other) => one !== other);
