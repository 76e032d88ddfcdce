/** A choice of how far back to look. */

import { serverNow } from "../clock";
import type { Span } from "../api/routes";

export interface SpanChoice {
  title: string;
  /** Null: everything there is. */
  ms: number | null;
}

const HOUR = 3_600_000;

export const CHART_SPANS: SpanChoice[] = [
  { title: "1 h", ms: HOUR },
  { title: "6 h", ms: 6 * HOUR },
  { title: "24 h", ms: 24 * HOUR },
  { title: "7 d", ms: 7 * 24 * HOUR },
];

export const LIST_SPANS: SpanChoice[] = [
  { title: "24 h", ms: 24 * HOUR },
  { title: "7 d", ms: 7 * 24 * HOUR },
  { title: "30 d", ms: 30 * 24 * HOUR },
  { title: "All", ms: null },
];

export function spanOf(choice: SpanChoice): Span | null {
  const to = serverNow();
  return choice.ms === null ? null : { from: to - choice.ms, to };
}

interface Props {
  label: string;
  choices: SpanChoice[];
  chosen: SpanChoice;
  onChoose: (choice: SpanChoice) => void;
}

export function SpanSwitch({ label, choices, chosen, onChoose }: Props) {
  return (
    <div class="switch" role="group" aria-label={label}>
      {choices.map((choice) => (
        <button key={choice.title} type="button" aria-pressed={choice === chosen} onClick={() => onChoose(choice)}>
          {choice.title}
        </button>
      ))}
    </div>
  );
}
