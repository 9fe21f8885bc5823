import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Link } from "wouter";
import type { Schemas } from "../../api/client";
import { useAnswer, useList } from "../../api/queries";
import { count, locale, say } from "../../i18n";
import { money } from "../../lib/money";
import { nameOf } from "../../lib/person";
import { phone } from "../../lib/phone";
import { duration, when, whenInFull } from "../../lib/time";
import { useZone } from "../../me";
import { PAGES } from "../../routes";
import { Empty, Icon, ProblemNote, Rows, Segments, Skeleton, Words } from "../../ui";
import { Csv } from "../../ui/csv";
import { PageHead } from "../../ui/page";
import { useNarrow } from "../../ui/width";
import { WordTag } from "../../ui/words";
import s from "./figures.module.css";
import { type Answers, FEW, type Figure, figure, type ListPath, listOf, type List as Wanted } from "./model";
import { Bar, baseOf, Change, shown, useAnswers, useDefinitions, useOwn, usePeriod } from "./parts";
import { words } from "./words";

const KIND: Record<ListPath, string> = {
  "/api/v1/calls": "call",
  "/api/v1/leads": "lead",
  "/api/v1/appointments": "appointment",
  "/api/v1/tasks": "task",
};

/** A page that is there; else the row leads nowhere. */
const there = (pattern: string, address: string) => (PAGES.some((p) => p.path === pattern) ? address : undefined);

function Row({ path, item }: { path: ListPath; item: any }) {
  const w = say(words);
  const zone = useZone();
  const time = (at: string | null) =>
    at ? (
      <time dateTime={at} title={whenInFull(at, zone)}>
        {when(at, zone)}
      </time>
    ) : (
      <span class="quiet">{w.noTime}</span>
    );
  const name = nameOf(item.contact) || item.customer_name || phone(item.contact?.primary_phone ?? item.phone_number) || w.unknown;
  let href: string | undefined;
  let cells: [ComponentChildren, ComponentChildren, ComponentChildren, ComponentChildren, ComponentChildren];
  const who = (
    <b>
      <Words>{name}</Words>
    </b>
  );
  if (path === "/api/v1/calls") {
    href = there("/calls/:id", `/calls/${item.call_id}`);
    cells = [
      time(item.started_at),
      who,
      <>
        <WordTag word={item.status} names={w} />
        <WordTag word={item.booking_status} names={w} />
      </>,
      <Words key="w">{item.note || item.source || ""}</Words>,
      item.duration === null ? "" : duration(item.duration),
    ];
  } else if (path === "/api/v1/leads") {
    href = there("/people/:contact", `/people/${item.contact_card_id}`);
    cells = [time(item.created_at), who, <WordTag key="w" word={item.status} names={w} />, <Words key="s">{item.source}</Words>, ""];
  } else if (path === "/api/v1/appointments") {
    href = there("/people/:contact", `/people/${item.contact_card_id}?at=appointment:${item.id}`);
    cells = [
      time(item.scheduled_start),
      who,
      <>
        <WordTag word={item.status} names={{ ...w, completed: w.visit_completed }} />
        <WordTag word={item.outcome === "pending" ? null : item.outcome} names={{ ...w, won: w.wonVisits }} />
      </>,
      <Words key="w">{item.assigned_rep?.name ?? item.service_type ?? ""}</Words>,
      item.deal_size_cents ? money(item.deal_size_cents, locale()) : "",
    ];
  } else {
    href = item.contact_card_id ? there("/people/:contact", `/people/${item.contact_card_id}?at=task:${item.id}`) : undefined;
    cells = [
      time(item.due_at),
      <Words key="d">{item.description}</Words>,
      <WordTag key="w" word={item.overdue ? "overdue" : item.status} names={w} />,
      <Words key="p">{nameOf(item.contact)}</Words>,
      "",
    ];
  }
  const inside = cells.map((c, i) => (
    <span key={i} class={i === 2 ? s["tags"] : i === 4 ? s["last"] : i === 3 ? "soft" : undefined}>
      {c}
    </span>
  ));
  return href ? (
    <Link href={href} class={s["row"] ?? ""}>
      {inside}
    </Link>
  ) : (
    <div class={s["row"]}>{inside}</div>
  );
}

