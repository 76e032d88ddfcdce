/** The map with the fleet, its list, and the chosen vehicle. It stays alive behind other views, where it was. */

import { useSignalEffect } from "@preact/signals";
import { GPUInitializationError } from "maplibre-gl";
import { useEffect, useRef, useState } from "preact/hooks";
import { inWords } from "../api/problem";
import { trip as wayOf } from "../api/routes";
import { Drawer } from "../drawer/drawer";
import { chosen, fleetName } from "../fleet/choice";
import { fleet } from "../fleet/fleet";
import { FleetMap } from "../map/fleet_map";
import { go, place } from "../location";
import { Trouble } from "../parts/notice";
import { reducedMotion, theme } from "../theme";
import { VehicleList } from "./vehicle_list";

export function MapView({ isShown }: { isShown: boolean }) {
  const [isListed, setListed] = useState(false);
  const { vehicle, trip: tripId } = place.value;
  return (
    <div class={`map-view ${isListed ? "listed" : ""} ${vehicle === null ? "" : "with-drawer"}`} hidden={!isShown}>
      <VehicleList />
      <MapPlace />
      <button type="button" class="list-switch" aria-expanded={isListed} onClick={() => setListed(!isListed)}>
        {isListed ? "Show the map" : "Show the list"}
      </button>
      {isShown && vehicle !== null && <Drawer id={vehicle} hasTrip={tripId !== null} />}
    </div>
  );
}

function MapPlace() {
  const container = useRef<HTMLDivElement>(null);
  const [map, setMap] = useState<FleetMap | null>(null);
  const [trouble, setTrouble] = useState<string | null>(null);

  useEffect(() => {
    if (container.current === null) return;
    const made = tryMap(container.current);
    if (made === null) return setTrouble("This browser cannot draw the map: it has no WebGL. The list has every vehicle.");
    setMap(made);
    return () => made.remove();
  }, []);

  return (
    <div class="map-place">
      <div class="map" ref={container} />
      {map !== null && <Drawn map={map} onTrouble={setTrouble} />}
      {trouble !== null && <Trouble>{trouble}</Trouble>}
      <button type="button" class="fit" onClick={() => map?.fit()} disabled={map === null}>
        Fit to fleet
      </button>
    </div>
  );
}

function tryMap(container: HTMLElement): FleetMap | null {
  try {
    return new FleetMap(container, {
      isStill: () => reducedMotion.matches,
      onPick: (vehicle) => go({ vehicle, trip: null }),
    });
  } catch (error) {
    if (error instanceof GPUInitializationError) return null;
    throw error;
  }
}

/** What ties the map to the fleet and to where on the page one is. */
function Drawn({ map, onTrouble }: { map: FleetMap; onTrouble: (trouble: string | null) => void }) {
  const fitted = useRef<string | null | undefined>(undefined);
  const tripId = place.value.trip;
  const look = theme.value;

  useSignalEffect(() => {
    map.show(chosen.value);
    const { vehicle, trip } = place.value;
    map.choose(vehicle === null ? null : (fleet.vehicles.get(vehicle) ?? null), trip === null);
    if (chosen.value.length === 0 || fitted.current === fleetName.value) return;
    const leavesToVehicle = fitted.current === undefined && vehicle !== null;
    if (leavesToVehicle || map.fit()) fitted.current = fleetName.value;
  });

  useEffect(() => map.paint(), [look]);

  useEffect(() => {
    onTrouble(null);
    if (tripId === null) return map.track(null);
    const abort = new AbortController();
    wayOf(tripId, abort.signal)
      .then((track) => {
        map.track(track);
        if (track.geometry === null) onTrouble("This trip has no positions: there is no way to draw.");
      })
      .catch((error: unknown) => {
        if (!abort.signal.aborted) onTrouble(inWords(error));
      });
    return () => abort.abort();
  }, [tripId]);

  return null;
}
