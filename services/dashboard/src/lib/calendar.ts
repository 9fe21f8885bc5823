import { addDays, dayOf, minutesOf, momentOf, weekday } from "./time";

// What a calendar reckons with. A day is a stretch of moments, not of 24 hours: its lines are as many as it has hours, and what
// stands in it is placed by the time since it began. Moving keeps how long something lasts; moving by a day keeps what the clock shows.

const MINUTE = 60_000;
/** Everything moves and snaps by this. All offsets of zones are whole multiples of it. */
export const STEP_MS = 15 * MINUTE;
/** What has no end is shown as so long. */
export const USUAL_MS = 60 * MINUTE;

export interface Stretch {
  start: number;
  end: number;
}

const stretches = new Map<string, Stretch>();

export function dayStretch(day: string, zone: string): Stretch {
  const key = `${day}|${zone}`;
  let known = stretches.get(key);
  if (!known) {
    known = { start: momentOf(day, 0, zone), end: momentOf(addDays(day, 1), 0, zone) };
    if (stretches.size > 500) stretches.clear();
    stretches.set(key, known);
  }
  return known;
}

export interface Line {
  at: number;
  minutes: number;
  /** An hour that the clock shows a second time that day. */
  again: boolean;
}

/** Where a new hour begins on the clock: 24 lines, 23 or 25 where clocks are changed. */
export function linesOf(day: string, zone: string): Line[] {
  const { start, end } = dayStretch(day, zone);
  if (end - start === 24 * 60 * MINUTE)
    return Array.from({ length: 24 }, (_, n) => ({ at: start + n * 60 * MINUTE, minutes: n * 60, again: false }));
  const lines: Line[] = [];
  let before = -1;
  for (let at = start; at < end; at += STEP_MS) {
    const minutes = minutesOf(at, zone);
    const back = minutes < before;
    if (before < 0 || back || Math.floor(minutes / 60) !== Math.floor(before / 60)) lines.push({ at, minutes, again: back });
    before = minutes;
  }
  return lines;
}

/** Monday to Sunday around a day. */
export function weekOf(day: string): string[] {
  const monday = addDays(day, -weekday(day));
  return Array.from({ length: 7 }, (_, n) => addDays(monday, n));
}

/** A day that exists, or none: 2026-02-30 is none. */
export function realDay(text: string | undefined): string | undefined {
  if (!text || !/^\d{4}-\d{2}-\d{2}$/.test(text) || text < "2000-01-01" || text > "2099-12-31") return undefined;
  const at = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(at) && new Date(at).toISOString().slice(0, 10) === text ? text : undefined;
}

/** The quarter of an hour that a moment is in or nearest to, counted from the day's beginning, within the day. */
export function snap(at: number, day: string, zone: string): number {
  const { start, end } = dayStretch(day, zone);
  const steps = Math.round((at - start) / STEP_MS);
  return Math.max(start, Math.min(end - STEP_MS, start + steps * STEP_MS));
}

/** The same time of the clock on another day. */
export function onDay(at: number, day: string, zone: string): number {
  return dayOf(at, zone) === day ? at : momentOf(day, minutesOf(at, zone), zone);
}

/** A step of a quarter of an hour that stays within the day. */
export function step(at: number, steps: number, zone: string): number {
  return snap(at + steps * STEP_MS, dayOf(at, zone), zone);
}

export interface Part extends Stretch {
  /** It began the day before; it goes on the day after. */
  fromBefore: boolean;
  goesOn: boolean;
}

/** What of a stretch is on a day; undefined: nothing. */
export function partOn(what: Stretch, day: string, zone: string): Part | undefined {
  const { start, end } = dayStretch(day, zone);
  const until = Math.max(what.end, what.start + STEP_MS); // what lasts no time is seen all the same
  if (until <= start || what.start >= end) return undefined;
  return {
    start: Math.max(what.start, start),
    end: Math.min(until, end),
    fromBefore: what.start < start,
    goesOn: until > end,
  };
}

