import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "preact/hooks";
import { api, idempotencyKey, of, Problem } from "../../api/client";
import { type ItemOf, useAnswer, useList } from "../../api/queries";
import { locale, say } from "../../i18n";
import { overlap, type Stretch, stretchOf, USUAL_MS } from "../../lib/calendar";
import { phone } from "../../lib/phone";
import { addDays, dayOf, sayDay } from "../../lib/time";
import { useMe, useZone } from "../../me";
import { notice } from "../../ui";
import { words } from "./words";

export type Appointment = ItemOf<"/api/v1/appointments">;

/** An appointment that has a time. */
export interface Item extends Stretch {
  a: Appointment;
  rep: string | null;
}

/** Where an appointment is to go; without a start it needs a time again. */
export interface Target {
  start: number | null;
  end?: number | undefined;
  rep: string | null;
}

export interface Clash {
  a: Appointment;
  target: Target;
  sentence: string;
}

export interface Rep {
  id: string;
  name: string;
}

const MOVING = ["csr", "manager"];
export const useMayMove = (): boolean => MOVING.includes(useMe().user.role ?? "");
export const holdsSlot = (a: Appointment): boolean => a.status === "scheduled" || a.status === "confirmed";

export function nameOf(a: Appointment): string {
  const c = a.contact;
  return a.customer_name || [c?.first_name, c?.last_name].filter(Boolean).join(" ") || phone(c?.primary_phone);
}

export function itemOf(a: Appointment): Item | undefined {
  if (!a.scheduled_start) return undefined;
  const start = Date.parse(a.scheduled_start);
  return { a, rep: a.assigned_rep_id, start, end: a.scheduled_end ? Date.parse(a.scheduled_end) : start + USUAL_MS };
}

/** All pages of a list at once: a calendar shows everything or it lies. */
function useWhole(query: Record<string, unknown>, enabled = true) {
  const found = useList("appointment", "/api/v1/appointments", query, { limit: 200, enabled });
  const more = found.hasNextPage && !found.isFetchingNextPage;
  useEffect(() => {
    if (more) void found.fetchNextPage();
  }, [more, found.items.length]);
  return found;
}

/** What is on these days, and what began the day before and lasts over midnight. */
export function useDays(first: string, last: string, enabled = true) {
  return useWhole({ date_from: addDays(first, -1), date_to: last, sort: "scheduled_start" }, enabled);
}

export function useTray() {
  const found = useWhole({ status: "scheduled,confirmed", sort: "-created_at" });
  return { ...found, items: found.items.filter((a) => a.needs_time) };
}

/** Who goes out: the company's sales reps, and whoever has an appointment. */
export function useReps(seen: readonly Appointment[]): { reps: Rep[]; nameOfRep: (id: string | null) => string } {
  const w = say(words);
  const people = useAnswer<{ items: { id: string; name: string | null; role: string | null; status: string }[] }>("user", "/api/v1/people");
  return useMemo(() => {
    const names = new Map<string, string>();
    const reps = new Map<string, Rep>();
    for (const p of people.data?.items ?? []) {
      names.set(p.id, p.name ?? p.id);
      if (p.role === "sales_rep" && p.status === "active") reps.set(p.id, { id: p.id, name: p.name ?? p.id });
    }
    for (const a of seen) {
      const id = a.assigned_rep_id;
      if (!id) continue;
      if (!names.has(id)) names.set(id, a.assigned_rep?.name ?? id);
      if (!reps.has(id)) reps.set(id, { id, name: names.get(id)! });
    }
    return {
      reps: [...reps.values()].sort((a, b) => a.name.localeCompare(b.name)),
      nameOfRep: (id: string | null) => (id ? (names.get(id) ?? id) : w.nobody),
    };
  }, [people.data, seen, w]);
}

/** "Tue, Dec 1, 9:00 – 10:00 AM, Ben" */
export function useSaying(nameOfRep: (id: string | null) => string) {
  const zone = useZone();
  const w = say(words);
  return (target: { start: number | null; end: number; rep: string | null }) =>
    target.start === null
      ? w.noTime
      : `${sayDay(dayOf(target.start, zone), locale())}, ${stretchOf({ start: target.start, end: target.end }, zone, locale())}, ${nameOfRep(target.rep)}`;
}

export interface Moving {
  /** As it will be once the server has said yes. */
  shown: (a: Appointment) => Appointment;
  move: (a: Appointment, target: Target, allow?: boolean) => Promise<boolean>;
  change: (a: Appointment, body: { status: Appointment["status"] }, said: string) => Promise<boolean>;
  clash: Clash | undefined;
  settle: () => void;
}

