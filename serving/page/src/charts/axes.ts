/** Axes that look alike in every chart. */

import type uPlot from "uplot";
import { colour } from "../theme";

const FONT = "11px system-ui, sans-serif";

function axis(more: uPlot.Axis): uPlot.Axis {
  const line = { stroke: colour("line"), width: 1 };
  return { font: FONT, stroke: colour("text-soft"), grid: line, ticks: { ...line, size: 4 }, ...more };
}

/** Times as people write them: no seconds where minutes tell it. */
const STAMPS: uPlot.Axis.Values = [
  [86_400, "{D} {MMM}", null, null, null, null, null, null, 1],
  [60, "{HH}:{mm}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1],
];

export const timeAxis = (): uPlot.Axis => axis({ values: STAMPS, space: 70, grid: { show: false } });

export const valueAxis = (incrs?: number[]): uPlot.Axis => axis({ size: 44, ...(incrs === undefined ? {} : { incrs }) });
