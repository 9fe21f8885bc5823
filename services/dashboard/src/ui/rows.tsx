import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { count, define, plural, say } from "../i18n";
import { useKeys } from "./keys";
import s from "./ui.module.css";

const words = define({
  en: { fresh: (n: number) => `${count(n)} new` },
  es: { fresh: (n: number) => `${count(n)} ${plural(n, "nueva", "nuevas")}` },
});

/** Rows that are new at the top, by what was known there; all of another list are none. */
export function freshAtTop<T>(items: readonly T[], known: ReadonlySet<string | number>, keyOf: (item: T) => string | number): number {
  const first = items.findIndex((i) => known.has(keyOf(i)));
  return Math.max(0, first);
}

// Where a list stood, for whoever comes back to it; who goes to it anew begins at its top.
const stood = new Map<string, { top: number; at: { key: string | number; n: number } | undefined }>();
let back = false;
addEventListener("popstate", () => {
  back = true;
});
addEventListener("pushState", () => {
  back = false;
});

/** A long list: rows of one height, of which only those in view exist. Asks for more when its end comes near. J and K move, Enter opens.
 * With `list`, a name for what is asked for, rows that come in at the top wait behind a button while somebody reads further down. */
export function Rows<T>({
  items,
  height,
  total,
  label,
  old,
  more,
  row,
  keyOf,
  list,
  keys = true,
}: {
  items: readonly T[];
  height: number;
  total?: number | undefined;
  label: string;
  old?: boolean;
  more?: (() => void) | undefined;
  row: (item: T, index: number) => ComponentChildren;
  keyOf: (item: T) => string | number;
  list?: string;
  keys?: boolean;
}) {
  const w = say(words);
  const place = `${location.pathname}${location.search} ${label}`;
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 800 });
  const frame = useRef(0);
  const at = useRef<{ key: string | number; n: number } | undefined>(undefined);
  const within = useRef(false);
  const up = useRef(false);
  const known = useRef<{ list: string | undefined; keys: Set<string | number> }>({ list: undefined, keys: new Set() });
  const see = () => {
    frame.current = 0;
    const b = box.current;
    if (!b) return;
    stood.set(place, { top: b.scrollTop, at: at.current });
    setView((v) =>
      Math.abs(v.top - b.scrollTop) < height && v.top < height / 2 === b.scrollTop < height / 2 && v.height === b.clientHeight
        ? v
        : { top: b.scrollTop, height: b.clientHeight },
    );
  };
  useLayoutEffect(() => {
    const was = back ? stood.get(place) : undefined;
    if (was && box.current) {
      box.current.scrollTop = was.top;
      at.current = was.at;
    }
    see();
    if (was?.at) focus(placeOf(was.at));
  }, []);
  useEffect(() => {
    const watch = new ResizeObserver(see);
    if (box.current) watch.observe(box.current);
    return () => watch.disconnect();
  });

  const another = known.current.list !== list;
  const atTop = view.top < height / 2;
  const held = list !== undefined && !another && !atTop ? freshAtTop(items, known.current.keys, keyOf) : 0;
  const shown = held > 0 ? items.slice(held) : items;
  if (list !== undefined && !old && (another || atTop || held === 0)) known.current = { list, keys: new Set(items.map(keyOf)) };
  useLayoutEffect(() => {
    if (up.current && box.current) box.current.scrollTop = 0; // another list begins at its top
    up.current = true;
  }, [list]);

  const first = Math.max(0, Math.floor(view.top / height) - 8);
  const last = Math.min(shown.length, Math.ceil((view.top + view.height) / height) + 8);
  useEffect(() => {
    if (more && last > shown.length - 20) more();
  }, [last, shown.length, more]);

  /** Where a row stands now; where it stood, if it has left. */
  const placeOf = (row: { key: string | number; n: number }): number => {
    const n = shown.findIndex((i) => keyOf(i) === row.key);
    return n >= 0 ? n : Math.min(row.n, shown.length - 1);
  };
  // When a row leaves that had the focus, the next has it.
  useEffect(() => {
    const was = at.current;
    if (within.current && was && document.activeElement === document.body && !shown.some((i) => keyOf(i) === was.key)) focus(placeOf(was));
  }, [shown]);

  /** The row's own link has the focus, wherever it stands. */
  const focus = (n: number) => {
    const b = box.current;
    if (!b || n < 0 || n >= shown.length) return;
    at.current = { key: keyOf(shown[n]!), n };
    if (n * height < b.scrollTop) b.scrollTop = n * height;
    else if ((n + 1) * height > b.scrollTop + b.clientHeight) b.scrollTop = (n + 1) * height - b.clientHeight;
    see();
    const take = (tries: number) => {
      const link = b.querySelector<HTMLElement>(`[aria-posinset="${n + 1}"] :is(a[href], button, [tabindex="0"])`);
      if (link) link.focus({ preventScroll: true });
      else if (tries > 0) requestAnimationFrame(() => take(tries - 1));
    };
    take(5);
  };
  const step = (by: number) => (e: KeyboardEvent) => {
    if (document.querySelector("dialog[open]") || shown.length === 0) return;
    e.preventDefault();
    const was = at.current;
    if (!was) focus(first + (first > 0 ? 8 : 0));
    else if (shown.some((i) => keyOf(i) === was.key)) focus(Math.max(0, Math.min(shown.length - 1, placeOf(was) + by)));
    else focus(placeOf(was));
  };
  useKeys(keys ? { j: step(1), J: step(1), k: step(-1), K: step(-1) } : {});

  return (
    <div ref={box} class={s["rows"]} data-old={old ?? false} onScroll={() => (frame.current ||= requestAnimationFrame(see))} tabIndex={-1}>
      {held > 0 && (
        <button type="button" class={s["fresh"]} onClick={() => box.current?.scrollTo(0, 0)}>
          ↑ {w.fresh(held)}
        </button>
      )}
      <ul aria-label={label} style={{ height: `${shown.length * height}px` }}>
        {shown.slice(first, last).map((item, i) => (
          <li
            key={keyOf(item)}
            style={{ height: `${height}px`, transform: `translateY(${(first + i) * height}px)` }}
            aria-setsize={total ?? items.length}
            aria-posinset={first + i + 1}
            onFocusIn={() => {
              at.current = { key: keyOf(item), n: first + i };
              within.current = true;
            }}
            onFocusOut={(e) => {
              if (e.relatedTarget) within.current = false;
            }}
          >
            {row(item, first + i)}
          </li>
        ))}
      </ul>
    </div>
  );
}