export function useMoving(items: readonly Item[], nameOfRep: (id: string | null) => string): Moving {
  const w = say(words);
  const zone = useZone();
  const client = useQueryClient();
  const saying = useSaying(nameOfRep);
  const [pending, setPending] = useState<Record<string, Partial<Appointment>>>({});
  const [clash, setClash] = useState<Clash>();

  const overlay = (id: string, part: Partial<Appointment> | undefined) =>
    setPending((p) => {
      const { [id]: _, ...rest } = p;
      return part ? { ...rest, [id]: part } : rest;
    });

  const patch = async (a: Appointment, part: Partial<Appointment>, body: object): Promise<void> => {
    overlay(a.id, part);
    try {
      await of(
        api.PATCH("/api/v1/appointments/{appointment_id}", {
          params: { path: { appointment_id: a.id } },
          headers: { "Idempotency-Key": idempotencyKey() },
          body: body as never,
        }),
      );
      await client.invalidateQueries({ queryKey: ["appointment"] });
    } finally {
      overlay(a.id, undefined);
    }
  };

  /** Whom the rep is with then, in people's words; else what the server says. */
  const sentenceOf = (problem: Problem, rep: string | null): string => {
    const id = /[0-9a-f]{8}-[0-9a-f-]{27}/.exec(problem.fields["scheduled_start"] ?? "")?.[0];
    const other = items.find((i) => i.a.id === id);
    return other ? w.busy(nameOfRep(rep), nameOf(other.a) || w.unnamed, stretchOf(other, zone, locale())) : problem.message;
  };

  const move = async (a: Appointment, target: Target, allow = false): Promise<boolean> => {
    const was = itemOf(a);
    const end = target.end ?? (target.start === null ? undefined : target.start + (was ? was.end - was.start : USUAL_MS));
    const body: Record<string, unknown> = {};
    if ((was?.start ?? null) !== target.start)
      body["scheduled_start"] = target.start === null ? null : new Date(target.start).toISOString();
    if (target.end !== undefined && target.end !== was?.end) body["scheduled_end"] = new Date(target.end).toISOString();
    if (a.assigned_rep_id !== target.rep) body["assigned_rep_id"] = target.rep;
    if (Object.keys(body).length === 0) return true;
    if (allow) body["allow_conflict"] = true;
    const part: Partial<Appointment> = {
      scheduled_start: target.start === null ? null : new Date(target.start).toISOString(),
      scheduled_end: target.start === null || end === undefined ? null : new Date(end).toISOString(),
      assigned_rep_id: target.rep,
      needs_time: target.start === null,
    };
    try {
      await patch(a, part, body);
    } catch (e) {
      if (e instanceof Problem && e.status === 409 && e.fields["scheduled_start"])
        setClash({ a, target, sentence: sentenceOf(e, target.rep) });
      else notice(e instanceof Error ? e.message : String(e));
      return false;
    }
    setClash(undefined);
    const now = { ...a, ...part };
    notice(w.moved(nameOf(a) || w.unnamed, saying({ start: target.start, end: end ?? 0, rep: target.rep })), {
      label: w.undo,
      act: () => void move(now, { start: was?.start ?? null, ...(was ? { end: was.end } : {}), rep: a.assigned_rep_id }),
    });
    return true;
  };

  const change: Moving["change"] = async (a, body, said) => {
    try {
      await patch(a, body, body);
    } catch (e) {
      if (e instanceof Problem && e.status === 409 && e.fields["scheduled_start"]) {
        const was = itemOf(a);
        notice(was ? sentenceOf(e, a.assigned_rep_id) : e.message);
      } else notice(e instanceof Error ? e.message : String(e));
      return false;
    }
    notice(said, { label: w.undo, act: () => void change({ ...a, ...body }, { status: a.status }, `${nameOf(a)}: ${w[a.status]}`) });
    return true;
  };

  return {
    shown: (a) => (pending[a.id] ? { ...a, ...pending[a.id] } : a),
    move,
    change,
    clash,
    settle: () => setClash(undefined),
  };
}

/** Whom a rep is with at that time, of what is on screen. */
export function clashAt(items: readonly Item[], what: Stretch, rep: string | null, but: string): Item | undefined {
  return rep ? items.find((i) => i.a.id !== but && i.rep === rep && holdsSlot(i.a) && overlap(i, what)) : undefined;
}
