import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Link } from "wouter";
import { say } from "../i18n";
import { cx } from "../ui";
import s from "./charts.module.css";
import { named, path, ticks } from "./scale";
import { words } from "./words";

// Every chart is a figure with a sentence that says what it shows and a table of its numbers. What is drawn links to what makes it.

export interface Cell {
  text: string;
  href?: string | undefined;
  /** Too few cases to say much. */
  few?: boolean;
}
export interface Table {
  head: string[];
  rows: Cell[][];
}

/** Numbers as they are; the first cell of a row names it. */
export function Numbers({ caption, table, plain }: { caption: string; table: Table; plain?: boolean }) {
  return (
    <table class={s["table"]}>
      <caption class="sr">{caption}</caption>
      <thead>
        <tr>
          {table.head.map((h) => (
            <th key={h} scope="col">
              {h}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {table.rows.map((row) => (
          <tr key={row[0]!.text}>
            {row.map((c, i) => {
              const inside = c.href && !plain ? <Link href={c.href}>{c.text}</Link> : c.text;
              return i === 0 ? (
                <th key={i} scope="row">
                  {inside}
                </th>
              ) : (
                <td key={i} class={c.few ? s["few"] : undefined}>
                  {inside}
                </td>
              );
            })}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** The frame: name, sentence, drawing, and the table, which stands in its place when asked for. */
export function Chart({
  title,
  note,
  sentence,
  table,
  tools,
  children,
}: {
  title: string;
  note?: ComponentChildren;
  sentence: string;
  table: Table;
  tools?: ComponentChildren;
  children: ComponentChildren;
}) {
  const w = say(words);
  const id = useId();
  const [asTable, set] = useState(false);
  return (
    <figure class={s["figure"]} aria-labelledby={id}>
      <div class={s["head"]}>
        <h2 id={id}>{title}</h2>
        {note && <small class="quiet">{note}</small>}
        <span class={s["tools"]}>
          {tools}
          <button type="button" class={s["turn"]} onClick={() => set(!asTable)}>
            {asTable ? w.drawing : w.table}
          </button>
        </span>
      </div>
      <figcaption class="sr">{sentence}</figcaption>
      {!asTable && children}
      <div class={asTable ? s["scroll"] : "sr"}>
        <Numbers caption={title} table={table} plain={!asTable} />
      </div>
    </figure>
  );
}

/** How wide a box is, so that letters of a drawing are never scaled. */
function useWide() {
  const box = useRef<HTMLDivElement>(null);
  const [wide, set] = useState(0);
  useLayoutEffect(() => {
    const b = box.current;
    if (!b) return;
    const see = () => set(Math.floor(b.clientWidth));
    see();
    const watch = new ResizeObserver(see);
    watch.observe(b);
    return () => watch.disconnect();
  }, []);
  return [box, wide] as const;
}

export interface Point {
  name: string;
  value: number | null;
  /** The same place of the period before. */
  before?: number | null | undefined;
  /** A bar behind the line, of its own scale. */
  bar?: number | undefined;
  href: string;
  /** What the sign beside the point says. */
  said: ComponentChildren;
  /** The same as one sentence. */
  label: string;
  few?: boolean;
}

const HIGH = 214;
const LEFT = 40;
const RIGHT = 10;
const FLOOR = 188;

/** A line over time, bars behind it, the period before dashed. One tab stop: arrows go from point to point, Enter opens. */
export function Line({ points, format, open }: { points: Point[]; format: (v: number) => string; open?: string }) {
  const w = say(words);
  const [box, wide] = useWide();
  const [at, go] = useState<number>();
  const [stop, setStop] = useState(points.length - 1);
  const links = useRef<SVGSVGElement>(null);
  const known = points.flatMap((p) => [p.value, p.before ?? null]).filter((v) => v !== null);
  const marks = ticks(Math.min(...known, 1), Math.max(...known, 0));
  const low = marks[0]!;
  const high = marks.at(-1)!;
  const step = (wide - LEFT - RIGHT) / Math.max(1, points.length - 1);
  const x = (i: number) => (points.length === 1 ? (LEFT + wide - RIGHT) / 2 : LEFT + i * step);
  const y = (v: number) => FLOOR - ((v - low) / (high - low || 1)) * (FLOOR - 14);
  const most = Math.max(1, ...points.map((p) => p.bar ?? 0));
  const thick = Math.max(2, Math.min(24, step * 0.5 || 24));
  const names = named(points.length, Math.floor((wide - LEFT) / 76));
  const seen = at === undefined ? undefined : points[at];
  const focus = Math.min(stop, points.length - 1);
  const move = (e: KeyboardEvent) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, Home: -points.length, End: points.length }[e.key];
    if (!by) return;
    e.preventDefault();
    const next = Math.max(0, Math.min(points.length - 1, focus + by));
    setStop(next);
    links.current?.querySelectorAll("a")[next]?.focus();
  };
  return (
    <div ref={box} class={s["line"]}>
      {wide > 0 && (
        // biome-ignore lint/a11y/useSemanticElements: a drawing is no form
        // biome-ignore lint/a11y/noSvgWithoutTitle: a title would stand beside the pointer; the figure has a sentence
        <svg ref={links} role="group" width={wide} height={HIGH} onKeyDown={move} onMouseLeave={() => go(undefined)}>
          {marks.map((m) => (
            <g key={m}>
              <path class={s["grid"]} d={`M${LEFT - 4} ${y(m)}H${wide - RIGHT}`} />
              <text x={LEFT - 10} y={y(m) + 4} text-anchor="end">
                {format(m)}
              </text>
            </g>
          ))}
          {points.map(
            (p, i) =>
              Boolean(p.bar) && (
                <rect
                  key={p.name}
                  class={s["back"]}
                  x={x(i) - thick / 2}
                  y={FLOOR - (p.bar! / most) * 52}
                  width={thick}
                  height={(p.bar! / most) * 52}
                  rx="2"
                />
              ),
          )}
          <path class={s["before"]} d={path(points.map((p, i) => [x(i), p.before == null ? null : y(p.before)]))} />
          <path class={s["now"]} d={path(points.map((p, i) => [x(i), p.value === null ? null : y(p.value)]))} />
          {at !== undefined && <path class={s["here"]} d={`M${x(at)} 8V${FLOOR}`} />}
          {points.map((p, i) => (
            <Link
              key={p.name}
              href={p.href}
              class={s["point"] ?? ""}
              aria-label={p.label}
              tabIndex={i === focus ? 0 : -1}
              onFocus={() => {
                go(i);
                setStop(i);
              }}
              onBlur={() => go(undefined)}
              onMouseEnter={() => go(i)}
            >
              <rect class={s["hit"]} x={x(i) - Math.max(step, 8) / 2} y="0" width={Math.max(step, 8)} height={FLOOR} />
              {p.value !== null && (
                <circle class={p.few ? s["dim"] : undefined} cx={x(i)} cy={y(p.value)} r={i === at ? 5 : points.length > 62 ? 1.5 : 3} />
              )}
            </Link>
          ))}
          {points.map(
            (p, i) =>
              names.has(i) && (
                <text key={p.name} x={x(i)} y={HIGH - 6} text-anchor={x(i) > wide - 40 ? "end" : "middle"}>
                  {p.name}
                </text>
              ),
          )}
        </svg>
      )}
      {seen && at !== undefined && (
        <div
          class={s["tip"]}
          aria-hidden="true"
          style={x(at) > wide / 2 ? { right: `${wide - x(at) + 12}px` } : { left: `${x(at) + 12}px` }}
        >
          {seen.said}
          <br />
          <span class="quiet">{open ?? w.open}</span>
        </div>
      )}
    </div>
  );
}

export interface Bar {
  key: string;
  name: string;
  value: number;
  /** What stands at its end; none: the value. */
  shown?: string | undefined;
  note?: string | undefined;
  href?: string | undefined;
}

const CLASS = { bars: "bar", funnel: "step" } as const;

function Row({ bar, most, kind, fill }: { bar: Bar; most: number; kind: keyof typeof CLASS; fill: string | undefined }) {
  const inside = (
    <>
      <span>{bar.name}</span>
      <svg width="100%" height={kind === "bars" ? 10 : 16} aria-hidden="true" focusable="false">
        <rect class={s["track"]} width="100%" height="100%" rx="3" />
        {bar.value > 0 && <rect class={fill} width={`${Math.max(1, (100 * bar.value) / most)}%`} height="100%" rx="3" />}
      </svg>
      <b>{bar.shown ?? bar.value}</b>
      {kind === "funnel" && <small>{bar.note}</small>}
    </>
  );
  return (
    <li>
      {bar.href ? (
        <Link href={bar.href} class={s[CLASS[kind]] ?? ""}>
          {inside}
        </Link>
      ) : (
        <span class={s[CLASS[kind]]}>{inside}</span>
      )}
    </li>
  );
}

/** What there is most of, first as it comes. */
export function Bars({ bars, tone }: { bars: Bar[]; tone?: "warn" | "good" | "bad" }) {
  const most = Math.max(1, ...bars.map((b) => b.value));
  return (
    <ul class={s["list"]}>
      {bars.map((b) => (
        <Row key={b.key} bar={b} most={most} kind="bars" fill={cx(s["fill"], tone && s[tone])} />
      ))}
    </ul>
  );
}

/** What is left step by step; the last one is what counts. */
export function Funnel({ steps }: { steps: Bar[] }) {
  const most = Math.max(1, ...steps.map((b) => b.value));
  return (
    <ul class={s["list"]}>
      {steps.map((b, i) => (
        <Row
          key={b.key}
          bar={b}
          most={most}
          kind="funnel"
          fill={cx(s["fill"], i === steps.length - 1 ? s["good"] : s[`fade${Math.min(i, 3)}`])}
        />
      ))}
    </ul>
  );
}

/** A line without axes beside a figure; the sentence is for who does not see it. */
export function Spark({ values, sentence }: { values: (number | null)[]; sentence: string }) {
  const known = values.filter((v) => v !== null);
  const low = Math.min(...known);
  const wide = Math.max(...known) - low || 1;
  return (
    <svg class={s["spark"]} viewBox="0 0 80 20" width="80" height="20" role="img" aria-label={sentence}>
      <path
        class={s["now"]}
        d={path(values.map((v, i) => [2 + (76 * i) / Math.max(1, values.length - 1), v === null ? null : 18 - (16 * (v - low)) / wide]))}
      />
    </svg>
  );
}
