import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { locale, say } from "../../i18n";
import {
  clockOf,
  dayStretch,
  type Line,
  linesOf,
  onDay,
  openOn,
  partOn,
  STEP_MS,
  type Stretch,
  sideBySide,
  snap,
  step,
  stretchOf,
  USUAL_MS,
} from "../../lib/calendar";
import { dayOf } from "../../lib/time";
import { useMe, useZone } from "../../me";
import { Words } from "../../ui";
import s from "./calendar.module.css";
import { type Appointment, clashAt, type Item, itemOf, nameOf, type Target } from "./model";
import { words } from "./words";

/** Height of an hour; a quarter is 12 px. */
const HOUR_PX = 48;
const HOUR_MS = 3_600_000;
const px = (ms: number): number => (ms * HOUR_PX) / HOUR_MS;
const ms = (pixels: number): number => (pixels * HOUR_MS) / HOUR_PX;

export interface Column {
  key: string;
  head: ComponentChildren;
  name: string;
  day: string;
  /** Whose; undefined: everybody's. */
  rep?: string | null;
  today: boolean;
}

/** What is lifted, and where it hangs. */
export interface Lift {
  a: Appointment;
  how: "keys" | "pointer";
  column: number;
  start: number;
  lasts: number;
}

const columnOf = (columns: readonly Column[], a: Appointment, zone: string): number => {
  const start = a.scheduled_start ? Date.parse(a.scheduled_start) : undefined;
  const found = columns.findIndex(
    (c) => (c.rep === undefined || c.rep === a.assigned_rep_id) && (start === undefined || c.day === dayOf(start, zone)),
  );
  return Math.max(0, found);
};

