import { useEffect, useMemo, useState } from "preact/hooks";
import { Link, Redirect, useLocation, useSearch } from "wouter";
import { useOne } from "../../api/queries";
import { locale, say } from "../../i18n";
import { clockOf, partOn, placeOf, realDay, weekOf } from "../../lib/calendar";
import { initials } from "../../lib/text";
import { addDays, dayOf, sayDay, now as serverNow } from "../../lib/time";
import { flag, text, useUrl } from "../../lib/url";
import { useZone } from "../../me";
import { Avatar, Button, Empty, Icon, ProblemNote, Segments, Select, Skeleton, Words } from "../../ui";
import { useKeys } from "../../ui/keys";
import { PageHead } from "../../ui/page";
import { useNarrow } from "../../ui/width";
import s from "./calendar.module.css";
import { Detail } from "./detail";
import { ClashDialog, type Fresh, MoveSheet, NewDialog } from "./forms";
import { type Column, Grid, type Lifting, useLift } from "./grid";
import {
  type Appointment,
  type Clash,
  holdsSlot,
  type Item,
  itemOf,
  nameOf,
  useDays,
  useMayMove,
  useMoving,
  useReps,
  useTray,
} from "./model";
import { words } from "./words";

const fields = { rep: text(), at: text(40), cancelled: flag(), lead: text(40) };
type View = "day" | "week";

function useNow(): number {
  const [at, set] = useState(serverNow);
  useEffect(() => {
    const tick = setInterval(() => set(serverNow()), 30_000);
    return () => clearInterval(tick);
  }, []);
  return at;
}

export function Day({ params }: { params: { date: string } }) {
  return <Checked view="day" date={params.date} />;
}
export function Week({ params }: { params: { date: string } }) {
  return <Checked view="week" date={params.date} />;
}

export default function Today() {
  const zone = useZone();
  const search = useSearch();
  return <Redirect to={`/calendar/day/${dayOf(serverNow(), zone)}${search ? `?${search}` : ""}`} replace />;
}

function Checked({ view, date }: { view: View; date: string }) {
  const day = realDay(date);
  return day ? <Calendar view={view} day={day} /> : <Today />;
}

