/** Anomalies as they happen, per 10 seconds, and the newest of all as a table. */

import { useMemo, useState } from "preact/hooks";
import { anomalies } from "../api/routes";
import type { Anomaly } from "../api/shapes";
import { AnomalyBars, kindColour } from "../charts/anomaly_bars";
import { countWindows, WINDOW_MS } from "../charts/windows";
import { now } from "../clock";
import { number, title } from "../format/quantity";
import { AnomalyTable } from "../parts/anomaly_table";
import { useListing } from "../parts/listing";
import { Empty, Shown } from "../parts/notice";
import { LAST_WEEK, LIST_SPANS, spanOf, SpanPicker } from "../parts/spans";
import { type Recent, useRecentAnomalies } from "../parts/recent_anomalies";

const SPAN_MS = 15 * 60_000;
const PAGE = 200;

export function AnomaliesView() {
  const recent = useRecentAnomalies(SPAN_MS);
  return (
    <>
      <h1>Anomalies</h1>
      <section class="card" aria-labelledby="live-anomalies">
        <h2 id="live-anomalies">Per 10 seconds, the last 15 minutes</h2>
        <Shown polled={recent} what="anomalies">
          {(answer) => <Live recent={answer} />}
        </Shown>
      </section>
      {recent.answer !== null && recent.answer.anomalies.length > 0 && (
        <section class="card" aria-labelledby="newest-anomalies">
          <h2 id="newest-anomalies">Newest first</h2>
          <AnomalyTable caption="Anomalies of the last 15 minutes" rows={newestFirst(recent.answer.anomalies)} pageSize={10} />
        </section>
      )}
      <Earlier />
    </>
  );
}

function newestFirst(anomalies: Anomaly[]): Anomaly[] {
  return [...anomalies].sort((a, b) => Date.parse(b.event_time) - Date.parse(a.event_time));
}

function Live({ recent }: { recent: Recent }) {
  const window = Math.floor(now.value / WINDOW_MS);
  const windows = useMemo(() => countWindows(recent.anomalies, now.value, SPAN_MS), [recent, window]);
  return (
    <>
      <AnomalyBars windows={windows} />
      {windows.kinds.length === 0 ? (
        <Empty>None in the last 15 minutes.</Empty>
      ) : (
        <ul class="legend" aria-label="Kinds">
          {windows.kinds.map(({ kind, total }, index) => (
            <li key={kind}>
              <span class="dot" style={{ background: `var(--${kindColour(index)})` }} aria-hidden="true" />
              {title(kind)} <b>{number(total)}</b>
            </li>
          ))}
        </ul>
      )}
      {!recent.isWhole && <p class="soft">There are more than are counted here: the newest 10,000.</p>}
    </>
  );
}

/** Those of any time, as they are when one asks. */
function Earlier() {
  const [picked, setPicked] = useState(LAST_WEEK);
  const listing = useListing<Anomaly>(
    async (cursor, abort) => {
      const page = await anomalies(null, spanOf(picked), PAGE, cursor, abort);
      return { rows: page.anomalies, next: page.next_cursor };
    },
    [picked],
  );
  return (
    <section class="card" aria-labelledby="earlier-anomalies">
      <h2 id="earlier-anomalies">Looking back</h2>
      <SpanPicker choices={LIST_SPANS} picked={picked} onPick={setPicked} hasDate />
      <Shown polled={listing} what="anomalies">
        {(rows) =>
          rows.length === 0 ? (
            <Empty>No anomaly was found in this time. Choose a longer one, or an earlier end.</Empty>
          ) : (
            <AnomalyTable caption="Anomalies, looking back" rows={rows} onMore={listing.onMore} />
          )
        }
      </Shown>
    </section>
  );
}