let faults = 0;
/** A list that has other rows than the figure counts is a fault of ours: shown, and counted where tests and people who look for it see it. */
function countFault(key: string, list: number, value: number): void {
  faults += 1;
  document.documentElement.dataset["figureFaults"] = String(faults);
  console.error(`figure ${key}: the list has ${list} rows, the figure says ${value}`);
}

/** Figure and list are asked one after the other: only what still differs after both were asked anew is a fault. */
function Check({
  figure: f,
  counted,
  total,
  atLeast,
  busy,
  again,
}: {
  figure: string;
  counted: number | null;
  total: number | undefined;
  atLeast: boolean;
  busy: boolean;
  again: () => Promise<unknown>;
}) {
  const w = say(words);
  const [asked, setAsked] = useState(0);
  const differs = counted !== null && total !== undefined && !atLeast && counted !== total;
  useEffect(() => {
    if (!differs) setAsked(0);
    else if (!busy && asked === 0) {
      setAsked(1);
      void again().finally(() => setAsked(2));
    }
  }, [differs, busy, asked, again]);
  const fault = differs && asked === 2 && !busy;
  useEffect(() => {
    if (fault) countFault(f, total!, counted!);
  }, [fault, f, total, counted]);
  if (total === undefined || counted === null) return null;
  if (fault)
    return (
      <span class={s["fault"]} role="alert">
        {w.fault(count(total), count(counted))}
      </span>
    );
  if (differs) return null;
  return (
    <span class="quiet" role="status">
      {atLeast ? (
        w.notChecked(count(total))
      ) : (
        <>
          <Icon name="check" size={12} /> {w.equal(count(total))}
        </>
      )}
    </span>
  );
}

function Listed({
  list,
  label,
  children,
}: {
  list: Wanted;
  label: string;
  children: (found: {
    total: number | undefined;
    atLeast: boolean;
    fetching: boolean;
    refetch: () => Promise<unknown>;
  }) => ComponentChildren;
}) {
  const w = say(words);
  const narrow = useNarrow();
  const found = useList(KIND[list.path], list.path, list.query);
  return (
    <>
      {children({
        total: found.isPlaceholderData ? undefined : found.total,
        atLeast: found.atLeast,
        fetching: found.isFetching,
        refetch: found.refetch,
      })}
      <div class={s["list"]}>
        {found.isError ? (
          <ProblemNote error={found.error} retry={() => void found.refetch()} />
        ) : found.isPending ? (
          <Skeleton />
        ) : found.items.length === 0 ? (
          <Empty title={w.rowsNone} />
        ) : (
          <Rows
            items={found.items as any[]}
            height={narrow ? 76 : 44}
            total={found.total}
            label={label}
            list={`${list.path}?${JSON.stringify(list.query)}`}
            old={found.isPlaceholderData}
            more={found.hasNextPage && !found.isFetchingNextPage ? () => void found.fetchNextPage() : undefined}
            row={(item) => <Row path={list.path} item={item} />}
            keyOf={(item) => item.call_id ?? item.id}
          />
        )}
      </div>
    </>
  );
}

/** One rep's figures stand where the team's would. */
function useOfRep(days: { date_from: string; date_to: string }, rep: string | undefined): Schemas["ExecSales"] | undefined {
  const team = useAnswer<Schemas["SalesTeam"]>(
    "figures",
    "/api/v1/metrics/sales/team",
    { date_from: days.date_from, date_to: days.date_to },
    Boolean(rep),
  );
  const own = rep && team.data?.reps.find((r) => r.rep_id === rep);
  return own ? ({ ...own, team_win_rate: own.win_rate } as unknown as Schemas["ExecSales"]) : undefined;
}

