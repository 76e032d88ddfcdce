/** Speed and state of charge over a time of one's choice. Of a vehicle long silent, the time until its last reading. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { series, type Span } from "../api/routes";
import { SeriesChart } from "../charts/series_chart";
import { toColumns } from "../charts/series";
import { now, serverNow } from "../clock";
import { fleet } from "../fleet/fleet";
import { title } from "../format/quantity";
import { Empty, Shown } from "../parts/notice";
import { usePolled } from "../parts/polling";
import { CHART_SPANS, LAST_HOUR, SpanPicker } from "../parts/spans";
import { useLiveTail } from "./live_tail";

/** What the stream brings is drawn at once; the rest is asked for so often. */
const LOOK_EVERY_MS = 60_000;
const LEAST_TO_MOVE_ON = 120;

const CHARTS: { signal: string; unit: string; colourName: string; range: [number, number] }[] = [
  { signal: "speed", unit: "km/h", colourName: "driving", range: [0, 50] },
  { signal: "soc", unit: "%", colourName: "charging", range: [0, 100] },
];

export function VehicleCharts({ id }: { id: string }) {
  const [picked, setPicked] = useState(LAST_HOUR);
  useEffect(() => setPicked(LAST_HOUR), [id]);
  return (
    <section aria-label="Charts">
      <SpanPicker choices={CHART_SPANS} picked={picked} onPick={setPicked} newest={fleet.vehicles.get(id)?.time ?? null} />
      {CHARTS.map((chart) => (
        <SignalChart key={chart.signal} id={id} ms={picked.choice.ms} until={picked.until} {...chart} />
      ))}
    </section>
  );
}

interface Props {
  id: string;
  ms: number;
  until: number | null;
  signal: string;
  unit: string;
  colourName: string;
  range: [number, number];
}

function SignalChart({ id, ms, until, signal, unit, colourName, range }: Props) {
  const load = async (abort: AbortSignal) => {
    const to = until ?? serverNow();
    return series(id, signal, { from: to - ms, to: to + 1 }, abort);
  };
  const polled = usePolled(load, until === null ? LOOK_EVERY_MS : null, [id, signal, ms, until]);
  const tail = useLiveTail(id, signal);
  const span = useMovingSpan(ms, until);
  const columns = useMemo(
    () => toColumns(polled.answer?.points ?? [], polled.answer?.step_s ?? 1, until === null ? tail : []),
    [polled.answer, tail, until],
  );
  return (
    <figure class="chart">
      <figcaption>
        {title(signal)} <span class="soft">{polled.answer?.unit ?? unit}</span>
      </figcaption>
      <Shown polled={polled} what={title(signal).toLowerCase()}>
        {(answer) =>
          columns.times.length === 0 ? (
            <Empty>No readings in this time.</Empty>
          ) : (
            <SeriesChart name={title(signal)} unit={answer.unit} colourName={colourName} columns={columns} span={span} range={range} />
          )
        }
      </Shown>
    </figure>
  );
}

/** The time shown. It moves on in steps, so that the chart is not made anew with every second. */
function useMovingSpan(ms: number, until: number | null): Span {
  const step = Math.max(1_000, ms / LEAST_TO_MOVE_ON);
  const to = until ?? Math.ceil(now.value / step) * step;
  return useMemo(() => ({ from: to - ms, to }), [ms, to]);
}
