/** Anomalies as a table, each with the Kafka record it was found in. */

import type { Anomaly } from "../api/shapes";
import { number, title } from "../format/quantity";
import { hashOf } from "../location";
import { identity } from "./recent_anomalies";
import { Source } from "./source";
import { type Column, Table } from "./table";
import { Moment } from "./when";

const vehicle: Column<Anomaly> = {
  title: "Vehicle",
  by: (row) => row.vehicle_id,
  cell: (row) => <a href={hashOf({ view: "map", vehicle: row.vehicle_id })}>{row.vehicle_id}</a>,
};

const columns: Column<Anomaly>[] = [
  { title: "Time", by: (row) => row.event_time, cell: (row) => <Moment time={row.event_time} /> },
  { title: "What", by: (row) => row.kind, cell: (row) => title(row.kind) },
  { title: "Signal", by: (row) => row.signal, cell: (row) => title(row.signal) },
  { title: "Value", by: (row) => row.value, cell: (row) => number(row.value, 3), isNumber: true },
  { title: "Limit", by: (row) => row.threshold, cell: (row) => number(row.threshold, 3), isNumber: true },
  { title: "Kafka record", cell: (row) => <Source {...row} /> },
];

interface Props {
  caption: string;
  rows: Anomaly[];
  ofOneVehicle?: boolean;
  pageSize?: number;
  onMore?: (() => void) | undefined;
}

export function AnomalyTable({ caption, rows, ofOneVehicle = false, pageSize, onMore }: Props) {
  const shown = ofOneVehicle ? columns : [...columns.slice(0, 1), vehicle, ...columns.slice(1)];
  return <Table caption={caption} columns={shown} rows={rows} keyOf={identity} pageSize={pageSize} onMore={onMore} />;
}