/** Lifting by keys or by pointer, moving, dropping, taking back: each step is said. */
export function useLift({
  columns,
  items,
  nameOfRep,
  onDrop,
}: {
  columns: readonly Column[];
  items: readonly Item[];
  nameOfRep: (id: string | null) => string;
  onDrop: (a: Appointment, target: Target) => Promise<boolean>;
}) {
  const w = say(words);
  const zone = useZone();
  const { company } = useMe();
  const [lift, setLift] = useState<Lift>();
  const [said, setSaid] = useState("");
  const area = useRef<HTMLElement>(null);
  const focusAfter = useRef<string | undefined>(undefined);
  const lifted = useRef<Lift | undefined>(undefined);
  lifted.current = lift;

  const repOf = (l: Lift): string | null => {
    const column = columns[l.column];
    return column?.rep === undefined ? l.a.assigned_rep_id : column.rep;
  };
  const sayAt = (l: Lift): string => {
    const column = columns[l.column];
    const what = { start: l.start, end: l.start + l.lasts };
    const rep = repOf(l);
    const clash = clashAt(items, what, rep, l.a.id);
    const at = `${column?.rep === undefined ? `${column?.name}, ` : ""}${stretchOf(what, zone, locale())}, ${nameOfRep(rep)}`;
    return w.over(at, clash ? w.busy(nameOfRep(rep), nameOf(clash.a) || w.unnamed, stretchOf(clash, zone, locale())) : "");
  };
  const put = (l: Lift) => {
    lifted.current = l; // a drop may come before the next drawing
    setLift(l);
    setSaid(sayAt(l));
  };
  const begin = (a: Appointment, how: Lift["how"], at?: { column: number; start: number }) => {
    const item = itemOf(a);
    const column = at?.column ?? columnOf(columns, a, zone);
    const day = columns[column]?.day ?? columns[0]!.day;
    const open = openOn(day, zone, company?.hours)?.[0]?.start ?? dayStretch(day, zone).start + 8 * HOUR_MS;
    const l: Lift = { a, how, column, start: at?.start ?? item?.start ?? open, lasts: item ? item.end - item.start : USUAL_MS };
    setLift(l);
    setSaid((item ? w.lifted : w.liftedNew)(nameOf(a) || w.unnamed, sayAt(l)));
  };
  const back = () => {
    if (!lift) return;
    setSaid(w.returned(nameOf(lift.a) || w.unnamed));
    setLift(undefined);
  };
  const drop = () => {
    const l = lifted.current;
    if (!l) return;
    lifted.current = undefined;
    setLift(undefined);
    setSaid(w.dropped(nameOf(l.a) || w.unnamed, sayAt(l)));
    focusAfter.current = l.a.id;
    void onDrop(l.a, { start: l.start, rep: repOf(l) });
  };
  // who was lifted keeps the focus where it stands now
  useLayoutEffect(() => {
    const id = focusAfter.current;
    if (!id) return;
    const found = document.querySelector<HTMLElement>(`[data-appointment="${id}"]`);
    if (!found) return;
    if (document.activeElement !== found) found.focus({ preventScroll: false });
    focusAfter.current = undefined;
  });
  useEffect(() => {
    if (lift?.how === "keys") area.current?.querySelector("[data-ghost]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [lift]);

  const key = (e: KeyboardEvent, a: Appointment, mayMove: boolean, open: () => void) => {
    if (!lift) {
      if (e.key !== "Enter") return;
      e.preventDefault();
      if (mayMove) begin(a, "keys");
      else open();
      return;
    }
    const column = columns[lift.column]!;
    const steps: Record<string, () => void> = {
      ArrowUp: () => put({ ...lift, start: step(onDay(lift.start, column.day, zone), -1, zone) }),
      ArrowDown: () => put({ ...lift, start: step(onDay(lift.start, column.day, zone), 1, zone) }),
      ArrowLeft: () => aside(-1),
      ArrowRight: () => aside(1),
      Enter: drop,
      " ": drop,
      Escape: back,
      Tab: back,
    };
    const aside = (by: number) => {
      const next = Math.max(0, Math.min(columns.length - 1, lift.column + by));
      put({ ...lift, column: next, start: onDay(lift.start, columns[next]!.day, zone) });
    };
    const act = steps[e.key];
    if (!act) return;
    if (e.key !== "Tab") e.preventDefault();
    e.stopPropagation();
    act();
  };

  /** Which column and moment the pointer is over. */
  const under = (x: number, y: number): { column: number; at: number } | undefined => {
    const all = [...(area.current?.querySelectorAll<HTMLElement>("[data-column]") ?? [])];
    const box = area.current?.getBoundingClientRect();
    if (!box || x < box.left || x > box.right || y < box.top || y > box.bottom) return undefined;
    const index = all.findIndex((c) => {
      const r = c.getBoundingClientRect();
      return x >= r.left && x < r.right;
    });
    const column = columns[index];
    if (!column) return undefined;
    return { column: index, at: dayStretch(column.day, zone).start + ms(y - all[index]!.getBoundingClientRect().top) };
  };

  const clicked = useRef(false);
  /** A mouse or a pen drags from four pixels on; a finger scrolls, and moves by the sheet. */
  const grab = (e: PointerEvent, a: Appointment) => {
    if (e.button !== 0 || e.pointerType === "touch" || lift) return;
    const from = { x: e.clientX, y: e.clientY };
    const item = itemOf(a);
    const lasts = item ? item.end - item.start : USUAL_MS;
    const origin = under(from.x, from.y);
    const held = item && origin ? origin.at - item.start : Math.min(lasts / 2, 15 * 60_000);
    let dragging = false;
    clicked.current = false;
    const move = (m: PointerEvent) => {
      if (!dragging && Math.hypot(m.clientX - from.x, m.clientY - from.y) < 4) return;
      dragging = true;
      const box = area.current;
      if (box) {
        const r = box.getBoundingClientRect();
        if (m.clientY > r.bottom - 32) box.scrollTop += 12;
        else if (m.clientY < r.top + 72) box.scrollTop -= 12;
      }
      const at = under(m.clientX, m.clientY);
      if (!at) {
        lifted.current = undefined;
        setLift(undefined);
        return;
      }
      put({ a, how: "pointer", column: at.column, start: Math.round((at.at - held) / STEP_MS) * STEP_MS, lasts });
    };
    const stop = () => {
      removeEventListener("pointermove", move);
      removeEventListener("pointerup", up);
      removeEventListener("pointercancel", cancel);
      removeEventListener("keydown", giveUp, true);
    };
    const up = () => {
      stop();
      clicked.current = dragging;
      if (dragging) drop();
      setTimeout(() => {
        clicked.current = false;
      }, 0);
    };
    const cancel = () => {
      stop();
      setLift(undefined);
    };
    const giveUp = (k: KeyboardEvent) => {
      if (k.key !== "Escape") return;
      k.preventDefault();
      k.stopPropagation();
      cancel();
      setSaid(w.returned(nameOf(a) || w.unnamed));
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", up);
    addEventListener("pointercancel", cancel);
    addEventListener("keydown", giveUp, true);
  };

  return {
    lift,
    said,
    area,
    repOf,
    key,
    grab,
    under,
    /** Whether a click is the end of a drag. */
    wasDragged: () => clicked.current,
  };
}
export type Lifting = ReturnType<typeof useLift>;

function Block({
  item,
  part,
  lane,
  lanes,
  brief,
  pattern,
  nameOfRep,
  lifting,
  mayMove,
  chosen,
  open,
  now,
}: {
  item: Item;
  part: { top: number; height: number; fromBefore: boolean; goesOn: boolean };
  lane: number;
  lanes: number;
  /** The rep's letters stand in it: columns are days. */
  brief: string | undefined;
  pattern: number;
  nameOfRep: (id: string | null) => string;
  lifting: Lifting;
  mayMove: boolean;
  chosen: boolean;
  open: () => void;
  now: number;
}) {
  const w = say(words);
  const zone = useZone();
  const { a } = item;
  const name = nameOf(a);
  const time = stretchOf(item, zone, locale());
  const state = a.outcome === "won" || a.outcome === "lost" ? a.outcome : a.status;
  const due = a.outcome === "pending" && (a.status === "scheduled" || a.status === "confirmed") && item.end < now;
  const said = due ? w.pending : w[state];
  const told = due || state !== "scheduled";
  return (
    <li
      class={s["slot"]}
      style={{
        top: `${part.top}px`,
        height: `${part.height}px`,
        left: `calc(${(lane / lanes) * 100}% + 2px)`,
        width: `calc(${100 / lanes}% - 4px)`,
      }}
    >
      <button
        type="button"
        class={s["block"]}
        data-appointment={a.id}
        data-state={due ? "due" : state}
        data-pattern={pattern}
        data-small={part.height < 34}
        data-before={part.fromBefore}
        data-after={part.goesOn}
        data-lifted={lifting.lift?.a.id === a.id}
        aria-current={chosen ? "true" : undefined}
        aria-describedby="calendar-keys"
        onPointerDown={(e) => mayMove && lifting.grab(e, a)}
        onKeyDown={(e) => lifting.key(e, a, mayMove, open)}
        onClick={() => !lifting.wasDragged() && open()}
        onDblClick={(e) => e.stopPropagation()}
      >
        <b>
          {brief !== undefined && <i aria-hidden="true">{brief}</i>}
          <Words>{name || w.unnamed}</Words>
        </b>
        <span>{time}</span>
        {part.height > 54 && told && <em>{said}</em>}
        {part.height > (told ? 70 : 54) && (
          <span>
            <Words>{a.service_type || a.location_address || ""}</Words>
          </span>
        )}
        <span class="sr">
          , <Words>{nameOfRep(item.rep)}</Words>
          {part.height > 54 && told ? "" : `, ${said}`}
          {part.fromBefore && `, ${w.from}`}
          {part.goesOn && `, ${w.on}`}
        </span>
      </button>
    </li>
  );
}

function hourWord(line: Line, zone: string, again: string): string {
  const text = clockOf(line.at, zone, locale());
  return `${line.minutes % 60 === 0 ? text.replace(":00", "") : text}${line.again ? ` ${again}` : ""}`;
}

export function Grid({
  columns,
  items,
  reps,
  initials,
  nameOfRep,
  lifting,
  mayMove,
  chosen,
  open,
  make,
  now,
  label,
}: {
  columns: readonly Column[];
  items: readonly Item[];
  reps: readonly string[];
  initials?: ((id: string | null) => string) | undefined;
  nameOfRep: (id: string | null) => string;
  lifting: Lifting;
  mayMove: boolean;
  chosen: string | undefined;
  open: (a: Appointment) => void;
  make: (day: string, rep: string | null, at: number) => void;
  now: number;
  label: string;
}) {
  const w = say(words);
  const zone = useZone();
  const { company } = useMe();
  const { lift, area } = lifting;
  const longest = Math.max(...columns.map((c) => dayStretch(c.day, zone).end - dayStretch(c.day, zone).start));
  const usual = columns.find((c) => dayStretch(c.day, zone).end - dayStretch(c.day, zone).start === 24 * HOUR_MS) ?? columns[0]!;
  // where work begins: the first opening, or the first appointment of the morning
  const days = columns.map((c) => c.day).join();
  useLayoutEffect(() => {
    const box = area.current;
    if (!box) return;
    const tops = columns.flatMap((c) => {
      const { start } = dayStretch(c.day, zone);
      const open = openOn(c.day, zone, company?.hours)?.[0]?.start ?? start + 8 * HOUR_MS;
      const early = items.filter((i) => i.start >= start + 5 * HOUR_MS && i.start < open).map((i) => i.start);
      return [Math.min(open, ...early) - start];
    });
    box.scrollTop = Math.max(0, px(Math.min(...tops)) - 24);
  }, [days, items.length > 0]);

  return (
    <section class={s["scroll"]} ref={area} aria-label={label}>
      <div class={s["grid"]} style={{ "--columns": columns.length }}>
        <div class={s["corner"]} />
        {columns.map((c) => (
          <div key={c.key} class={s["head"]} data-today={c.today}>
            {c.head}
          </div>
        ))}
        <div class={s["gutter"]} aria-hidden="true" style={{ height: `${px(longest)}px` }}>
          {linesOf(usual.day, zone).map((l, n) => (
            <span key={l.at} style={{ top: `${px(l.at - dayStretch(usual.day, zone).start)}px` }} hidden={n === 0}>
              {hourWord(l, zone, w.again)}
            </span>
          ))}
        </div>
        {columns.map((c, index) => (
          <DayColumn
            key={c.key}
            column={c}
            own={c.day !== usual.day && dayStretch(c.day, zone).end - dayStretch(c.day, zone).start !== 24 * HOUR_MS}
            items={items.filter((i) => c.rep === undefined || i.rep === c.rep)}
            now={now}
            make={mayMove ? make : undefined}
            block={(item, part, lane, lanes) => (
              <Block
                key={item.a.id}
                item={item}
                part={part}
                lane={lane}
                lanes={lanes}
                brief={initials?.(item.rep)}
                pattern={item.rep ? reps.indexOf(item.rep) % 6 : -1}
                nameOfRep={nameOfRep}
                lifting={lifting}
                mayMove={mayMove && (item.a.status === "scheduled" || item.a.status === "confirmed")}
                chosen={item.a.id === chosen}
                open={() => open(item.a)}
                now={now}
              />
            )}
          >
            {lift && (c.rep === undefined ? true : lift.column === index) && (
              <Ghost day={c.day} start={lift.start} end={lift.start + lift.lasts} name={nameOf(lift.a) || w.unnamed} />
            )}
          </DayColumn>
        ))}
      </div>
    </section>
  );
}

function Ghost({ day, start, end, name }: Stretch & { day: string; name: string }) {
  const zone = useZone();
  const part = partOn({ start, end }, day, zone);
  if (!part) return null;
  const from = dayStretch(day, zone).start;
  return (
    <div
      class={s["ghost"]}
      data-ghost
      style={{ top: `${px(part.start - from)}px`, height: `${px(part.end - part.start)}px` }}
      aria-hidden="true"
    >
      <b>
        <Words>{name}</Words>
      </b>
      <span>{stretchOf({ start, end }, zone, locale())}</span>
    </div>
  );
}

function DayColumn({
  column,
  own,
  items,
  now,
  make,
  block,
  children,
}: {
  column: Column;
  /** Its lines are not those beside: clocks are changed that day. */
  own: boolean;
  items: readonly Item[];
  now: number;
  make: ((day: string, rep: string | null, at: number) => void) | undefined;
  block: (
    item: Item,
    part: { top: number; height: number; fromBefore: boolean; goesOn: boolean },
    lane: number,
    lanes: number,
  ) => ComponentChildren;
  children: ComponentChildren;
}) {
  const w = say(words);
  const zone = useZone();
  const { company } = useMe();
  const { start, end } = dayStretch(column.day, zone);
  const open = openOn(column.day, zone, company?.hours);
  const parts = items.flatMap((item) => {
    const part = partOn(item, column.day, zone);
    return part ? [{ ...part, item }] : [];
  });
  const shut: Stretch[] = [];
  if (open) {
    let from = start;
    for (const o of [...open].sort((a, b) => a.start - b.start)) {
      if (o.start > from) shut.push({ start: from, end: Math.min(o.start, end) });
      from = Math.max(from, o.end);
    }
    if (from < end) shut.push({ start: from, end });
  }
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: a short cut for the mouse; B and the button make one too
    <div
      class={s["column"]}
      data-column
      data-today={column.today}
      style={{ height: `${px(end - start)}px` }}
      onDblClick={(e) => {
        const at = start + ms(e.clientY - e.currentTarget.getBoundingClientRect().top);
        make?.(column.day, column.rep ?? null, snap(at - STEP_MS, column.day, zone));
      }}
    >
      {shut.map((o) => (
        <div key={o.start} class={s["shut"]} style={{ top: `${px(o.start - start)}px`, height: `${px(o.end - o.start)}px` }} />
      ))}
      {linesOf(column.day, zone).map((l) => (
        <div key={l.at} class={s["line"]} data-line style={{ top: `${px(l.at - start)}px` }} aria-hidden="true">
          {own && <small>{hourWord(l, zone, w.again)}</small>}
        </div>
      ))}
      <ul aria-label={column.name}>
        {sideBySide(parts).map((p) =>
          block(
            p.item.item,
            { top: px(p.item.start - start), height: px(p.item.end - p.item.start), fromBefore: p.item.fromBefore, goesOn: p.item.goesOn },
            p.lane,
            p.lanes,
          ),
        )}
      </ul>
      {column.today && now >= start && now < end && <div class={s["now"]} style={{ top: `${px(now - start)}px` }} aria-hidden="true" />}
      {children}
    </div>
  );
}
