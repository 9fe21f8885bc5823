import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { api, idempotencyKey, of, Problem } from "../../api/client";
import { type ItemOf, useList, useOne } from "../../api/queries";
import { locale, say } from "../../i18n";
import { clockOf, dayStretch, freeTimes, realDay, STEP_MS, type Stretch, stretchOf } from "../../lib/calendar";
import { phone } from "../../lib/phone";
import { dayOf, minutesOf, momentOf, now } from "../../lib/time";
import { useMe, useZone } from "../../me";
import { Button, Dialog, Field, notice, ProblemNote, Words } from "../../ui";
import s from "./calendar.module.css";
import { type Appointment, type Clash, clashAt, holdsSlot, itemOf, type Moving, nameOf, type Rep, useDays, useSaying } from "./model";
import { words } from "./words";

type LeadRow = ItemOf<"/api/v1/leads">;
const LASTING = [15, 30, 45, 60, 90, 120, 180, 240, 480];

interface Chosen {
  day: string;
  at: number | null;
  lasts: number;
  rep: string | null;
}

/** Day, time, how long, who: with the times at which the rep is free. */
function WhenFields({
  value,
  set,
  reps,
  but,
  error,
}: {
  value: Chosen;
  set: (c: Chosen) => void;
  reps: readonly Rep[];
  but: string;
  error?: string | undefined;
}) {
  const w = say(words);
  const zone = useZone();
  const { company } = useMe();
  const { start, end } = dayStretch(value.day, zone);
  const found = useDays(value.day, value.day);
  const lastsMs = value.lasts * 60_000;
  const taken: Stretch[] = found.items
    .filter((a) => a.id !== but && holdsSlot(a) && value.rep !== null && a.assigned_rep_id === value.rep)
    .flatMap((a) => itemOf(a) ?? []);
  const free = value.rep === null ? [] : freeTimes(taken, value.day, zone, lastsMs, company?.hours, now());
  const items = found.items.flatMap((a) => itemOf(a) ?? []);
  const clash = value.at === null ? undefined : clashAt(items, { start: value.at, end: value.at + lastsMs }, value.rep, but);
  const steps: number[] = [];
  for (let at = start; at < end; at += STEP_MS) steps.push(at);
  if (value.at !== null && !steps.includes(value.at)) steps.push(value.at);
  steps.sort((a, b) => a - b);
  const said = new Map<string, number>();
  const lasting = LASTING.includes(value.lasts) ? LASTING : [...LASTING, value.lasts].sort((a, b) => a - b);
  return (
    <>
      <div class={s["pair"]}>
        <Field label={w.onDay}>
          {(a) => (
            <input
              {...a}
              type="date"
              required
              value={value.day}
              onChange={(e) => {
                const day = realDay(e.currentTarget.value);
                if (day) set({ ...value, day, at: value.at === null ? null : momentOf(day, minutesOf(value.at, zone), zone) });
              }}
            />
          )}
        </Field>
        <Field label={w.at} error={error}>
          {(a) => (
            <select
              {...a}
              value={value.at === null ? "" : String(value.at)}
              onChange={(e) => set({ ...value, at: Number(e.currentTarget.value) || null })}
            >
              {value.at === null && <option value="">–</option>}
              {steps.map((at) => {
                const text = clockOf(at, zone, locale());
                const before = said.get(text);
                said.set(text, at);
                return (
                  <option key={at} value={String(at)}>
                    {before === undefined ? text : `${text} ${w.again}`}
                  </option>
                );
              })}
            </select>
          )}
        </Field>
        <Field label={w.lasts}>
          {(a) => (
            <select {...a} value={String(value.lasts)} onChange={(e) => set({ ...value, lasts: Number(e.currentTarget.value) })}>
              {lasting.map((n) => (
                <option key={n} value={String(n)}>
                  {w.minutes(n)}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field label={w.who}>
          {(a) => (
            <select {...a} data-who value={value.rep ?? ""} onChange={(e) => set({ ...value, rep: e.currentTarget.value || null })}>
              <option value="">{w.nobody}</option>
              {reps.map((r) => (
                <option key={r.id} value={r.id}>
                  {r.name}
                </option>
              ))}
            </select>
          )}
        </Field>
      </div>
      {clash && (
        <p class={s["warn"]} role="status">
          {w.busy(reps.find((r) => r.id === value.rep)?.name ?? "", nameOf(clash.a) || w.unnamed, stretchOf(clash, zone, locale()))}
        </p>
      )}
      {value.rep !== null && found.isSuccess && (
        <fieldset class={s["free"]}>
          <legend>{free.length ? w.free : w.noFree}</legend>
          {free.map((at) => (
            <button key={at} type="button" aria-pressed={at === value.at} onClick={() => set({ ...value, at })}>
              {clockOf(at, zone, locale())}
            </button>
          ))}
        </fieldset>
      )}
    </>
  );
}

export function MoveSheet({
  a,
  target,
  reps,
  moving,
  onClose,
  whoFirst = false,
}: {
  a: Appointment;
  target?: { start: number | null; rep: string | null; end?: number | undefined } | undefined;
  reps: readonly Rep[];
  moving: Moving;
  onClose: () => void;
  /** Who goes is what is to be changed. */
  whoFirst?: boolean;
}) {
  const w = say(words);
  const zone = useZone();
  const item = itemOf(a);
  const start = target ? target.start : (item?.start ?? null);
  const usual = item ? Math.round((item.end - item.start) / 60_000) : 60;
  const [chosen, set] = useState<Chosen>(() => ({
    day: dayOf(start ?? now(), zone),
    at: start,
    lasts: target?.end !== undefined && start !== null ? Math.round((target.end - start) / 60_000) : usual,
    rep: target ? target.rep : a.assigned_rep_id,
  }));
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    if (whoFirst) form.current?.querySelector<HTMLElement>("[data-who]")?.focus();
  }, [whoFirst]);
  const save = async () => {
    if (chosen.at === null || busy) return;
    setBusy(true);
    const changed = chosen.lasts !== usual;
    onClose();
    await moving.move(a, { start: chosen.at, ...(changed ? { end: chosen.at + chosen.lasts * 60_000 } : {}), rep: chosen.rep });
  };
  return (
    <Dialog
      open
      title={w.moveTitle(nameOf(a) || w.unnamed)}
      onClose={onClose}
      foot={
        <>
          <Button onClick={onClose}>{w.cancel}</Button>
          <Button look="primary" disabled={chosen.at === null || busy} onClick={() => void save()}>
            {w.save}
          </Button>
        </>
      }
    >
      <form
        ref={form}
        class={s["form"]}
        onSubmit={(e) => {
          e.preventDefault();
          void save();
        }}
      >
        <WhenFields value={chosen} set={set} reps={reps} but={a.id} />
      </form>
    </Dialog>
  );
}

/** Two at once: another time, another rep, or both all the same. */
export function ClashDialog({
  clash,
  moving,
  nameOfRep,
  other,
}: {
  clash: Clash;
  moving: Moving;
  nameOfRep: (id: string | null) => string;
  other: (c: Clash, who: boolean) => void;
}) {
  const w = say(words);
  const saying = useSaying(nameOfRep);
  const item = itemOf(clash.a);
  const { start, rep } = clash.target;
  const end = clash.target.end ?? (start ?? 0) + (item ? item.end - item.start : 3_600_000);
  return (
    <Dialog
      open
      title={w.clashTitle}
      onClose={moving.settle}
      foot={
        <>
          <Button onClick={() => other(clash, false)}>{w.otherTime}</Button>
          <Button onClick={() => other(clash, true)}>{w.otherRep}</Button>
          <Button
            look="primary"
            onClick={() => {
              moving.settle();
              void moving.move(clash.a, clash.target, true);
            }}
          >
            {w.both}
          </Button>
        </>
      }
    >
      <p role="alert">
        <Words>{clash.sentence}</Words>
      </p>
      <p class="soft">
        <Words>{`${nameOf(clash.a) || w.unnamed}: ${saying({ start, end, rep })}`}</Words>
      </p>
    </Dialog>
  );
}

const leadName = (l: LeadRow): string =>
  [l.contact?.first_name, l.contact?.last_name].filter(Boolean).join(" ") || phone(l.contact?.primary_phone);

function WhoFor({ lead, choose }: { lead: LeadRow | undefined; choose: (l: LeadRow | undefined) => void }) {
  const w = say(words);
  const [typed, setTyped] = useState("");
  const [search, setSearch] = useState("");
  useEffect(() => {
    const wait = setTimeout(() => setSearch(typed.trim()), 200);
    return () => clearTimeout(wait);
  }, [typed]);
  const found = useList("lead", "/api/v1/leads", search ? { search } : {}, { limit: 6, enabled: !lead });
  if (lead)
    return (
      <div class={s["chosen"]}>
        <span>
          <b>
            <Words>{leadName(lead)}</Words>
          </b>{" "}
          <span class="quiet">{phone(lead.contact?.primary_phone)}</span>
        </span>
        <Button onClick={() => choose(undefined)}>{w.change}</Button>
      </div>
    );
  return (
    <div class={s["find"]}>
      <Field label={w.person}>
        {(a) => (
          <input
            {...a}
            type="search"
            autocomplete="off"
            maxLength={100}
            placeholder={w.find}
            value={typed}
            onInput={(e) => setTyped(e.currentTarget.value)}
          />
        )}
      </Field>
      {found.isError && <ProblemNote error={found.error} />}
      <ul aria-label={w.person}>
        {found.items.slice(0, 6).map((l) => (
          <li key={l.id}>
            <button type="button" onClick={() => choose(l)}>
              <Words>{leadName(l)}</Words>{" "}
              {leadName(l) !== phone(l.contact?.primary_phone) && <span class="quiet">{phone(l.contact?.primary_phone)}</span>}
            </button>
          </li>
        ))}
        {found.isSuccess && found.items.length === 0 && <li class="quiet">{w.noLead}</li>}
      </ul>
    </div>
  );
}

export interface Fresh {
  day: string;
  at: number | null;
  rep: string | null;
  lead?: string | undefined;
}

export function NewDialog({
  fresh,
  reps,
  onClose,
  nameOfRep,
}: {
  fresh: Fresh;
  reps: readonly Rep[];
  onClose: () => void;
  nameOfRep: (id: string | null) => string;
}) {
  const w = say(words);
  const saying = useSaying(nameOfRep);
  const client = useQueryClient();
  const key = useRef(idempotencyKey());
  const given = useOne<LeadRow>("lead", "/api/v1/leads/{lead_id}", { lead_id: fresh.lead ?? "" }, Boolean(fresh.lead));
  const [picked, pick] = useState<LeadRow>();
  const [dropped, drop] = useState(false);
  const lead = picked ?? (dropped ? undefined : given.data);
  const [chosen, set] = useState<Chosen>({ day: fresh.day, at: fresh.at, lasts: 60, rep: fresh.rep });
  const [more, setMore] = useState({ location_address: "", service_type: "", appointment_type: "in-person", notes: "" });
  const [problem, setProblem] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const [tried, setTried] = useState(false);
  const fields = problem instanceof Problem ? problem.fields : {};
  const clash = problem instanceof Problem && problem.status === 409 && fields["scheduled_start"] !== undefined;
  const body = useMemo(
    () => ({
      lead_id: lead?.id,
      scheduled_start: chosen.at === null ? undefined : new Date(chosen.at).toISOString(),
      scheduled_end: chosen.at === null ? undefined : new Date(chosen.at + chosen.lasts * 60_000).toISOString(),
      ...(chosen.rep ? { assigned_rep_id: chosen.rep } : {}),
      ...Object.fromEntries(Object.entries(more).filter(([, v]) => v.trim())),
    }),
    [lead, chosen, more],
  );
  const last = useRef("");
  const save = async (allow: boolean) => {
    setTried(true);
    if (!lead || chosen.at === null || busy) return;
    setBusy(true);
    setProblem(undefined);
    const sent = JSON.stringify({ ...body, ...(allow ? { allow_conflict: true } : {}) });
    if (last.current && last.current !== sent) key.current = idempotencyKey(); // another appointment than the one that was refused
    last.current = sent;
    try {
      await of(api.POST("/api/v1/appointments", { headers: { "Idempotency-Key": key.current }, body: JSON.parse(sent) }));
      notice(w.made(leadName(lead), saying({ start: chosen.at, end: chosen.at + chosen.lasts * 60_000, rep: chosen.rep })));
      void client.invalidateQueries({ queryKey: ["appointment"] });
      onClose();
    } catch (e) {
      setProblem(e);
      setBusy(false);
    }
  };
  const text = (name: keyof typeof more, label: string, most: number) => (
    <Field label={label} error={fields[name]}>
      {(a) =>
        name === "notes" ? (
          <textarea
            {...a}
            rows={2}
            maxLength={most}
            value={more[name]}
            onInput={(e) => setMore({ ...more, [name]: e.currentTarget.value })}
          />
        ) : (
          <input {...a} maxLength={most} value={more[name]} onInput={(e) => setMore({ ...more, [name]: e.currentTarget.value })} />
        )
      }
    </Field>
  );
  return (
    <Dialog
      open
      title={w.makeTitle}
      onClose={onClose}
      foot={
        <>
          <Button onClick={onClose}>{w.cancel}</Button>
          {clash && (
            <Button disabled={busy} onClick={() => void save(true)}>
              {w.both}
            </Button>
          )}
          <Button look="primary" disabled={busy} onClick={() => void save(false)}>
            {w.save}
          </Button>
        </>
      }
    >
      <form
        class={s["form"]}
        onSubmit={(e) => {
          e.preventDefault();
          void save(false);
        }}
      >
        <WhoFor
          lead={lead}
          choose={(l) => {
            pick(l);
            drop(!l);
          }}
        />
        {tried && !lead && <p class={s["warn"]}>{w.choosePerson}</p>}
        <WhenFields value={chosen} set={set} reps={reps} but="" error={clash ? undefined : fields["scheduled_start"]} />
        {text("location_address", w.place, 500)}
        <div class={s["pair"]}>
          {text("service_type", w.service, 200)}
          <Field label={w.kind}>
            {(a) => (
              <select {...a} value={more.appointment_type} onChange={(e) => setMore({ ...more, appointment_type: e.currentTarget.value })}>
                <option value="in-person">{w.in_person}</option>
                <option value="virtual">{w.virtual}</option>
                <option value="phone">{w.phone}</option>
              </select>
            )}
          </Field>
        </div>
        {text("notes", w.notes, 4000)}
        {problem !== undefined && <ProblemNote error={problem} />}
      </form>
    </Dialog>
  );
}
