import { useSyncExternalStore } from "preact/compat";
import { useState } from "preact/hooks";
import { idempotencyKey, Problem, type Schemas } from "../../api/client";
import { queries, useAnswer } from "../../api/queries";
import { write } from "../../api/write";
import { locale, say } from "../../i18n";
import { addDays, dayOf, minutesOf, momentOf, now, when } from "../../lib/time";
import { useMe, useZone } from "../../me";
import { Button, Dialog, Field, Icon, notice, ProblemNote } from "..";
import s from "./todo.module.css";
import { words } from "./words";

export type Task = Schemas["TaskItem"];

export interface Colleague {
  id: string;
  name: string | null;
  role: string;
  status: string;
}

export function useColleagues(): Colleague[] {
  return useAnswer<{ items: Colleague[] }>("user", "/api/v1/people", {}).data?.items ?? [];
}

// -- what was ticked a moment ago shows at once, and is taken back if it is refused

type Status = Task["status"];
let ahead: ReadonlyMap<string, Status> = new Map();
const watchers = new Set<() => void>();

function expect(id: string, status: Status | undefined): void {
  const next = new Map(ahead);
  if (status === undefined) next.delete(id);
  else next.set(id, status);
  ahead = next;
  for (const f of watchers) f();
}

/** The status a task will have once the server has answered. */
export function useAhead(): ReadonlyMap<string, Status> {
  return useSyncExternalStore(
    (f: () => void) => {
      watchers.add(f);
      return () => watchers.delete(f);
    },
    () => ahead,
  );
}

async function change(id: string, status: Status, ask: () => Promise<unknown>): Promise<boolean> {
  expect(id, status);
  try {
    await ask();
    await Promise.all([queries.invalidateQueries({ queryKey: ["task"] }), queries.invalidateQueries({ queryKey: ["contact"] })]);
    return true;
  } catch (e) {
    notice(e instanceof Error ? e.message : String(e));
    return false;
  } finally {
    expect(id, undefined);
  }
}

const at = (task: { id: string }) => ({ path: { task_id: task.id } });

export const reopen = (task: Task) =>
  change(task.id, "open", () => write("PATCH", "/api/v1/tasks/{task_id}", { ...at(task), body: { status: "open" } }));

export async function complete(task: Task): Promise<void> {
  const w = say(words);
  if (await change(task.id, "completed", () => write("POST", "/api/v1/tasks/{task_id}/complete", at(task))))
    notice(w.doneNote(task.description), { label: w.undo, act: () => void reopen(task) });
}

export async function callOff(task: Task): Promise<void> {
  const w = say(words);
  if (await change(task.id, "cancelled", () => write("DELETE", "/api/v1/tasks/{task_id}", at(task))))
    notice(w.cancelledNote(task.description), { label: w.undo, act: () => void reopen(task) });
}

export const isOver = (status: string): boolean => status === "completed" || status === "cancelled";

export function isLate(task: Task): boolean {
  return !isOver(task.status) && (task.overdue || (task.due_at !== null && Date.parse(task.due_at) < now()));
}

export function Tick({ task, readOnly }: { task: Task; readOnly?: boolean }) {
  const w = say(words);
  const done = (useAhead().get(task.id) ?? task.status) === "completed";
  return (
    <button
      type="button"
      aria-pressed={done}
      class={s["tick"]}
      disabled={readOnly ?? false}
      aria-label={done ? w.reopen(task.description) : w.complete(task.description)}
      onClick={() => void (done ? reopen(task) : complete(task))}
    >
      <i>{done && <Icon name="check" size={12} />}</i>
    </button>
  );
}

/** "due today 5 PM", in words, late in colour and words. */
export function Due({ task }: { task: Task }) {
  const w = say(words);
  const zone = useZone();
  const t = (m: string | null) => when(m, zone, locale());
  if (task.status === "completed") return <span class="quiet">{w.doneAt(t(task.completed_at))}</span>;
  if (task.status === "cancelled") return <span class="quiet">{w.calledOff}</span>;
  if (!task.due_at) return <span class="quiet">{w.noDue}</span>;
  if (isLate(task)) return <span class={s["late"]}>{w.late(t(task.due_at))}</span>;
  return <span class="quiet">{w.dueAt(t(task.due_at))}</span>;
}

export function sourceOf(task: Task): string {
  const w = say(words);
  return task.source === "otto" ? w.otto : task.source === "shunya" ? w.shunya : "";
}

