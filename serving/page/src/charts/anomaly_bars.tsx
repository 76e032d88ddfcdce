/** Anomalies per 10 seconds, the kinds one above the other. */

import { useCallback, useMemo } from "preact/hooks";
import uPlot from "uplot";
import { title } from "../format/quantity";
import { colour } from "../theme";
import { timeAxis, valueAxis } from "./axes";
import { Plot } from "./plot";
import { stacked, type Windows } from "./windows";

const HEIGHT = 220;
const COLOURS = 6;
const INCREMENTS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];

export const kindColour = (index: number): string => `kind-${(index % COLOURS) + 1}`;

export function AnomalyBars({ windows }: { windows: Windows }) {
  const kinds = windows.kinds.map(({ kind }) => kind).join(" ");
  const data = useMemo<uPlot.AlignedData>(
    // The highest tops are drawn first, so that each lower kind is painted over them.
    () => [windows.begins.map((begin) => begin / 1000), ...stacked(windows).reverse()] as uPlot.AlignedData,
    [windows],
  );
  const options = useCallback(() => {
    const bars = uPlot.paths.bars?.({ size: [0.8, 40], align: 1 });
    const names = kinds === "" ? [] : kinds.split(" ");
    const series = names.map((_, index): uPlot.Series => {
      const fill = colour(kindColour(index));
      return { fill, stroke: fill, width: 0, points: { show: false }, ...(bars === undefined ? {} : { paths: bars }) };
    });
    return {
      cursor: { show: false },
      legend: { show: false },
      padding: [8, 8, 0, 0] as uPlot.Padding,
      scales: { y: { range: (_: uPlot, __: number, high: number | null) => [0, Math.max(4, high ?? 0)] as uPlot.Range.MinMax } },
      axes: [timeAxis(), valueAxis(INCREMENTS)],
      series: [{}, ...series.reverse()],
    };
  }, [kinds]);
  const told = windows.kinds.map(({ kind, total }) => `${title(kind)} ${total}`).join(", ");
  return <Plot options={options} data={data} height={HEIGHT} label={`Anomalies per 10 seconds. ${told || "None"}`} />;
}
