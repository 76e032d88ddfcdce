/**
 * The map itself: base, dots, the chosen vehicle's marker and a trip's track. Dots go to the worker at most four times
 * a second where there are many, and more often where they are few; the marker moves with every frame.
 */

import type { Feature, FeatureCollection, Point } from "geojson";
import {
  type GeoJSONSource,
  LngLatBounds,
  Map as MapLibre,
  type MapMouseEvent,
  Marker,
  NavigationControl,
  ScaleControl,
  setWorkerUrl,
} from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url";
import "maplibre-gl/dist/maplibre-gl.css";
import type { TripTrack } from "../api/shapes";
import type { Seen } from "../fleet/choice";
import { isMoving, type Motion, type Position, positionAt } from "../fleet/motion";
import type { Vehicle } from "../fleet/vehicle";
import { graticule } from "./graticule";
import { NOTHING, paints, style } from "./layers";

setWorkerUrl(workerUrl);

/** Redrawing so few dots costs little, so they move smoothly. */
const FEW = 300;
const FEW_EVERY_MS = 60;
const MANY_EVERY_MS = 250;
/** A machine whose frames take long, as without a graphics card, is given time for the rest of the page. */
const FRAMES_BETWEEN = 4;
const CLOSE_ZOOM = 13;
const MARGIN_PX = 60;

export interface Options {
  isStill: () => boolean;
  onPick: (vehicle: string) => void;
}

export class FleetMap {
  private readonly map: MapLibre;
  private readonly marker: Marker;
  private seen: readonly Seen[] = [];
  private chosen: Vehicle | null = null;
  private isMarked = false;
  private isReady = false;
  private isDue = true;
  private drawnAt = 0;
  private stepAt = 0;
  /** How long a frame took of late. */
  private frameMs = 16;
  private frame = 0;

  constructor(
    container: HTMLElement,
    private readonly options: Options,
  ) {
    this.map = new MapLibre({
      container,
      style,
      center: [10, 30],
      zoom: 1.4,
      maxZoom: 18,
      attributionControl: { compact: true },
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      fadeDuration: 0,
    });
    this.map.touchZoomRotate.disableRotation();
    this.map.addControl(new NavigationControl({ showCompass: false }), "top-right");
    this.map.addControl(new ScaleControl({}), "bottom-left");
    this.marker = new Marker({ element: markerElement() });
    this.map.on("load", () => this.ready());
  }

  remove(): void {
    cancelAnimationFrame(this.frame);
    this.map.remove();
  }

  /** The vehicles to draw from now on. */
  show(seen: readonly Seen[]): void {
    this.seen = seen;
    this.isDue = true;
  }

  /** Marks this vehicle; with `isSought` it is brought into view when it is another than before. */
  choose(vehicle: Vehicle | null, isSought: boolean): void {
    const isNew = vehicle !== null && vehicle !== this.chosen;
    this.chosen = vehicle;
    if (!isNew || !isSought || vehicle.motion === null) return;
    this.fly({ center: lngLat(vehicle.motion.to), zoom: Math.max(this.map.getZoom(), CLOSE_ZOOM) });
  }

  /** Brings them all into view; false where none has a position. */
  fit(): boolean {
    const bounds = new LngLatBounds();
    for (const { vehicle } of this.seen) if (vehicle.motion) bounds.extend(lngLat(vehicle.motion.to));
    this.fitTo(bounds);
    return !bounds.isEmpty();
  }

  /** A trip's way, or none. */
  track(trip: TripTrack | null): void {
    const way = trip?.geometry?.coordinates ?? [];
    const [first, last] = [way[0], way.at(-1)];
    if (trip === null || first === undefined || last === undefined) return this.draw("track", NOTHING);
    const ends = [first, last].map((coordinates): Feature => ({ type: "Feature", geometry: { type: "Point", coordinates }, properties: {} }));
    this.draw("track", { type: "FeatureCollection", features: [trip as Feature, ...ends] });
    this.fitTo(way.reduce((bounds, [longitude = 0, latitude = 0]) => bounds.extend([longitude, latitude]), new LngLatBounds()));
  }

  /** After the theme has changed. */
  paint(): void {
    if (!this.isReady) return;
    for (const [layer, property, value] of paints()) this.map.setPaintProperty(layer, property as never, value as never);
  }

