/** Which time a list or a chart is of: how far back, from now or from an earlier end. */

import type { Span } from "../api/routes";
import { serverNow } from "../clock";
import { dateOf, endOfDate } from "../format/moment";
import { Moment } from "./when";

export interface SpanChoice {
  title: string;
  ms: number;
}

export interface Picked {
  choice: SpanChoice;
  /** Null: now. */
  until: number | null;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const hour: SpanChoice = { title: "1 h", ms: HOUR };
const quarter: SpanChoice = { title: "6 h", ms: 6 * HOUR };
const day: SpanChoice = { title: "24 h", ms: DAY };
const week: SpanChoice = { title: "7 d", ms: 7 * DAY };
const month: SpanChoice = { title: "30 d", ms: 30 * DAY };
/** The API answers for 400 days at most. */
const year: SpanChoice = { title: "1 y", ms: 365 * DAY };

export const CHART_SPANS = [hour, quarter, day, week];
export const LIST_SPANS = [day, week, month, year];
export const LAST_HOUR: Picked = { choice: hour, until: null };
export const LAST_DAY: Picked = { choice: day, until: null };
export const LAST_WEEK: Picked = { choice: week, until: null };

export function spanOf({ choice, until }: Picked): Span {
  const to = until ?? serverNow();
  return { from: to - choice.ms, to };
}

interface Props {
  choices: SpanChoice[];
  picked: Picked;
  onPick: (picked: Picked) => void;
  /** When the vehicle in question was last heard of: the way to it, where it is long ago. */
  newest?: number | null;
  /** Whether any day can be chosen as the end. */
  hasDate?: boolean;
}

export function SpanPicker({ choices, picked, onPick, newest = null, hasDate = false }: Props) {
  const { choice, until } = picked;
  const isBefore = until === null && newest !== null && serverNow() - newest > choice.ms;
  return (
    <div class="row">
      <div class="switch" role="group" aria-label="How far back">
        {choices.map((each) => (
          <button key={each.title} type="button" aria-pressed={each === choice} onClick={() => onPick({ choice: each, until })}>
            {each.title}
          </button>
        ))}
      </div>
      {hasDate && <Until until={until} onChoose={(time) => onPick({ choice, until: time })} />}
      {isBefore && (
        <button type="button" onClick={() => onPick({ choice, until: newest })}>
          Go to the last reading
        </button>
      )}
      {until !== null && (
        <>
          {!hasDate && (
            <span class="soft">
              until <Moment time={until} />
            </span>
          )}
          <button type="button" onClick={() => onPick({ choice, until: null })}>
            Back to now
          </button>
        </>
      )}
    </div>
  );
}

function Until({ until, onChoose }: { until: number | null; onChoose: (time: number | null) => void }) {
  return (
    <label class="field">
      until
      <input
        type="date"
        value={until === null ? "" : dateOf(until)}
        onChange={(event) => onChoose(endOfDate(event.currentTarget.value))}
      />
    </label>
  );
}
