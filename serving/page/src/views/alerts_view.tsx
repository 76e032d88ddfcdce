/** Alerts that are open: what is wrong, since when, and with which vehicle. */

import type { Alert } from "../api/shapes";
import { now } from "../clock";
import { span } from "../format/age";
import { hashOf } from "../location";
import { Empty, Shown } from "../parts/notice";
import type { Polled } from "../parts/polling";
import { type Column, Table } from "../parts/table";
import { Moment } from "../parts/when";

const columns: Column<Alert>[] = [
  { title: "Opened", by: (row) => row.opened_time, cell: (row) => <Moment time={row.opened_time} /> },
  { title: "For", by: (row) => -Date.parse(row.opened_time), cell: (row) => span(now.value - Date.parse(row.opened_time)) },
  { title: "Rule", by: (row) => row.rule, cell: (row) => <strong>{row.rule}</strong> },
  {
    title: "Vehicle",
    by: (row) => row.vehicle_id,
    cell: (row) => (row.vehicle_id === null ? "-" : <a href={hashOf({ view: "map", vehicle: row.vehicle_id })}>{row.vehicle_id}</a>),
  },
  { title: "What", cell: (row) => row.summary },
];

export function AlertsView({ alerts }: { alerts: Polled<Alert[]> }) {
  return (
    <>
      <h1>Open alerts</h1>
      <section class="card" aria-label="Open alerts">
        <Shown polled={alerts} what="alerts">
          {(rows) =>
            rows.length === 0 ? (
              <Empty>No alert is open.</Empty>
            ) : (
              <Table caption="Open alerts" columns={columns} rows={rows} keyOf={(row) => row.alert_id} />
            )
          }
        </Shown>
      </section>
    </>
  );
}
