/** A uPlot chart as wide as its place; it is drawn anew with the theme, and given new data without being made anew. */

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { theme } from "../theme";

interface Props {
  /** Made by the caller once for each look: another function makes another chart. */
  options: () => Omit<uPlot.Options, "width" | "height">;
  data: uPlot.AlignedData;
  height: number;
  label: string;
}

export function Plot({ options, data, height, label }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const look = theme.value;

  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const made = new uPlot({ ...options(), width: element.clientWidth, height }, data, element);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [options, height, look]);

  useEffect(() => plot.current?.setData(data), [data]);

  return <div class="plot" role="img" aria-label={label} ref={place} />;
}
