/** One signal of a vehicle over time: the newest value of each step as a line, lowest to highest as a band. */

import { useCallback, useMemo } from "preact/hooks";
import uPlot from "uplot";
import type { Span } from "../api/routes";
import { quantity } from "../format/quantity";
import { colour } from "../theme";
import { timeAxis, valueAxis } from "./axes";
import { Plot } from "./plot";
import { type Columns, summary } from "./series";

interface Props {
  name: string;
  unit: string | null;
  colourName: string;
  columns: Columns;
  span: Span;
  /** The least range of the scale: a battery at 80 % is not drawn as a mountain. */
  range: [number, number];
}

const HEIGHT = 150;

export function SeriesChart({ name, unit, colourName, columns, span, range: [least, greatest] }: Props) {
  const data = useMemo<uPlot.AlignedData>(
    () => [columns.times, columns.values, columns.maxima, columns.minima],
    [columns],
  );
  const options = useCallback(() => {
    const line = colour(colourName);
    const hidden = { stroke: "transparent", points: { show: false } };
    return {
      cursor: { y: false, points: { size: 7 } },
      legend: { show: false },
      padding: [8, 8, 0, 0] as uPlot.Padding,
      scales: {
        x: { range: () => [span.from / 1000, span.to / 1000] as uPlot.Range.MinMax },
        y: { range: (_: uPlot, low: number | null, high: number | null) => [Math.min(least, low ?? least), Math.max(greatest, high ?? greatest)] as uPlot.Range.MinMax },
      },
      axes: [timeAxis(), valueAxis()],
      bands: [{ series: [2, 3] as [number, number], fill: `${line}33` }],
      series: [{}, { stroke: line, width: 2, spanGaps: false }, hidden, hidden],
    };
  }, [colourName, span.from, span.to, least, greatest]);
  const told = summary(columns);
  const label =
    told === null
      ? `${name}: no readings in this time`
      : `${name}: lowest ${quantity(told.lowest, unit)}, highest ${quantity(told.highest, unit)}, newest ${quantity(told.newest, unit)}`;
  return <Plot options={options} data={data} height={HEIGHT} label={label} />;
}
