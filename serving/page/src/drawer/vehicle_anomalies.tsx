/** The vehicle's anomalies, newest first. */

import { anomalies } from "../api/routes";
import type { Anomaly } from "../api/shapes";
import { AnomalyTable } from "../parts/anomaly_table";
import { useListing } from "../parts/listing";
import { Empty, Shown } from "../parts/notice";

const PAGE = 100;

export function VehicleAnomalies({ id }: { id: string }) {
  const listing = useListing<Anomaly>(
    async (cursor, abort) => {
      const page = await anomalies(id, null, PAGE, cursor, abort);
      return { rows: page.anomalies, next: page.next_cursor };
    },
    [id],
  );
  return (
    <section aria-label="Anomalies">
      <Shown polled={listing} what="anomalies">
        {(rows) =>
          rows.length === 0 ? (
            <Empty>No anomalies of this vehicle.</Empty>
          ) : (
            <AnomalyTable caption="Anomalies of this vehicle" rows={rows} ofOneVehicle onMore={listing.onMore} />
          )
        }
      </Shown>
    </section>
  );
}
