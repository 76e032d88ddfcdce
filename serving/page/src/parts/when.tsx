/** A moment, or how long ago it was; the exact time in UTC is in its title. */

import { now } from "../clock";
import { age } from "../format/age";
import { moment, utc } from "../format/moment";
import { UNKNOWN } from "../format/quantity";

interface Props {
  time: string | number | null;
}

function parsed(time: string | number | null): number | null {
  const value = typeof time === "string" ? Date.parse(time) : time;
  return value === null || Number.isNaN(value) ? null : value;
}

export function Moment({ time }: Props) {
  const value = parsed(time);
  if (value === null) return <>{UNKNOWN}</>;
  return (
    <time dateTime={utc(value)} title={utc(value)}>
      {moment(value, now.value)}
    </time>
  );
}

export function Age({ time }: Props) {
  const value = parsed(time);
  if (value === null) return <>{UNKNOWN}</>;
  return (
    <time dateTime={utc(value)} title={utc(value)}>
      {age(value, now.value)}
    </time>
  );
}
