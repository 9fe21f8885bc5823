import type { Schemas } from "../../api/client";
import { dayOf } from "../../lib/time";

// What happened with a person, of all kinds, in one order: the oldest first.

type Detail = Schemas["ContactDetail"];
type OptOut = Schemas["OptOut"];

export const KINDS = ["calls", "texts", "visits", "tasks", "changes"] as const;
export type Kind = (typeof KINDS)[number];

export type Moment = { at: number; key: string; kind: Kind } & (
  | { what: "call"; call: Detail["calls"][number] }
  | { what: "voicemail"; voicemail: Detail["voicemails"][number]; call: Detail["calls"][number] | undefined }
  | { what: "text"; text: Detail["messages"][number] }
  | { what: "booked" | "visit"; visit: Detail["appointments"][number] }
  | { what: "task" | "taskDone"; task: Detail["tasks"][number] }
  | { what: "lead" | "leadClosed"; lead: Detail["leads"][number] }
  | { what: "optOut" | "optIn"; optOut: OptOut }
);

const time = (t: string | null | undefined): number | undefined => {
  const at = t ? Date.parse(t) : Number.NaN;
  return Number.isNaN(at) ? undefined : at;
};

function calls(d: Detail): Moment[] {
  // what a caller left is told with its call, once
  const left = new Map(d.voicemails.map((v) => [v.call_id, v]));
  const known = new Map(d.calls.map((c) => [c.call_id, c]));
  return [
    ...d.calls
      .filter((c) => !(left.has(c.call_id) && !c.answered))
      .map(
        (c): Moment => ({
          at: time(c.started_at) ?? time(c.created_at) ?? 0,
          key: `call:${c.call_id}`,
          kind: "calls",
          what: "call",
          call: c,
        }),
      ),
    ...d.voicemails.map((v): Moment => {
      const call = known.get(v.call_id);
      return {
        at: time(call?.started_at) ?? time(v.created_at) ?? 0,
        key: `voicemail:${v.id}`,
        kind: "calls",
        what: "voicemail",
        voicemail: v,
        call,
      };
    }),
  ];
}

function visits(d: Detail, now: number): Moment[] {
  return d.appointments.flatMap((visit) => {
    const start = time(visit.scheduled_start);
    const made: Moment[] = [{ at: time(visit.created_at) ?? 0, key: `booked:${visit.id}`, kind: "visits", what: "booked", visit }];
    // what is still to come stands on the left, with what is planned
    if (start !== undefined && start <= now) made.push({ at: start, key: `visit:${visit.id}`, kind: "visits", what: "visit", visit });
    return made;
  });
}

function tasks(d: Detail): Moment[] {
  return d.tasks.flatMap((task) => {
    const made: Moment[] = [{ at: time(task.created_at) ?? 0, key: `task:${task.id}`, kind: "tasks", what: "task", task }];
    const done = task.status === "completed" ? time(task.completed_at) : undefined;
    if (done !== undefined) made.push({ at: done, key: `done:${task.id}`, kind: "tasks", what: "taskDone", task });
    return made;
  });
}

function changes(d: Detail, optOuts: readonly OptOut[]): Moment[] {
  return [
    ...d.leads.flatMap((lead) => {
      const made: Moment[] = [{ at: time(lead.created_at) ?? 0, key: `lead:${lead.id}`, kind: "changes", what: "lead", lead }];
      const closed = time(lead.closed_at);
      if (closed !== undefined) made.push({ at: closed, key: `closed:${lead.id}`, kind: "changes", what: "leadClosed", lead });
      return made;
    }),
    ...optOuts.flatMap((optOut) => {
      const made: Moment[] = [{ at: time(optOut.opted_out_at) ?? 0, key: `out:${optOut.id}`, kind: "changes", what: "optOut", optOut }];
      const back = time(optOut.revoked_at);
      if (back !== undefined) made.push({ at: back, key: `in:${optOut.id}`, kind: "changes", what: "optIn", optOut });
      return made;
    }),
  ];
}

/** Of one moment a call comes before what it led to. */
const RANK: Record<Moment["what"], number> = {
  call: 0,
  voicemail: 0,
  text: 1,
  optOut: 2,
  optIn: 2,
  lead: 3,
  visit: 4,
  booked: 5,
  task: 6,
  taskDone: 7,
  leadClosed: 8,
};

export function momentsOf(d: Detail, optOuts: readonly OptOut[], now: number): Moment[] {
  const all: Moment[] = [
    ...calls(d),
    ...d.messages.map((text): Moment => ({ at: time(text.sent_at) ?? 0, key: `text:${text.id}`, kind: "texts", what: "text", text })),
    ...visits(d, now),
    ...tasks(d),
    ...changes(d, optOuts),
  ];
  return all.sort((a, b) => a.at - b.at || RANK[a.what] - RANK[b.what] || (a.key < b.key ? -1 : 1));
}

export function countsOf(moments: readonly Moment[]): Record<Kind, number> {
  const counts = { calls: 0, texts: 0, visits: 0, tasks: 0, changes: 0 };
  for (const m of moments) if (m.what !== "taskDone" && m.what !== "booked") counts[m.kind] += 1;
  // a visit counts once, whether it was or is to come
  counts.visits = new Set(moments.flatMap((m) => (m.what === "booked" || m.what === "visit" ? [m.visit.id] : []))).size;
  return counts;
}

/** By days of the company's zone. */
export function byDay(moments: readonly Moment[], zone: string): { day: string; moments: Moment[] }[] {
  const days: { day: string; moments: Moment[] }[] = [];
  for (const m of moments) {
    const day = dayOf(m.at, zone);
    const last = days.at(-1);
    if (last?.day === day) last.moments.push(m);
    else days.push({ day, moments: [m] });
  }
  return days;
}
