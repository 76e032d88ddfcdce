/** What a vehicle does: a word with its colour, never the colour alone. */

import { ACTIVITIES, type Activity } from "../fleet/activity";

export function Dot({ activity }: { activity: Activity }) {
  return <span class={`dot ${activity}`} aria-hidden="true" />;
}

export function ActivityChip({ activity }: { activity: Activity }) {
  return (
    <span class="chip">
      <Dot activity={activity} />
      {ACTIVITIES[activity]}
    </span>
  );
}