/** A new task, or one that is changed. */
export function TaskDialog({
  task,
  contact,
  onClose,
}: {
  task?: Task | undefined;
  contact?: { id: string; name: string; lead?: string | undefined } | undefined;
  onClose: () => void;
}) {
  const w = say(words);
  const zone = useZone();
  const me = useMe();
  const people = useColleagues().filter((p) => p.status === "active" || p.id === task?.assignee_id);
  const [key] = useState(idempotencyKey);
  const due = task?.due_at ? Date.parse(task.due_at) : undefined;
  const [what, setWhat] = useState(task?.description ?? "");
  const [day, setDay] = useState(due === undefined ? (task ? "" : addDays(dayOf(now(), zone), 1)) : dayOf(due, zone));
  const [time, setTime] = useState(due === undefined ? "09:00" : clock(minutesOf(due, zone)));
  const [who, setWho] = useState(task ? (task.assignee_id ?? "") : me.user.id);
  const [priority, setPriority] = useState<string>(task?.priority ?? "medium");
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const fields = error instanceof Problem ? error.fields : {};
  const save = async () => {
    if (!what.trim()) {
      setError(new Error(w.whatNeeded));
      return;
    }
    setBusy(true);
    const [h = 9, m = 0] = time.split(":").map(Number);
    const dueAt = day ? new Date(momentOf(day, h * 60 + m, zone)).toISOString() : null;
    const common = { description: what.trim(), priority };
    try {
      if (task)
        await write("PATCH", "/api/v1/tasks/{task_id}", {
          ...at(task),
          body: { ...common, due_at: dueAt, assignee_id: who || null },
          key,
        });
      else
        await write("POST", "/api/v1/tasks", {
          body: {
            ...common,
            ...(dueAt ? { due_at: dueAt } : {}),
            ...(who ? { assignee_id: who } : {}),
            ...(me.user.role === "sales_rep" ? { assigned_to: "rep" } : {}),
            ...(contact ? { contact_card_id: contact.id } : {}),
            ...(contact?.lead ? { lead_id: contact.lead } : {}),
            action_type: "custom",
          },
          key,
        });
      if (!task) notice(w.made);
      onClose();
      void queries.invalidateQueries({ queryKey: ["task"] });
      void queries.invalidateQueries({ queryKey: ["contact"] });
    } catch (e) {
      setError(e);
      setBusy(false);
    }
  };
  return (
    <Dialog
      open
      title={task ? w.change : w.newTask}
      onClose={onClose}
      foot={
        <>
          <Button onClick={onClose}>{w.cancel}</Button>
          <Button look="primary" disabled={busy} onClick={() => void save()}>
            {task ? w.save : w.make}
          </Button>
        </>
      }
    >
      <form
        class={s["form"]}
        onSubmit={(e) => {
          e.preventDefault();
          void save();
        }}
      >
        {contact && <p class="soft">{w.about(contact.name)}</p>}
        <Field label={w.what} error={fields["description"]}>
          {(a) => <textarea {...a} rows={2} maxLength={2000} autofocus value={what} onInput={(e) => setWhat(e.currentTarget.value)} />}
        </Field>
        <div class={s["pair"]}>
          <Field label={w.due} error={fields["due_at"]}>
            {(a) => <input {...a} type="date" value={day} onInput={(e) => setDay(e.currentTarget.value)} />}
          </Field>
          <Field label={w.dueTime}>
            {(a) => <input {...a} type="time" value={time} disabled={!day} onInput={(e) => setTime(e.currentTarget.value)} />}
          </Field>
        </div>
        <div class={s["pair"]}>
          <Field label={w.who} error={fields["assignee_id"]}>
            {(a) => (
              <select {...a} value={who} onChange={(e) => setWho(e.currentTarget.value)}>
                <option value="">{w.nobody}</option>
                {people.map((p) => (
                  <option key={p.id} value={p.id}>
                    {p.name ?? p.id}
                  </option>
                ))}
                {!people.some((p) => p.id === me.user.id) && <option value={me.user.id}>{me.user.name ?? me.user.id}</option>}
              </select>
            )}
          </Field>
          <Field label={w.priority} error={fields["priority"]}>
            {(a) => (
              <select {...a} value={priority} onChange={(e) => setPriority(e.currentTarget.value)}>
                {(["high", "medium", "low"] as const).map((p) => (
                  <option key={p} value={p}>
                    {w[p]}
                  </option>
                ))}
              </select>
            )}
          </Field>
        </div>
        {error !== undefined && Object.keys(fields).length === 0 && <ProblemNote error={error} />}
      </form>
    </Dialog>
  );
}

function clock(minutes: number): string {
  return `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;
}
