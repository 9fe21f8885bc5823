import { addDays, weekday } from "../../lib/time";
import { day, oneOf, type State, text } from "../../lib/url";

export const RANGES = ["week", "7", "month", "30"] as const;
export type Range = (typeof RANGES)[number];

/** The address of all pages of figures: days, size of periods, and of one figure which rows and whose. */
export const fields = {
  range: oneOf(RANGES),
  date_from: day(),
  date_to: day(),
  by: oneOf(["day", "week", "month"]),
  part: oneOf(["0", "1"]),
  rep_id: text(),
};
export type Asked = State<typeof fields>;

export interface Days {
  date_from: string;
  date_to: string;
}
export interface Period extends Days {
  range: Range | "own";
  days: number;
  /** As many days before; of a week that is not over the same weekdays. */
  before: Days;
}

export function daysBetween(from: string, to: string): number {
  return Math.round((Date.parse(to) - Date.parse(from)) / 86_400_000) + 1;
}

/** Days of an address on a day, the last 30 unless it says otherwise; own days stand before a range. */
export function periodOf(asked: Asked, today: string): Period {
  const own = Boolean(asked.date_from || asked.date_to);
  const range = own ? "own" : (asked.range ?? "30");
  let from = addDays(today, -29);
  let to = today;
  if (own) {
    const given = [asked.date_from ?? addDays(asked.date_to!, -29), asked.date_to ?? today].sort();
    from = given[0]!;
    to = given[1]!;
  } else if (range === "week") from = addDays(today, -weekday(today));
  else if (range === "month") from = `${today.slice(0, 8)}01`;
  else if (range === "7") from = addDays(today, -6);
  const days = daysBetween(from, to);
  const back = range === "week" ? 7 : days;
  return { range, days, date_from: from, date_to: to, before: { date_from: addDays(from, -back), date_to: addDays(to, -back) } };
}

/** The same days in another page's address. */
export function queryOf(asked: Asked): string {
  const out = new URLSearchParams();
  for (const name of ["range", "date_from", "date_to"] as const) if (asked[name]) out.set(name, asked[name]);
  const made = out.toString();
  return made && `?${made}`;
}
