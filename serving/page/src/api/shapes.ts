/** The read API's answers, as docs/api.md has them. A field that may be unknown is null, and stays null here. */

import type { Feature, FeatureCollection, LineString, Point } from "geojson";

export type Listed<Key extends string, Row> = { [key in Key]: Row[] } & { next_cursor: string | null };

export interface Coordinates {
  topic: string | null;
  partition: number | null;
  offset: number | null;
}

export interface VehicleRow {
  vehicle_id: string;
  fleet: string | null;
  model: string | null;
  last_time: string | null;
}

export type Value = number | string | boolean | null;

export interface SignalRow extends Coordinates {
  signal: string;
  sensor: string | null;
  value: Value;
  unit: string | null;
  time: string;
}

export interface VehicleState {
  vehicle_id: string;
  fleet: string | null;
  at: string | null;
  last_time: string | null;
  signals: SignalRow[];
}

export interface SeriesPoint {
  time: string;
  readings: number;
  minimum: number | null;
  maximum: number | null;
  average: number | null;
  last: number | null;
}

export interface Series {
  vehicle_id: string;
  signal: string;
  unit: string | null;
  step_s: number;
  points: SeriesPoint[];
}

export interface Trip {
  trip_id: string;
  vehicle_id: string;
  start_time: string;
  end_time: string;
  duration_s: number;
  moving_s: number;
  distance_km: number;
  distance_method: string;
  average_speed_kmh: number;
  top_speed_kmh: number | null;
  stops: number;
  soc_start: number | null;
  soc_end: number | null;
  soc_used: number | null;
  energy_kwh: number | null;
  consumption_kwh_per_100km: number | null;
  points: number;
}

export type TripTrack = Feature<LineString | null, Trip & { times: string[] }>;

export interface ChargingSession {
  vehicle_id: string;
  start_time: string;
  end_time: string;
  duration_s: number;
  soc_start: number | null;
  soc_end: number | null;
  soc_added: number | null;
  energy_kwh: number | null;
  energy_method: string | null;
  power_max_kw: number | null;
  power_avg_kw: number | null;
  current_type: string | null;
  method: string;
  points: number;
}

export interface Anomaly extends Coordinates {
  anomaly_id: string | null;
  vehicle_id: string;
  source: string;
  signal: string;
  sensor: string | null;
  kind: string;
  value: number;
  threshold: number;
  event_time: string;
}

export interface LatestProperties {
  vehicle_id: string;
  fleet: string | null;
  time: string;
  speed: number | null;
  soc: number | null;
  ignition: number | boolean | null;
  charge_state: string | null;
}

export type FleetLatest = FeatureCollection<Point | null, LatestProperties>;

export interface StateChange extends LatestProperties {
  latitude: number | null;
  longitude: number | null;
  signals: Record<string, { value: Value; time: string }>;
}

export interface QualityRow {
  source: string;
  signal: string | null;
  readings: number;
  vehicles: number;
  duplicates: number;
  conflicts: number;
  rejected: number;
  late_p50_s: number | null;
  late_p99_s: number | null;
  ahead: number;
  ahead_max_s: number | null;
  interval_p50_s: number | null;
  gaps: number;
  ingest_date: string;
  [reason: string]: string | number | null;
}

export interface PipelineHealth {
  status: "ok" | "degraded" | "down";
  problems: string[];
  sinks: { sink: string; lag: number | null; is_running: boolean | null }[];
  layers: { layer: string; newest_time: string | null; age_s: number | null; rows_per_s: number | null }[];
  rejected: { source: string; reason: string; last_hour: number }[];
}

export interface Alert {
  alert_id: string;
  rule: string;
  vehicle_id: string | null;
  state: string;
  opened_time: string;
  resolved_time: string | null;
  value: Value;
  summary: string;
}
