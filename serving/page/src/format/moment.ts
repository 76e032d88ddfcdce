/** Moments by the clock of whoever looks; the exact time in UTC is beside each of them, for those who compare logs. */

const TIME: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
const DATE: Intl.DateTimeFormatOptions = { day: "numeric", month: "short", year: "numeric" };

const clock = new Intl.DateTimeFormat("en-GB", TIME);
const calendar = new Intl.DateTimeFormat("en-GB", DATE);

export const timeOfDay = (time: number): string => clock.format(time);
export const day = (time: number): string => calendar.format(time);

/** The time alone where it is of today, else with the date. */
export function moment(time: number, now: number): string {
  return day(time) === day(now) ? timeOfDay(time) : `${day(time)}, ${timeOfDay(time)}`;
}

export const utc = (time: number): string => new Date(time).toISOString();

export function startOfDay(now: number): number {
  return new Date(now).setHours(0, 0, 0, 0);
}

/** As a date field has it, by the clock of whoever looks. */
export function dateOf(time: number): string {
  const at = new Date(time);
  const two = (part: number) => String(part).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

/** The last moment of such a date; null where there is none. */
export function endOfDate(date: string): number | null {
  const time = new Date(`${date}T23:59:59.999`).getTime();
  return Number.isNaN(time) ? null : time;
}
