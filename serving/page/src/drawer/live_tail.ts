/** What the stream brings of one signal of one vehicle while it is shown. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { LiveReading } from "../charts/series";
import { fleet } from "../fleet/fleet";

/** A chart that is open for long does not grow without end: an hour at ten readings a second. */
const MOST = 36_000;
const DRAW_EVERY_MS = 500;

export function useLiveTail(vehicle: string, signal: string): readonly LiveReading[] {
  const readings = useRef<LiveReading[]>([]);
  const [tail, setTail] = useState<readonly LiveReading[]>([]);
  useEffect(() => {
    let isNew = false;
    readings.current = [];
    setTail([]);
    const stop = fleet.listen((event) => {
      const reading = event.vehicle_id === vehicle ? event.signals[signal] : undefined;
      if (typeof reading?.value !== "number") return;
      readings.current.push({ time: Date.parse(reading.time), value: reading.value });
      isNew = true;
    });
    const timer = setInterval(() => {
      if (!isNew) return;
      isNew = false;
      readings.current.splice(0, readings.current.length - MOST);
      setTail([...readings.current]);
    }, DRAW_EVERY_MS);
    return () => {
      stop();
      clearInterval(timer);
    };
  }, [vehicle, signal]);
  return tail;
}
