/** Values with their units. What is unknown is "-": never 0, never empty. */

import type { Value } from "../api/shapes";

export const UNKNOWN = "-";
const NARROW_SPACE = "\u202f";

const formats = new Map<number, Intl.NumberFormat>();

/** At most so many decimals: none is made up, and a long tail is cut only where the column says so. */
export function number(value: number | null | undefined, decimals = 2): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return UNKNOWN;
  let format = formats.get(decimals);
  if (format === undefined) {
    format = new Intl.NumberFormat("en-GB", { maximumFractionDigits: decimals });
    formats.set(decimals, format);
  }
  return format.format(value).replace(/^-/, "−");
}

export function quantity(value: number | null | undefined, unit: string | null, decimals = 2): string {
  const text = number(value, decimals);
  return text === UNKNOWN || unit === null || unit === "" ? text : `${text}${NARROW_SPACE}${unit}`;
}

const SWITCHES = new Set(["ignition"]);
const PLACES = new Set(["latitude", "longitude"]);

/** The value of a signal as a person reads it. */
export function reading(signal: string, value: Value, unit: string | null): string {
  if (value === null) return UNKNOWN;
  if (typeof value === "boolean" || SWITCHES.has(signal)) return Number(value) === 0 ? "off" : "on";
  if (typeof value === "string") return value;
  return quantity(value, unit === "degrees" ? "°" : unit, PLACES.has(signal) ? 6 : 3);
}

/** `coolant_temperature` as "Coolant temperature"; a few names are said otherwise. */
const TITLES: Record<string, string> = { soc: "State of charge", engine_rpm: "Engine speed" };

export function title(name: string): string {
  return TITLES[name] ?? (name.charAt(0).toUpperCase() + name.slice(1)).replaceAll("_", " ");
}
