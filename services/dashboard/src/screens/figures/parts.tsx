import type { ComponentChildren } from "preact";
import { useId, useRef, useState } from "preact/hooks";
import { Link, useLocation } from "wouter";
import { useAnswer } from "../../api/queries";
import { count, locale, say } from "../../i18n";
import { money, percent } from "../../lib/money";
import { dayOf, now, sayDay } from "../../lib/time";
import { useUrl } from "../../lib/url";
import { useMe, useZone } from "../../me";
import { PAGES, type RoleName } from "../../routes";
import { Button, cx, Icon, ProblemNote, Select, Skeleton, Tag } from "../../ui";
import { PageHead } from "../../ui/page";
import { useNarrow } from "../../ui/width";
import s from "./figures.module.css";
import { type Answers, callsAt, change, FEW, type Figure, listOf, type Source, type Unit } from "./model";
import { type Asked, fields, type Period, periodOf, queryOf, RANGES } from "./period";
import { words } from "./words";

/** The days that the address asks for, and the same days for the addresses of other pages. */
export function usePeriod(): { asked: Asked; set: (part: Asked, how?: "push") => void; period: Period; along: string } {
  const [asked, set] = useUrl(fields);
  const period = periodOf(asked, dayOf(now(), useZone()));
  return { asked, set, period, along: queryOf(asked) };
}

/** Whose calls: a csr's own, everybody's for who leads. */
export function useOwn(): string | undefined {
  const me = useMe();
  return me.user.role === "csr" ? me.user.id : undefined;
}

const PATHS: Record<Source, string> = {
  csr: "/api/v1/metrics/csr/overview",
  company: "/api/v1/metrics/exec/company-overview",
  sales: "/api/v1/metrics/exec/sales",
  recovery: "/api/v1/metrics/csr/missed-call-recovery",
};

export const daysOf = (p: { date_from: string; date_to: string }) => ({ date_from: p.date_from, date_to: p.date_to });

/** The answers that figures are made of, of some days. */
export function useAnswers(days: { date_from: string; date_to: string }, needs: Source[]) {
  const own = useOwn();
  const ask = (source: Source) => {
    const path = PATHS[source] + (source === "csr" && own ? "/self" : "");
    return useAnswer<any>("figures", path as never, daysOf(days), needs.includes(source));
  };
  const all = { csr: ask("csr"), company: ask("company"), sales: ask("sales"), recovery: ask("recovery") };
  const asked = needs.map((n) => all[n]);
  return {
    answers: Object.fromEntries(needs.map((n) => [n, all[n].data])) as Answers,
    error: asked.find((q) => q.isError)?.error,
    pending: asked.some((q) => q.isPending),
    old: asked.some((q) => q.isPlaceholderData),
    retry: () => {
      for (const q of asked) if (q.isError) void q.refetch();
    },
    refetch: () => Promise.all(asked.map((q) => q.refetch())),
    fetching: asked.some((q) => q.isFetching),
  };
}

