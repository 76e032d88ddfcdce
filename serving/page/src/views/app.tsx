/** The page: header, what is wrong with the connection, and one view. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { openAlerts, pipelineHealth } from "../api/routes";
import type { Alert } from "../api/shapes";
import { place, VIEWS } from "../location";
import { usePolled } from "../parts/polling";
import { AlertsView } from "./alerts_view";
import { AnomaliesView } from "./anomalies_view";
import { ChargingView } from "./charging_view";
import { ConnectionLost, Header } from "./header";
import { KeyDialog } from "./key_dialog";
import { MapView } from "./map_view";
import { PipelineView } from "./pipeline_view";
import { QualityView } from "./quality_view";
import { TripsView } from "./trips_view";

const LOOK_EVERY_MS = 5_000;

/** All of them: the header counts what is open. */
async function everyAlert(abort: AbortSignal): Promise<Alert[]> {
  const alerts: Alert[] = [];
  let cursor: string | null = null;
  do {
    const page: { alerts: Alert[]; next_cursor: string | null } = await openAlerts(cursor, abort);
    alerts.push(...page.alerts);
    cursor = page.next_cursor;
  } while (cursor !== null);
  return alerts;
}

export function App() {
  const alerts = usePolled(everyAlert, LOOK_EVERY_MS, []);
  const health = usePolled(pipelineHealth, LOOK_EVERY_MS, []);
  const { view } = place.value;
  const main = useRef<HTMLElement>(null);
  useEffect(() => {
    document.title = `${VIEWS[view]} · Fleetlake`;
  }, [view]);
  const views: Record<Exclude<typeof view, "map">, () => ComponentChildren> = {
    anomalies: () => <AnomaliesView />,
    alerts: () => <AlertsView alerts={alerts} />,
    trips: () => <TripsView />,
    charging: () => <ChargingView />,
    quality: () => <QualityView />,
    pipeline: () => <PipelineView health={health} />,
  };
  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        Skip to the content
      </button>
      <Header alerts={alerts} health={health} />
      <ConnectionLost />
      <main id="content" tabIndex={-1} ref={main}>
        {view === "map" && <h1 class="unseen">Map of the fleet</h1>}
        <MapView isShown={view === "map"} />
        {view !== "map" && <div class="page">{views[view]()}</div>}
      </main>
      <KeyDialog />
    </>
  );
}
