/** Whether the data flows: sinks and how far they are behind, how fresh each layer is, and what was rejected. */

import type { PipelineHealth } from "../api/shapes";
import { span } from "../format/age";
import { number, title, UNKNOWN } from "../format/quantity";
import { Empty, Shown } from "../parts/notice";
import type { Polled } from "../parts/polling";
import { type Column, Table } from "../parts/table";
import { Moment } from "../parts/when";

type Sink = PipelineHealth["sinks"][number];
type Layer = PipelineHealth["layers"][number];
type Rejected = PipelineHealth["rejected"][number];

const STATUS = { ok: "All is well", degraded: "Works, but not as it should", down: "Does not work" };

const sinks: Column<Sink>[] = [
  { title: "Sink", by: (row) => row.sink, cell: (row) => <strong>{title(row.sink)}</strong> },
  { title: "Runs", by: (row) => Number(row.is_running), cell: (row) => <Runs isRunning={row.is_running} /> },
  { title: "Messages behind", by: (row) => row.lag, cell: (row) => number(row.lag), isNumber: true },
];

const layers: Column<Layer>[] = [
  { title: "Layer", by: (row) => row.layer, cell: (row) => <strong>{row.layer}</strong> },
  { title: "Newest", by: (row) => row.newest_time, cell: (row) => <Moment time={row.newest_time} /> },
  { title: "Age", by: (row) => row.age_s, cell: (row) => (row.age_s === null ? UNKNOWN : span(row.age_s * 1000)), isNumber: true },
  { title: "Rows/s", by: (row) => row.rows_per_s, cell: (row) => number(row.rows_per_s, 1), isNumber: true },
];

const rejected: Column<Rejected>[] = [
  { title: "Source", by: (row) => row.source, cell: (row) => row.source },
  { title: "Reason", by: (row) => row.reason, cell: (row) => title(row.reason) },
  { title: "In the last hour", by: (row) => row.last_hour, cell: (row) => number(row.last_hour), isNumber: true },
];

function Runs({ isRunning }: { isRunning: boolean | null }) {
  if (isRunning === null) return <>{UNKNOWN}</>;
  return <span class={isRunning ? "good" : "bad"}>{isRunning ? "yes" : "no"}</span>;
}

export function PipelineView({ health }: { health: Polled<PipelineHealth> }) {
  return (
    <>
      <h1>Pipeline</h1>
      <Shown polled={health} what="the pipeline's health">
        {(answer) => (
          <>
            <Status health={answer} />
            <div class="cards">
              <section class="card" aria-labelledby="sinks">
                <h2 id="sinks">Sinks</h2>
                {answer.sinks.length === 0 ? (
                  <Empty>Nothing is known of the sinks now.</Empty>
                ) : (
                  <Table caption="Sinks" columns={sinks} rows={answer.sinks} keyOf={(row) => row.sink} />
                )}
              </section>
              <section class="card" aria-labelledby="layers">
                <h2 id="layers">Freshness</h2>
                <Table caption="Freshness of each layer" columns={layers} rows={answer.layers} keyOf={(row) => row.layer} />
              </section>
              <section class="card" aria-labelledby="rejected">
                <h2 id="rejected">Rejected</h2>
                {answer.rejected.length === 0 ? (
                  <Empty>Nothing was rejected in the last hour.</Empty>
                ) : (
                  <Table caption="Rejected by source and reason" columns={rejected} rows={answer.rejected} keyOf={(row) => `${row.source} ${row.reason}`} />
                )}
              </section>
            </div>
          </>
        )}
      </Shown>
    </>
  );
}

function Status({ health }: { health: PipelineHealth }) {
  return (
    <section class={`card status ${health.status}`} aria-label="Status">
      <p>
        <strong>{STATUS[health.status] ?? health.status}</strong>
      </p>
      {health.problems.length > 0 && (
        <ul>
          {health.problems.map((problem) => (
            <li key={problem}>{problem}</li>
          ))}
        </ul>
      )}
    </section>
  );
}