export interface Placed<T> {
  item: T;
  lane: number;
  lanes: number;
}

/** What overlaps stands side by side: as few lanes as there are things at once. */
export function sideBySide<T extends Stretch>(items: readonly T[]): Placed<T>[] {
  const sorted = [...items].sort((a, b) => a.start - b.start || b.end - a.end);
  const placed: Placed<T>[] = [];
  let group: Placed<T>[] = [];
  let ends: number[] = [];
  const close = () => {
    for (const p of group) p.lanes = ends.length;
    placed.push(...group);
    group = [];
    ends = [];
  };
  for (const item of sorted) {
    if (ends.length > 0 && ends.every((e) => e <= item.start)) close();
    const free = ends.findIndex((e) => e <= item.start);
    const lane = free < 0 ? ends.length : free;
    ends[lane] = item.end;
    group.push({ item, lane, lanes: 1 });
  }
  close();
  return placed;
}

export const overlap = (a: Stretch, b: Stretch): boolean => a.start < b.end && b.start < a.end;

export type Hours = Partial<Record<"mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun", [string, string][]>>;
const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;

const minutes = (clock: string): number => Number(clock.slice(0, 2)) * 60 + Number(clock.slice(3, 5));

/** When the company is open on a day, as moments; over midnight where the second is the earlier. Undefined: no hours are known, which is always. */
export function openOn(day: string, zone: string, hours: unknown): Stretch[] | undefined {
  if (typeof hours !== "object" || hours === null || Object.keys(hours).length === 0) return undefined;
  const given = (hours as Hours)[DAYS[weekday(day)]!];
  if (!Array.isArray(given)) return [];
  return given
    .filter((o) => Array.isArray(o) && o.length === 2)
    .map(([from, to]) => {
      const late = minutes(to) <= minutes(from);
      return {
        start: momentOf(day, minutes(from), zone),
        end: late
          ? momentOf(addDays(day, 1), minutes(to), zone)
          : to === "24:00"
            ? momentOf(addDays(day, 1), 0, zone)
            : momentOf(day, minutes(to), zone),
      };
    });
}

/** Beginnings of a stretch so long that overlap nothing, at each half hour of what is open (or of 8 to 18 where no hours are known). */
export function freeTimes(
  taken: readonly Stretch[],
  day: string,
  zone: string,
  lastsMs: number,
  hours: unknown,
  after: number,
  most = 6,
): number[] {
  const open = openOn(day, zone, hours) ?? [{ start: momentOf(day, 480, zone), end: momentOf(day, 1080, zone) }];
  const found: number[] = [];
  for (const o of open)
    for (let at = snap(o.start, day, zone); at + lastsMs <= o.end && found.length < most; at += 2 * STEP_MS)
      if (at >= after && !taken.some((t) => overlap(t, { start: at, end: at + lastsMs }))) found.push(at);
  return found;
}

const clocks = new Map<string, Intl.DateTimeFormat>();

/** "9:41 AM". */
export function clockOf(at: number, zone: string, locale = "en-US"): string {
  const key = `${zone}|${locale}`;
  let made = clocks.get(key);
  if (!made) {
    made = new Intl.DateTimeFormat(locale, { timeZone: zone, hour: "numeric", minute: "2-digit" });
    clocks.set(key, made);
  }
  return made.format(at).replace(/\s(?=[AP]M$)/, "\u00a0");
}

/** "9:00 – 10:00 AM": what both share is said once. */
export function stretchOf(what: Stretch, zone: string, locale = "en-US"): string {
  const from = clockOf(what.start, zone, locale);
  const to = clockOf(what.end, zone, locale);
  const half = /\u00a0[AP]M$/;
  return `${half.exec(from)?.[0] === half.exec(to)?.[0] ? from.replace(half, "") : from} – ${to}`;
}

/** "America/Phoenix" as "Phoenix". */
export function placeOf(zone: string): string {
  return (zone.split("/").at(-1) ?? zone).replaceAll("_", " ");
}
