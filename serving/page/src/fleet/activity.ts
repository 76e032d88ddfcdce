/** What a vehicle does, by the newest values of its signals. Where they do not tell, it is unknown. */

export type Activity = "driving" | "charging" | "plugged" | "standing" | "silent" | "unknown";

export const ACTIVITIES: Record<Activity, string> = {
  driving: "Driving",
  charging: "Charging",
  plugged: "Plugged in",
  standing: "Standing",
  silent: "Silent",
  unknown: "Unknown",
};

export interface Facts {
  /** Effective time of the newest signal. */
  time: number | null;
  speed: number | null;
  ignition: boolean | null;
  chargeState: string | null;
  chargePower: number | null;
}

/** Who sent nothing for so long is shown as silent, whatever was true then. */
export const SILENT_AFTER_MS = 10 * 60_000;
const MOVING_KMH = 1;
const CHARGING = new Set(["charging", "starting"]);
const PLUGGED = new Set(["complete", "stopped", "no_power"]);

export function activityOf(facts: Facts, now: number): Activity {
  if (facts.time === null || now - facts.time > SILENT_AFTER_MS) return "silent";
  if (facts.speed !== null && facts.speed > MOVING_KMH) return "driving";
  if ((facts.chargePower ?? 0) > 0 || CHARGING.has(facts.chargeState ?? "")) return "charging";
  if (PLUGGED.has(facts.chargeState ?? "")) return "plugged";
  return facts.speed === null && facts.ignition !== true && facts.ignition !== false ? "unknown" : "standing";
}
