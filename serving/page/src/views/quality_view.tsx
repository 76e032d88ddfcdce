/** How good the data is, by source and signal: what was rejected and why, doubled, late or in conflict. */

import { useState } from "preact/hooks";
import { quality } from "../api/routes";
import type { QualityRow } from "../api/shapes";
import { number, title, UNKNOWN } from "../format/quantity";
import { useListing } from "../parts/listing";
import { Empty, Shown } from "../parts/notice";
import { LAST_WEEK, LIST_SPANS, spanOf, SpanPicker } from "../parts/spans";
import { type Column, Table } from "../parts/table";

const PAGE = 500;

/** Why a message or a signal was rejected; contracts name the same reasons. */
const REASONS = [
  "malformed_json",
  "not_an_object",
  "missing_field",
  "bad_type",
  "bad_time",
  "future_time",
  "out_of_range",
  "too_large",
  "unknown_source",
];

const reasonsOf = (row: QualityRow): string[] =>
  REASONS.filter((reason) => Number(row[reason] ?? 0) > 0).map((reason) => `${title(reason)} ${number(Number(row[reason]))}`);

const columns: Column<QualityRow>[] = [
  { title: "Day", by: (row) => row.ingest_date, cell: (row) => row.ingest_date },
  { title: "Source", by: (row) => row.source, cell: (row) => row.source },
  { title: "Signal", by: (row) => row.signal, cell: (row) => (row.signal === null ? <em>whole messages</em> : title(row.signal)) },
  { title: "Readings", by: (row) => row.readings, cell: (row) => number(row.readings), isNumber: true },
  { title: "Vehicles", by: (row) => row.vehicles, cell: (row) => number(row.vehicles), isNumber: true },
  { title: "Rejected", by: (row) => row.rejected, cell: (row) => <Count value={row.rejected} />, isNumber: true },
  { title: "Why", cell: (row) => reasonsOf(row).join(", ") || UNKNOWN },
  { title: "Doubled", by: (row) => row.duplicates, cell: (row) => <Count value={row.duplicates} />, isNumber: true },
  { title: "In conflict", by: (row) => row.conflicts, cell: (row) => <Count value={row.conflicts} />, isNumber: true },
  { title: "Gaps", by: (row) => row.gaps, cell: (row) => <Count value={row.gaps} />, isNumber: true },
  { title: "Late, median [s]", by: (row) => row.late_p50_s, cell: (row) => number(row.late_p50_s, 1), isNumber: true },
  { title: "Late, 99 % [s]", by: (row) => row.late_p99_s, cell: (row) => number(row.late_p99_s, 1), isNumber: true },
];

/** A 0 is good news, and steps back. */
function Count({ value }: { value: number | null }) {
  return <span class={value === 0 ? "soft" : "strong"}>{number(value)}</span>;
}

export function QualityView() {
  const [picked, setPicked] = useState(LAST_WEEK);
  const listing = useListing<QualityRow>(
    async (cursor, abort) => {
      const page = await quality(spanOf(picked), PAGE, cursor, abort);
      return { rows: page.quality, next: page.next_cursor };
    },
    [picked],
  );
  return (
    <>
      <h1>Data quality</h1>
      <section class="card" aria-label="Data quality">
        <SpanPicker choices={LIST_SPANS} picked={picked} onPick={setPicked} hasDate />
        <Shown polled={listing} what="data quality">
          {(rows) =>
            rows.length === 0 ? (
              <Empty>Nothing was measured in this time. The table is made with the marts.</Empty>
            ) : (
              <Table
                caption="Data quality by day, source and signal"
                columns={columns}
                rows={rows}
                keyOf={(row) => `${row.ingest_date} ${row.source} ${row.signal}`}
                pageSize={50}
                onMore={listing.onMore}
              />
            )
          }
        </Shown>
      </section>
    </>
  );
}