function Calendar({ view, day }: { view: View; day: string }) {
  const w = say(words);
  const zone = useZone();
  const [, go] = useLocation();
  const [url, setUrl] = useUrl(fields);
  const now = useNow();
  const narrow = useNarrow();
  const mayMove = useMayMove();
  const today = dayOf(now, zone);
  const days = useMemo(() => (view === "day" ? [day] : weekOf(day)), [view, day]);
  const found = useDays(days[0]!, days.at(-1)!);
  const tray = useTray();
  const seen = useMemo(() => [...found.items, ...tray.items], [found.items, tray.items]);
  const { reps, nameOfRep } = useReps(seen);
  const all = useMemo(() => found.items.flatMap((a) => itemOf(a) ?? []), [found.items]);
  const moving = useMoving(all, nameOfRep);
  const wanted = (a: Appointment) => !url.rep || (url.rep === "none" ? a.assigned_rep_id === null : a.assigned_rep_id === url.rep);

  const shown = new Map<string, Appointment>();
  for (const a of seen) shown.set(a.id, moving.shown(a));
  const items: Item[] = [...shown.values()]
    .filter((a) => wanted(a) && (url.cancelled || a.status !== "cancelled"))
    .flatMap((a) => itemOf(a) ?? [])
    .filter((i) => days.some((d) => partOn(i, d, zone)))
    .sort((a, b) => a.start - b.start);
  const waiting = [...shown.values()].filter((a) => !a.scheduled_start && holdsSlot(a) && wanted(a));

  const [sheet, setSheet] = useState<{ a: Appointment; clash?: Clash; who?: boolean }>();
  const [fresh, setFresh] = useState<Fresh | undefined>(() => (url.lead ? { day, at: null, rep: null, lead: url.lead } : undefined));
  const open = (a: Appointment | undefined) => setUrl({ at: a?.id } as never);
  const make = (onDay: string, rep: string | null, at: number | null) => mayMove && setFresh({ day: onDay, rep, at });

  const columns: Column[] = useMemo(() => {
    if (view === "week")
      return days.map((d) => ({
        key: d,
        name: sayDay(d, locale()),
        day: d,
        today: d === today,
        head: (
          <Link href={`/calendar/day/${d}`}>
            {sayDay(d, locale(), { weekday: "short" })} <b>{sayDay(d, locale(), { day: "numeric" })}</b>
          </Link>
        ),
      }));
    const of: (string | null)[] = [null, ...reps.map((r) => r.id)];
    return of
      .filter((id) => !url.rep || (url.rep === "none" ? id === null : id === url.rep))
      .map((id) => ({
        key: id ?? "none",
        name: nameOfRep(id),
        day,
        rep: id,
        today: day === today,
        head: (
          <>
            {id && <Avatar name={nameOfRep(id)} />}
            <Words>{nameOfRep(id)}</Words>
          </>
        ),
      }));
  }, [view, day, days, reps, nameOfRep, today, url.rep, go]);

  const lifting = useLift({ columns, items: all, nameOfRep, onDrop: (a, target) => moving.move(a, target) });
  const goTo = (d: string, v: View = view) => {
    const query = new URLSearchParams(location.search);
    query.delete("at");
    query.delete("lead");
    const kept = query.toString();
    go(`/calendar/${v}/${d}${kept ? `?${kept}` : ""}`);
  };
  const by = view === "day" ? 1 : 7;
  useKeys({
    b: () => make(day, url.rep && url.rep !== "none" ? url.rep : null, null),
    ArrowLeft: () => !lifting.lift && goTo(addDays(day, -by)),
    ArrowRight: () => !lifting.lift && goTo(addDays(day, by)),
    j: () => focusNext(1),
    k: () => focusNext(-1),
    Escape: () => url.at && open(undefined),
  });

  const chosen = url.at ? shown.get(url.at) : undefined;
  const other = useOne<Appointment>(
    "appointment",
    "/api/v1/appointments/{appointment_id}",
    { appointment_id: url.at ?? "" },
    Boolean(url.at) && !chosen && found.isSuccess,
  );
  const detail = chosen ?? (url.at ? other.data : undefined);
  const title =
    view === "day"
      ? sayDay(day, locale(), { weekday: "long", month: "short", day: "numeric", year: "numeric" })
      : `${sayDay(days[0]!, locale(), { month: "short", day: "numeric" })} – ${sayDay(days[6]!, locale(), { month: "short", day: "numeric", year: "numeric" })}`;
  const side = detail && (
    <Detail
      a={moving.shown(detail)}
      nameOfRep={nameOfRep}
      mayMove={mayMove}
      moving={moving}
      onMove={() => setSheet({ a: detail })}
      onClose={() => open(undefined)}
    />
  );

  return (
    <>
      <PageHead title={w.title} about={title}>
        <span class="quiet">{items.length === 1 ? w.one : w.all(items.length)}</span>
      </PageHead>
      <div class={s["bar"]}>
        <span class={s["steps"]}>
          <Button aria-label={w.before} onClick={() => goTo(addDays(day, -by))}>
            <Icon name="left" />
          </Button>
          <Button onClick={() => goTo(today)} aria-current={days.includes(today) ? "date" : undefined}>
            {w.today}
          </Button>
          <Button aria-label={w.after} onClick={() => goTo(addDays(day, by))}>
            <Icon name="right" />
          </Button>
        </span>
        <input
          class={s["date"]}
          type="date"
          aria-label={w.go}
          value={day}
          onChange={(e) => {
            const d = realDay(e.currentTarget.value);
            if (d) goTo(d);
          }}
        />
        <Segments
          label={w.show}
          value={view}
          options={[
            { value: "day", label: w.day },
            { value: "week", label: w.week },
          ]}
          onChange={(v) => goTo(day, v)}
        />
        <Select
          label={w.rep}
          value={url.rep ?? ""}
          options={[
            { value: "", label: w.everybody },
            { value: "none", label: w.nobody },
            ...reps.map((r) => ({ value: r.id, label: r.name })),
          ]}
          onChange={(v) => setUrl({ rep: v } as never, "push")}
        />
        <label class={s["check"]}>
          <input
            type="checkbox"
            checked={url.cancelled ?? false}
            onChange={(e) => setUrl({ cancelled: e.currentTarget.checked || undefined } as never)}
          />
          {w.cancelledToo}
        </label>
        <span class={s["zone"]}>{w.zone(placeOf(zone))}</span>
        {mayMove && (
          <Button look="primary" class={s["make"]} aria-keyshortcuts="b" onClick={() => make(day, null, null)}>
            <Icon name="book" />
            {w.make}
          </Button>
        )}
      </div>
      {tray.isError && <ProblemNote error={tray.error} retry={() => void tray.refetch()} />}
      <div class={s["body"]} data-peek={Boolean(detail)} data-old={found.isPlaceholderData}>
        {found.isError ? (
          <ProblemNote error={found.error} retry={() => void found.refetch()} />
        ) : found.isPending ? (
          <Skeleton />
        ) : narrow ? (
          <Agenda
            days={days}
            items={items}
            waiting={waiting}
            nameOfRep={nameOfRep}
            mayMove={mayMove}
            today={today}
            open={open}
            move={(a) => setSheet({ a })}
          />
        ) : (
          <>
            {waiting.length > 0 && <Tray waiting={waiting} lifting={lifting} mayMove={mayMove} open={open} chosen={url.at} />}
            <Grid
              columns={columns}
              items={items}
              reps={reps.map((r) => r.id)}
              initials={view === "week" ? (id) => (id ? initials(nameOfRep(id)) : "–") : undefined}
              nameOfRep={nameOfRep}
              lifting={lifting}
              mayMove={mayMove}
              chosen={url.at}
              open={open}
              make={make}
              now={now}
              label={title}
            />
          </>
        )}
        {side}
      </div>
      <p id="calendar-keys" hidden>
        {mayMove ? w.keysHow : w.readHow}
      </p>
      <div class="sr" role="status" aria-live="assertive">
        {lifting.said}
      </div>
      {sheet && (
        <MoveSheet
          key={sheet.a.id}
          a={sheet.a}
          target={sheet.clash?.target}
          whoFirst={sheet.who ?? false}
          reps={reps}
          moving={moving}
          onClose={() => setSheet(undefined)}
        />
      )}
      {moving.clash && (
        <ClashDialog
          clash={moving.clash}
          moving={moving}
          nameOfRep={nameOfRep}
          other={(clash, who) => {
            moving.settle();
            setSheet({ a: clash.a, clash, who });
          }}
        />
      )}
      {fresh && (
        <NewDialog
          fresh={fresh}
          reps={reps}
          nameOfRep={nameOfRep}
          onClose={() => {
            setFresh(undefined);
            if (url.lead) setUrl({ lead: undefined } as never);
          }}
        />
      )}
    </>
  );
}

