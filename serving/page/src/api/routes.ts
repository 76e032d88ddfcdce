/** The routes that the page asks, each with what it takes and gives. */

import { get } from "./client";
import type {
  Alert,
  Anomaly,
  ChargingSession,
  FleetLatest,
  Listed,
  PipelineHealth,
  QualityRow,
  Series,
  Trip,
  TripTrack,
  VehicleRow,
  VehicleState,
} from "./shapes";

type Abort = AbortSignal | undefined;

export interface Span {
  from: number;
  to: number;
}

const iso = (time: number): string => new Date(time).toISOString();
const between = (span: Span) => ({ from: iso(span.from), to: iso(span.to) });
const vehicle = (id: string): string => `vehicles/${encodeURIComponent(id)}`;

export const fleetLatest = (abort?: Abort) => get<FleetLatest>("fleet/latest", {}, abort);

export const vehicles = (cursor: string | null, abort?: Abort) =>
  get<Listed<"vehicles", VehicleRow>>("vehicles", { limit: 1000, cursor }, abort);

export const vehicleState = (id: string, abort?: Abort) => get<VehicleState>(`${vehicle(id)}/state`, {}, abort);

export const series = (id: string, signal: string, span: Span, abort?: Abort) =>
  get<Series>(`${vehicle(id)}/series`, { signal, ...between(span) }, abort);

export const trips = (id: string, span: Span, limit: number, cursor: string | null, abort?: Abort) =>
  get<Listed<"trips", Trip>>(`${vehicle(id)}/trips`, { ...between(span), limit, cursor }, abort);

export const trip = (id: string, abort?: Abort) => get<TripTrack>(`trips/${encodeURIComponent(id)}`, {}, abort);

export const chargingSessions = (id: string | null, span: Span, limit: number, cursor: string | null, abort?: Abort) =>
  get<Listed<"charging_sessions", ChargingSession>>(
    "charging-sessions",
    { vehicle: id, ...between(span), limit, cursor },
    abort,
  );

export const anomalies = (id: string | null, span: Span, limit: number, cursor: string | null, abort?: Abort) =>
  get<Listed<"anomalies", Anomaly>>(
    "anomalies",
    { vehicle: id, ...between(span), limit, cursor },
    abort,
  );

export const quality = (span: Span, limit: number, cursor: string | null, abort?: Abort) =>
  get<Listed<"quality", QualityRow>>("quality", { ...between(span), limit, cursor }, abort);

export const pipelineHealth = (abort?: Abort) => get<PipelineHealth>("pipeline/health", {}, abort);

export const openAlerts = (cursor: string | null, abort?: Abort) =>
  get<Listed<"alerts", Alert>>("alerts", { state: "open", cursor }, abort);
