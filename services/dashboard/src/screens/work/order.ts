import { openOn, type Stretch } from "../../lib/calendar";
import { addDays, dayOf } from "../../lib/time";

// Who comes first, and what a clock shows: pure, so that counting and drawing agree.

export type Group = "late" | "now" | "today" | "later";
export const GROUPS: readonly Group[] = ["late", "now", "today", "later"];
const HOUR = 3_600_000;

export interface Due {
  id: string;
  due_at: string;
  since: string;
  stake_cents: number;
}

export function groupOf(due: number, now: number, zone: string): Group {
  if (due < now) return "late";
  if (due <= now + HOUR) return "now";
  return dayOf(due, zone) === dayOf(now, zone) ? "today" : "later";
}

export interface Place {
  id: string;
  group: Group;
}

/** Groups by the clock; inside a group what is most at stake first, of equal ones who is due sooner. */
export function arrange(rows: readonly Due[], now: number, zone: string): Place[] {
  return rows
    .map((r) => ({ r, due: Date.parse(r.due_at), group: groupOf(Date.parse(r.due_at), now, zone) }))
    .sort(
      (a, b) =>
        GROUPS.indexOf(a.group) - GROUPS.indexOf(b.group) ||
        b.r.stake_cents - a.r.stake_cents ||
        a.due - b.due ||
        (a.r.id < b.r.id ? -1 : 1),
    )
    .map(({ r, group }) => ({ id: r.id, group }));
}

/** While somebody points at the list nobody changes places: who is gone leaves, who is new waits outside. */
export function hold(before: readonly Place[], wanted: readonly Place[]): { places: Place[]; changed: boolean; fresh: number } {
  const there = new Set(wanted.map((p) => p.id));
  const places = before.filter((p) => there.has(p.id));
  const known = new Set(before.map((p) => p.id));
  const fresh = wanted.filter((p) => !known.has(p.id)).length;
  const changed = fresh > 0 || places.some((p, i) => p.id !== wanted[i]?.id || p.group !== wanted[i]?.group);
  return { places, changed, fresh };
}

/** Which row has the focus once this one has left: the next, else the one before. */
export function nextOf(ids: readonly string[], leaving: string): string | undefined {
  const at = ids.indexOf(leaving);
  return at < 0 ? ids[0] : (ids[at + 1] ?? ids[at - 1]);
}

/** When the company opens next, if it is closed now. */
export function opensAt(now: number, zone: string, hours: unknown): number | undefined {
  const today = dayOf(now, zone);
  let next: number | undefined;
  for (let n = -1; n <= 7; n += 1) {
    const open: Stretch[] | undefined = openOn(addDays(today, n), zone, hours);
    if (open === undefined) return undefined;
    for (const o of open) {
      if (o.start <= now && now < o.end) return undefined;
      if (o.start > now && (next === undefined || o.start < next)) next = o.start;
    }
  }
  return next;
}

export interface Clock {
  state: "late" | "soon" | "calm" | "still";
  /** What is left of the time that there was, 0 to 1. */
  left: number;
  ms: number;
}

export function clockOfDue(since: number, due: number, now: number, closed: boolean): Clock {
  const ms = due - now;
  const left = due > since ? Math.max(0, Math.min(1, ms / (due - since))) : 0;
  if (ms < 0) return { state: "late", left: 0, ms };
  if (closed) return { state: "still", left, ms };
  return { state: ms <= 10 * 60_000 ? "soon" : "calm", left, ms };
}
