/** One vehicle: beside the map, or as a sheet from below on a phone. Escape closes it, and focus goes back. */

import { useEffect, useRef, useState } from "preact/hooks";
import { now } from "../clock";
import { ActivityChip } from "../parts/activity_chip";
import { activity } from "../fleet/vehicle";
import { fleet } from "../fleet/fleet";
import { quantity } from "../format/quantity";
import { go } from "../location";
import { Age } from "../parts/when";
import { Tabs } from "./tabs";
import { VehicleAnomalies } from "./vehicle_anomalies";
import { VehicleCharts } from "./vehicle_charts";
import { VehicleState } from "./vehicle_state";
import { VehicleTrips } from "./vehicle_trips";

const TITLES = { state: "State", charts: "Charts", trips: "Trips", anomalies: "Anomalies" };
type Tab = keyof typeof TITLES;

const PANELS = { state: VehicleState, charts: VehicleCharts, trips: VehicleTrips, anomalies: VehicleAnomalies };

const close = () => go({ vehicle: null, trip: null });

export function Drawer({ id, hasTrip }: { id: string; hasTrip: boolean }) {
  const [tab, setTab] = useState<Tab>(hasTrip ? "trips" : "state");
  const heading = useRef<HTMLHeadingElement>(null);
  useFocusWhileOpen(heading, id);
  useEscape(close);
  const Panel = PANELS[tab];
  return (
    <aside class="drawer" aria-label={`Vehicle ${id}`}>
      <header>
        <div>
          <h2 ref={heading} tabIndex={-1}>
            {id}
          </h2>
          <Facts id={id} />
        </div>
        <button type="button" class="icon" aria-label="Close" onClick={close}>
          <span aria-hidden="true">✕</span>
        </button>
      </header>
      <Tabs label="About this vehicle" titles={TITLES} chosen={tab} onChoose={setTab}>
        <Panel id={id} />
      </Tabs>
    </aside>
  );
}

function Facts({ id }: { id: string }) {
  void fleet.revision.value;
  const vehicle = fleet.vehicles.get(id);
  if (vehicle === undefined) return null;
  const does = activity(vehicle, now.value);
  const isOld = does === "silent";
  return (
    <>
      <p class="facts">
        <ActivityChip activity={does} />
        {vehicle.fleet !== null && <span>{vehicle.fleet}</span>}
        {vehicle.model !== null && <span>{vehicle.model}</span>}
        <span class="soft">
          last heard of: <Age time={vehicle.time} />
        </span>
      </p>
      <dl class={`figures ${isOld ? "old" : ""}`} title={isOld ? "These values are old" : undefined}>
        <div>
          <dt>Speed</dt>
          <dd data-figure="speed">{quantity(vehicle.speed, "km/h", 1)}</dd>
        </div>
        <div>
          <dt>State of charge</dt>
          <dd data-figure="soc">{quantity(vehicle.soc, "%", 1)}</dd>
        </div>
        <div>
          <dt>Ignition</dt>
          <dd data-figure="ignition">{vehicle.ignition === null ? "-" : vehicle.ignition ? "on" : "off"}</dd>
        </div>
      </dl>
    </>
  );
}

/** Wherever the focus is, unless a dialog is open: that has its own Escape. */
function useEscape(act: () => void): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "Escape" && document.querySelector("dialog[open]") === null) act();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
}

/** The heading has the focus when a vehicle is opened; who had it before gets it back at the end. */
function useFocusWhileOpen(heading: { current: HTMLElement | null }, id: string): void {
  const before = useRef<Element | null>(null);
  useEffect(() => {
    before.current = document.activeElement;
    return () => {
      if (before.current instanceof HTMLElement && before.current.isConnected) before.current.focus();
    };
  }, []);
  useEffect(() => heading.current?.focus(), [id]);
}