export function shown(value: number | null, unit: Unit): string {
  if (value === null) return "–";
  if (unit === "rate") return percent(value, locale());
  if (unit === "money") return value >= 10_000_00 ? compact(value) : money(value, locale());
  if (unit === "score") return new Intl.NumberFormat(locale(), { minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(value);
  return count(value);
}

function compact(cents: number): string {
  return new Intl.NumberFormat(locale(), { style: "currency", currency: "USD", notation: "compact", maximumSignificantDigits: 3 }).format(
    cents / 100,
  );
}

/** ▲ 5: how far it went, green or red only where one way is better. */
export function Change({ f, now: value, before }: { f: Pick<Figure, "unit" | "better">; now: number | null; before: number | null }) {
  const w = say(words);
  const by = change(value, before, f.unit);
  if (by === null) return null;
  const size = f.unit === "money" ? shown(Math.abs(by), "money") : f.unit === "score" ? shown(Math.abs(by), "score") : count(Math.abs(by));
  const spoken = f.unit === "rate" ? w.points(Math.abs(by)) : size;
  const good = f.better && by !== 0 ? by > 0 === (f.better === "more") : undefined;
  return (
    <span
      class={cx(s["change"], good === true && s["good"], good === false && s["bad"])}
      title={by === 0 ? w.same : by > 0 ? w.up(spoken) : w.down(spoken)}
    >
      <span aria-hidden="true">{by === 0 ? "±0" : `${by > 0 ? "▲" : "▼"} ${size}`}</span>
      <span class="sr">{by === 0 ? w.same : by > 0 ? w.up(spoken) : w.down(spoken)}</span>
    </span>
  );
}

/** What a figure stands on: "421 of 619 qualified". */
export function baseOf(f: Figure, a: Answers): string {
  const w = say(words);
  const value = f.value(a);
  if (value === null && f.why) return w[f.why] as string;
  const first = f.parts[0]?.count(a) ?? 0;
  const base = f.base?.(a) ?? 0;
  switch (f.key) {
    case "sales_output_amount":
      return w.jobs(first, count(first));
    case "booking_rate":
    case "service_not_offered_rate":
      return w.ofQualified(count(first), count(base));
    case "win_rate":
      return w.ofVisits(count(first), count(base));
    case "missed_call_recovery":
      return w.ofMissed(count(a.recovery?.metrics.saved_calls_count ?? 0), count(base));
    case "qualified_rate":
      return w.ofCalls(count(first), count(base));
    case "avg_compliance_score":
      return `${w.ofTen}, ${w.onCalls(base, count(base))}`;
    case "qualified_but_unbooked_calls":
      return w.ofQualified(count(first), count(a.csr?.qualified_calls ?? 0));
    case "answered_calls":
    case "missed_calls":
    case "analysed_calls":
      return w.ofCalls(count(first), count(a.csr?.total_calls ?? 0));
    default:
      return f.now ? w.asOfNow : "";
  }
}

interface Told {
  key: string;
  title: string;
  sentence: string;
  formula?: string | null;
}
/** What figures mean, by their keys, as the server tells it; nothing where it does not. */
export function useDefinitions(): Map<string, Told> {
  const told = useAnswer<any>("definitions", "/api/v1/metrics/definitions" as never);
  const rows: Told[] = told.isError ? [] : Array.isArray(told.data) ? told.data : (told.data?.items ?? told.data?.definitions ?? []);
  return new Map(rows.map((r) => [r.key, r]));
}

export function Definition({ of }: { of: Told | undefined }) {
  const w = say(words);
  const id = useId().replaceAll(":", "");
  const button = useRef<HTMLButtonElement>(null);
  const box = useRef<HTMLDivElement>(null);
  if (!of) return null;
  const place = () => {
    const at = button.current?.getBoundingClientRect();
    if (!at || !box.current) return;
    box.current.style.top = `${at.bottom + 6}px`;
    box.current.style.left = `${Math.max(8, Math.min(at.left - 12, innerWidth - 308))}px`;
  };
  return (
    <>
      <button ref={button} type="button" class={s["info"]} aria-label={`${w.definition}: ${of.title}`} popovertarget={id}>
        <Icon name="info" size={14} />
      </button>
      <div ref={box} id={id} popover="auto" class={s["told"]} onToggle={(e) => (e as ToggleEvent).newState === "open" && place()}>
        <b>{of.title}</b>
        <p>{of.sentence}</p>
        {of.formula && <p class="quiet">{of.formula}</p>}
      </div>
    </>
  );
}

function Tile({
  f,
  now: a,
  before: b,
  along,
  definition,
}: {
  f: Figure;
  now: Answers;
  before: Answers;
  along: string;
  definition: Told | undefined;
}) {
  const w = say(words);
  const value = f.value(a);
  const base = f.base?.(a);
  const few = f.unit === "rate" && value !== null && base != null && base < FEW;
  return (
    <li class={s["tile"]}>
      <small class="soft">
        {w[f.title] as string}
        <Definition of={definition} />
      </small>
      <Link
        href={`/figures/${f.key}${along}`}
        class={few ? s["few"] : ""}
        aria-label={`${w[f.title] as string}: ${shown(value, f.unit)}, ${baseOf(f, a)}`}
      >
        <b>{shown(value, f.unit)}</b>
      </Link>
      <small class="quiet">
        <span title={few ? w.few(base!) : undefined}>{baseOf(f, a)}</span> {!f.now && <Change f={f} now={value} before={f.value(b)} />}
      </small>
    </li>
  );
}

/** Figures in a row; each leads to the rows that make it. */
export function Tiles({ figures, label }: { figures: Figure[]; label: string }) {
  const { period, along } = usePeriod();
  const needs = [...new Set(figures.flatMap((f) => f.from))];
  const here = useAnswers(period, needs);
  const before = useAnswers(period.before, needs);
  const told = useDefinitions();
  if (here.error && Object.values(here.answers).every((a) => !a)) return <ProblemNote error={here.error} retry={here.retry} />;
  if (here.pending && Object.values(here.answers).every((a) => !a))
    return (
      <div class={cx(s["tiles"], s["empty"])}>
        <Skeleton rows={2} />
      </div>
    );
  return (
    <>
      {here.error && <ProblemNote error={here.error} retry={here.retry} />}
      <ul class={s["tiles"]} aria-label={label} data-old={here.old}>
        {figures
          .filter((f) => f.from.every((n) => here.answers[n]))
          .map((f) => (
            <Tile key={f.key} f={f} now={here.answers} before={before.answers} along={along} definition={told.get(f.key)} />
          ))}
      </ul>
    </>
  );
}

/** A panel that loads, fails and is tried again by itself. */
export function Panel<T>({
  asked,
  rows = 5,
  wide,
  children,
}: {
  asked: { data: T | undefined; isError: boolean; error: unknown; isPlaceholderData: boolean; refetch: () => unknown };
  rows?: number;
  wide?: boolean;
  children: (data: T) => ComponentChildren;
}) {
  return (
    <section class={cx(s["panel"], wide && s["wide"])} data-old={asked.isPlaceholderData}>
      {asked.isError ? (
        <ProblemNote error={asked.error} retry={() => void asked.refetch()} />
      ) : asked.data === undefined ? (
        <Skeleton rows={rows} />
      ) : (
        children(asked.data)
      )}
    </section>
  );
}

/** How much of it is analysed; leads to the calls that are not yet. */
function Coverage() {
  const w = say(words);
  const { period } = usePeriod();
  const own = useOwn();
  const { answers } = useAnswers(period, ["csr"]);
  const told = answers.csr as
    | (NonNullable<Answers["csr"]> & { coverage?: { calls: number; analysed: number; under_way: number } })
    | undefined;
  const calls = told?.coverage?.calls ?? told?.answered_calls;
  const analysed = told?.coverage?.analysed ?? told?.analysed_calls;
  if (!calls || analysed === undefined) return null;
  const way = told?.coverage?.under_way ?? 0;
  const missing = listOf(
    "/api/v1/calls?direction=inbound&answered=true&analysed=false&date_from={date_from}&date_to={date_to}",
    period,
    own,
  );
  const sentence = w.coverage(count(Math.min(analysed, calls)), count(calls)) + (way ? `, ${w.coverageWay(count(way))}` : "");
  return (
    <Tag tone={analysed < calls ? "warn" : undefined}>
      {analysed < calls ? (
        <Link href={callsAt(missing.query)}>{sentence}</Link>
      ) : (
        <>
          <Icon name="check" size={12} />
          {sentence}
        </>
      )}
    </Tag>
  );
}

function Own({ asked, period, onDone }: { asked: Asked; period: Period; onDone: (days: { date_from: string; date_to: string }) => void }) {
  const w = say(words);
  return (
    <form
      class={s["own"]}
      onSubmit={(e) => {
        e.preventDefault();
        const given = new FormData(e.currentTarget);
        onDone({ date_from: String(given.get("from")), date_to: String(given.get("to")) });
      }}
    >
      <label>
        <span>{w.from}</span>
        <input type="date" name="from" required min="2000-01-01" max="2099-12-31" defaultValue={asked.date_from ?? period.date_from} />
      </label>
      <label>
        <span>{w.to}</span>
        <input type="date" name="to" required min="2000-01-01" max="2099-12-31" defaultValue={asked.date_to ?? period.date_to} />
      </label>
      <Button type="submit">{w.show}</Button>
    </form>
  );
}

/** The days, as chips of the address, what they stand beside, and how much is known of them. */
export function Bar({ coverage }: { coverage?: boolean }) {
  const w = say(words);
  const { asked, set, period } = usePeriod();
  const zone = useZone();
  const [open, setOpen] = useState(false);
  const narrow = useNarrow();
  const names = { week: w.week, "7": w.last7, month: w.month, "30": w.last30 };
  const pick = (range: string) => {
    if (range === "own") return setOpen(true);
    setOpen(false);
    set({ range: range === "30" ? undefined : range, date_from: undefined, date_to: undefined } as never, "push");
  };
  const value = open ? "own" : period.range;
  const options = [...RANGES.map((r) => ({ value: r as string, label: names[r] })), { value: "own", label: w.own }];
  const place = zone.split("/").at(-1)!.replaceAll("_", " ");
  const say1 = (d: string) =>
    sayDay(d, locale(), { month: "short", day: "numeric", ...(d.slice(0, 4) === period.date_to.slice(0, 4) ? {} : { year: "numeric" }) });
  return (
    <div class={cx(s["bar"], s["wide"])}>
      {narrow ? (
        <Select label={w.range} value={value} options={options} onChange={(v) => pick(v ?? "30")} />
      ) : (
        <fieldset class={s["chips"]} aria-label={w.range}>
          {options.map((o) => (
            <button key={o.value} type="button" aria-pressed={o.value === value} onClick={() => pick(o.value)}>
              {o.label}
            </button>
          ))}
        </fieldset>
      )}
      {value === "own" && (
        <Own
          key={`${period.date_from}${period.date_to}`}
          asked={asked}
          period={period}
          onDone={(d) => {
            setOpen(false);
            set({ range: undefined, ...d } as never, "push");
          }}
        />
      )}
      <span class={cx("soft", s["days"])}>
        {period.days === 1 ? w.oneDay(say1(period.date_from), place) : w.days(say1(period.date_from), say1(period.date_to), place)},{" "}
        {period.range === "week" ? w.besideWeek : w.beside(period.days)}
      </span>
      <span class={s["end"]}>
        {coverage && <Coverage />}
        {!narrow && <Button onClick={() => print()}>{w.print}</Button>}
      </span>
    </div>
  );
}

/** Head, tabs and days: what each page of figures has. */
export function Frame({ about, coverage, children }: { about?: string; coverage?: boolean; children: ComponentChildren }) {
  const w = say(words);
  const me = useMe();
  const narrow = useNarrow();
  const [path] = useLocation();
  const { along } = usePeriod();
  const tabs = (
    [
      ["/figures", w.tabCompany],
      ["/figures/calls", w.tabCalls],
      ["/figures/visits", w.tabVisits],
      ["/figures/people", w.tabPeople],
    ] as const
  ).filter(
    ([p]) =>
      (me.user.role !== "csr" || p === "/figures/calls") && PAGES.some((x) => x.path === p && x.roles.includes(me.user.role as RoleName)),
  );
  const links = tabs.length > 1 && (
    <nav class={s["tabs"]} aria-label={w.which}>
      {tabs.map(([p, name]) => (
        <Link key={p} href={p + along} aria-current={path === p ? "page" : undefined}>
          {name}
        </Link>
      ))}
    </nav>
  );
  return (
    <>
      <PageHead title={w.title} about={about}>
        {!narrow && links}
      </PageHead>
      <div class={s["scroll"]}>
        <div class={s["page"]}>
          {narrow && links}
          <Bar coverage={coverage ?? false} />
          {children}
        </div>
      </div>
    </>
  );
}