function One({ f }: { f: Figure }) {
  const w = say(words);
  const own = useOwn();
  const { asked: at, set, period, along } = usePeriod();
  const rep = f.from.includes("sales") ? at.rep_id : undefined;
  const here = useAnswers(period, f.from);
  const before = useAnswers(period.before, f.from);
  const repNow = useOfRep(period, rep);
  const repBefore = useOfRep(period.before, rep);
  const told = useDefinitions().get(f.key);
  const a: Answers = rep ? { ...here.answers, sales: repNow } : here.answers;
  const b: Answers = rep ? { ...before.answers, sales: repBefore } : before.answers;
  const ready = f.from.every((n) => a[n]);
  const part = f.parts[Number(at.part ?? 0)] ?? f.parts[0]!;
  const list = listOf(part.list, period, own);
  if (rep) list.query["rep_id"] = rep;
  const value = ready ? f.value(a) : null;
  const base = ready ? f.base?.(a) : undefined;
  const few = f.unit === "rate" && value !== null && base != null && base < FEW;
  const team = useAnswer<Schemas["SalesTeam"]>(
    "figures",
    "/api/v1/metrics/sales/team",
    { date_from: period.date_from, date_to: period.date_to },
    Boolean(rep),
  );
  const title = w[f.title] as string;
  return (
    <>
      <PageHead title={w.title} about={title}>
        <Link href={`/figures${along}`} class="link">
          {w.back}
        </Link>
      </PageHead>
      <div class={s["one"]}>
        <div class={s["about"]}>
          {!f.now && <Bar />}
          {here.error ? (
            <ProblemNote error={here.error} retry={here.retry} />
          ) : (
            <div class={s["value"]}>
              <b class={few ? s["few"] : undefined}>{ready ? shown(value, f.unit) : " "}</b>
              <span class="soft">{ready && baseOf(f, a)}</span>
              {ready && !f.now && f.from.every((n) => b[n]) && (
                <span class="quiet">
                  {w.against}: {shown(f.value(b), f.unit)} <Change f={f} now={value} before={f.value(b)} />
                </span>
              )}
              {few && <span class="quiet">{w.few(base!)}</span>}
              {rep && <Words>{team.data?.reps.find((r) => r.rep_id === rep)?.rep_name ?? rep}</Words>}
              {own && !f.all && <span class="quiet">{w.ownNote}</span>}
            </div>
          )}
          {told && (
            <div class={s["means"]}>
              <p>{told.sentence}</p>
              {told.formula && <p>{told.formula}</p>}
            </div>
          )}
        </div>
        <Listed list={list} label={w[part.name] as string}>
          {(found) => (
            <div class={s["about"]}>
              <div class={s["parts"]}>
                {f.parts.length > 1 ? (
                  <Segments
                    label={w.rows}
                    value={at.part ?? "0"}
                    options={f.parts.map((p, i) => ({ value: String(i) as "0" | "1", label: w[p.name] as string }))}
                    onChange={(v) => set({ part: v === "0" ? undefined : v } as never, "push")}
                  />
                ) : (
                  <h2>{w[part.name] as string}</h2>
                )}
                <Check
                  key={JSON.stringify(list)}
                  figure={f.key}
                  counted={ready && !here.old ? part.count(a) : null}
                  total={found.total}
                  atLeast={found.atLeast}
                  busy={found.fetching || here.fetching}
                  again={() => Promise.all([here.refetch(), found.refetch()])}
                />
                <span class={s["end"]}>
                  <Csv path={list.path} filter={list.query} name={f.key} total={found.total} />
                </span>
              </div>
            </div>
          )}
        </Listed>
      </div>
    </>
  );
}

export default function FigurePage({ params }: { params: { key: string } }) {
  const w = say(words);
  const f = figure(params.key);
  return f ? (
    <One key={f.key} f={f} />
  ) : (
    <Empty title={w.noSuch}>
      <Link href="/figures" class="link">
        {w.back}
      </Link>
    </Empty>
  );
}