  private ready(): void {
    this.isReady = true;
    this.paint();
    this.drawGraticule();
    this.map.on("moveend", () => this.drawGraticule());
    this.map.on("resize", () => this.drawGraticule());
    this.listenToPointer();
    void import("./land").then(({ land, borders }) => {
      this.draw("land", land);
      this.draw("borders", borders);
    });
    const animate = (time: number) => {
      this.step(time);
      this.frame = requestAnimationFrame(animate);
    };
    this.frame = requestAnimationFrame(animate);
  }

  private step(time: number): void {
    this.frameMs += (Math.min(time - this.stepAt, MANY_EVERY_MS) - this.frameMs) / 8;
    this.stepAt = time;
    this.moveMarker(time);
    const every = this.seen.length <= FEW ? FEW_EVERY_MS : MANY_EVERY_MS;
    if (time - this.drawnAt < Math.max(every, this.frameMs * FRAMES_BETWEEN)) return;
    if (!this.isDue && this.options.isStill()) return;
    const points = this.points(time);
    if (!this.isDue && !points.isAnyMoving) return;
    this.isDue = points.isAnyMoving;
    this.drawnAt = time;
    this.draw("fleet", points.collection);
  }

  private points(time: number): { collection: FeatureCollection<Point>; isAnyMoving: boolean } {
    let isAnyMoving = false;
    const features: Feature<Point>[] = [];
    for (const { vehicle, activity } of this.seen) {
      if (vehicle.motion === null) continue;
      isAnyMoving ||= isMoving(vehicle.motion, time);
      const { longitude, latitude } = this.drawn(vehicle.motion, time);
      features.push({
        type: "Feature",
        geometry: { type: "Point", coordinates: [longitude, latitude] },
        properties: { id: vehicle.id, activity },
      });
    }
    return { collection: { type: "FeatureCollection", features }, isAnyMoving };
  }

  private drawn(motion: Motion, time: number): Position {
    return this.options.isStill() ? motion.to : positionAt(motion, time);
  }

  private moveMarker(time: number): void {
    const motion = this.chosen?.motion ?? null;
    if (motion === null) {
      if (this.isMarked) this.marker.remove();
      this.isMarked = false;
      return;
    }
    this.marker.setLngLat(lngLat(this.drawn(motion, time)));
    if (!this.isMarked) this.marker.addTo(this.map);
    this.isMarked = true;
  }

  private listenToPointer(): void {
    for (const layer of ["vehicles", "clusters"]) {
      this.map.on("mouseenter", layer, () => (this.map.getCanvas().style.cursor = "pointer"));
      this.map.on("mouseleave", layer, () => (this.map.getCanvas().style.cursor = ""));
    }
    this.map.on("click", (event) => void this.clicked(event));
  }

  private async clicked({ point }: MapMouseEvent): Promise<void> {
    const around: [[number, number], [number, number]] = [[point.x - 6, point.y - 6], [point.x + 6, point.y + 6]];
    const [hit] = this.map.queryRenderedFeatures(around, { layers: ["vehicles", "clusters"] });
    if (hit === undefined) return;
    const { id, cluster_id: cluster } = hit.properties as { id?: string; cluster_id?: number };
    if (id !== undefined) return this.options.onPick(id);
    if (cluster === undefined) return;
    const zoom = await this.source("fleet").getClusterExpansionZoom(cluster);
    this.fly({ center: (hit.geometry as Point).coordinates as [number, number], zoom });
  }

  private drawGraticule(): void {
    const bounds = this.map.getBounds();
    const box = { west: bounds.getWest(), south: bounds.getSouth(), east: bounds.getEast(), north: bounds.getNorth() };
    this.draw("graticule", graticule(box));
  }

  private fitTo(bounds: LngLatBounds): void {
    if (bounds.isEmpty()) return;
    this.map.fitBounds(bounds, { padding: MARGIN_PX, maxZoom: CLOSE_ZOOM, animate: !this.options.isStill() });
  }

  private fly(to: { center: [number, number]; zoom: number }): void {
    if (this.options.isStill()) this.map.jumpTo(to);
    else this.map.easeTo({ ...to, duration: 600 });
  }

  private source(name: string): GeoJSONSource {
    return this.map.getSource(name) as GeoJSONSource;
  }

  private draw(name: string, data: Parameters<GeoJSONSource["setData"]>[0]): void {
    if (this.isReady) void this.source(name).setData(data);
    else this.map.once("load", () => this.draw(name, data));
  }
}

const lngLat = ({ longitude, latitude }: Position): [number, number] => [longitude, latitude];

function markerElement(): HTMLElement {
  const element = document.createElement("div");
  element.className = "chosen-marker";
  return element;
}