function focusNext(by: number): void {
  const all = [...document.querySelectorAll<HTMLElement>("[data-appointment]")];
  const at = all.indexOf(document.activeElement as HTMLElement);
  (all[at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by] ?? all.at(by > 0 ? 0 : -1))?.focus();
}

function Tray({
  waiting,
  lifting,
  mayMove,
  open,
  chosen,
}: {
  waiting: readonly Appointment[];
  lifting: Lifting;
  mayMove: boolean;
  open: (a: Appointment) => void;
  chosen: string | undefined;
}) {
  const w = say(words);
  return (
    <section class={s["tray"]} aria-label={w.tray}>
      <h2>
        {w.tray} <span class="quiet">{waiting.length}</span>
      </h2>
      <p class="quiet">{mayMove ? w.trayHow : w.trayRead}</p>
      <ul>
        {waiting.map((a) => (
          <li key={a.id}>
            <button
              type="button"
              class={s["wait"]}
              data-appointment={a.id}
              data-lifted={lifting.lift?.a.id === a.id}
              aria-current={a.id === chosen ? "true" : undefined}
              aria-describedby="calendar-keys"
              onPointerDown={(e) => mayMove && lifting.grab(e, a)}
              onKeyDown={(e) => lifting.key(e, a, mayMove, () => open(a))}
              onClick={() => !lifting.wasDragged() && open(a)}
            >
              <b>
                <Words>{nameOf(a) || w.unnamed}</Words>
              </b>
              <span>
                <Words>{a.notes || a.service_type || a.location_address || ""}</Words>
              </span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** On a phone: a list by day, and a sheet instead of dragging. */
function Agenda({
  days,
  items,
  waiting,
  nameOfRep,
  mayMove,
  today,
  open,
  move,
}: {
  days: readonly string[];
  items: readonly Item[];
  waiting: readonly Appointment[];
  nameOfRep: (id: string | null) => string;
  mayMove: boolean;
  today: string;
  open: (a: Appointment) => void;
  move: (a: Appointment) => void;
}) {
  const w = say(words);
  const zone = useZone();
  const row = (a: Appointment, item: Item | undefined, before: boolean) => (
    <li key={a.id} class={s["entry"]} data-state={a.status}>
      <button type="button" onClick={() => open(a)}>
        <time>{item ? (before ? `… ${clockOf(item.end, zone, locale())}` : clockOf(item.start, zone, locale())) : "–"}</time>
        <span>
          <b>
            <Words>{nameOf(a) || w.unnamed}</Words>
          </b>
          <small>
            <Words>{[nameOfRep(a.assigned_rep_id), a.service_type || a.location_address].filter(Boolean).join(" · ")}</Words>
          </small>
        </span>
      </button>
      {mayMove && holdsSlot(a) && (
        <Button onClick={() => move(a)} aria-label={w.moveTitle(nameOf(a) || w.unnamed)}>
          {w.move}
        </Button>
      )}
    </li>
  );
  return (
    <div class={s["agenda"]}>
      {waiting.length > 0 && (
        <section aria-label={w.tray}>
          <h2 data-tone="warn">
            {w.tray} <span class="quiet">{waiting.length}</span>
          </h2>
          <ul>{waiting.map((a) => row(a, undefined, false))}</ul>
        </section>
      )}
      {items.length === 0 && <Empty title={w.none} />}
      {days.map((d) => {
        const on = items.flatMap((i) => {
          const part = partOn(i, d, zone);
          return part ? [{ i, part }] : [];
        });
        return on.length === 0 ? null : (
          <section key={d} aria-label={sayDay(d, locale())}>
            <h2 data-today={d === today}>{sayDay(d, locale())}</h2>
            <ul>{on.map(({ i, part }) => row(i.a, i, part.fromBefore))}</ul>
          </section>
        );
      })}
    </div>
  );
}
