import { Link } from "wouter";
import type { Schemas } from "../../api/client";
import { useAnswer } from "../../api/queries";
import { Bars, Chart, Funnel, Line, type Point } from "../../charts";
import { count, locale, say } from "../../i18n";
import { percent } from "../../lib/money";
import { addDays, dayOf, sayDay } from "../../lib/time";
import { useZone } from "../../me";
import { Empty, Segments, Words } from "../../ui";
import s from "./figures.module.css";
import { callsAt, FEW, worstStep } from "./model";
import { daysOf, Panel, useAnswers, useOwn, usePeriod } from "./parts";
import { words } from "./words";

type By = "day" | "week" | "month";
interface Step {
  from: string;
  to: string;
  rate: number | null;
  booked?: number;
  qualified?: number;
  calls?: number;
}

const inbound = (days: { date_from: string; date_to: string }, own: string | undefined) => ({
  direction: "inbound",
  date_from: days.date_from,
  date_to: days.date_to,
  owner_id: own && `${own},none`,
});

/** Points of either answer: everybody's have their counts, one's own only the rate and when its period begins. */
function stepsOf(told: Schemas["BookingTrend"] | Schemas["BookingTrendSelf"], zone: string): Step[] {
  if ("points" in told)
    return told.points.map((p) => ({
      from: p.period_start,
      to: p.period_end,
      rate: p.booking_rate,
      booked: p.booked_appointments,
      qualified: p.qualified_calls,
      calls: p.total_calls,
    }));
  const begin = told.booking_rate_trend.map((p) => dayOf(Date.parse(p.timestamp), zone));
  return told.booking_rate_trend.map((p, i) => ({
    from: begin[i]!,
    to: begin[i + 1] ? addDays(begin[i + 1]!, -1) : told.date_to,
    rate: p.value,
  }));
}

export function Trend() {
  const w = say(words);
  const zone = useZone();
  const own = useOwn();
  const { asked, set, period } = usePeriod();
  const by: By = asked.by ?? (period.days > 400 ? "month" : period.days > 92 ? "week" : "day");
  const path = own ? "/api/v1/metrics/csr/booking-trend/self" : "/api/v1/metrics/csr/booking-trend";
  const here = useAnswer<Schemas["BookingTrend"]>("figures", path, { ...daysOf(period), granularity: by });
  const before = useAnswer<Schemas["BookingTrend"]>("figures", path, { ...daysOf(period.before), granularity: by });
  const rate = (r: number | null) => percent(r, locale());
  const short = (d: string) =>
    sayDay(d, locale(), by === "month" ? { month: "short", year: "2-digit" } : { month: "short", day: "numeric" });
  const long = (p: Step) => (p.from === p.to ? sayDay(p.from, locale()) : `${sayDay(p.from, locale())} – ${sayDay(p.to, locale())}`);
  return (
    <Panel asked={here} rows={5}>
      {(told) => {
        const steps = stepsOf(told, zone);
        const former = before.data ? stepsOf(before.data, zone) : [];
        const points: Point[] = steps.map((p, i) => ({
          name: short(p.from),
          value: p.rate,
          before: former[i]?.rate,
          bar: p.calls,
          href: callsAt(inbound({ date_from: p.from, date_to: p.to }, own)),
          few: p.qualified !== undefined && p.qualified < FEW,
          label:
            p.calls === undefined
              ? w.pointOwn(long(p), rate(p.rate))
              : w.pointLabel(long(p), rate(p.rate), count(p.booked ?? 0), count(p.qualified ?? 0), count(p.calls)),
          said: (
            <>
              <b>{long(p)}</b>
              <br />
              {p.rate === null ? (
                w.noneQualified
              ) : p.qualified === undefined ? (
                <b>{rate(p.rate)}</b>
              ) : (
                `${w.bookedOf(count(p.booked ?? 0), count(p.qualified))}, ${rate(p.rate)}`
              )}
              {p.calls !== undefined && (
                <>
                  <br />
                  {w.callsOpen(p.calls, count(p.calls))}
                </>
              )}
            </>
          ),
        }));
        const known = steps.map((p) => p.rate).filter((r) => r !== null);
        const ends = [sayDay(told.date_from, locale()), sayDay(told.date_to, locale())] as const;
        return (
          <Chart
            title={w.trend}
            note={own ? w.trendNoteOwn : w.trendNote}
            sentence={known.length ? w.trendSaid(...ends, rate(Math.min(...known)), rate(Math.max(...known))) : w.trendNone(...ends)}
            tools={
              <Segments
                label={w.by}
                value={by}
                options={[
                  { value: "day", label: w.day_ },
                  { value: "week", label: w.week_ },
                  { value: "month", label: w.month_ },
                ]}
                onChange={(v) => set({ by: v } as never, "push")}
              />
            }
            table={{
              head: own ? [w.when, w.rate, w.before] : [w.when, w.calls, w.qualified, w.booked, w.rate, w.before],
              rows: steps.map((p, i) => {
                const few = p.qualified !== undefined && p.qualified < FEW;
                const q = inbound({ date_from: p.from, date_to: p.to }, own);
                const good = { ...q, lead_quality: "hot,warm,cold" };
                const cells = [
                  { text: count(p.calls ?? 0), href: callsAt(q) },
                  { text: count(p.qualified ?? 0), href: callsAt(good) },
                  { text: count(p.booked ?? 0), href: callsAt({ ...good, booking_status: "booked" }) },
                ];
                return [
                  { text: long(p), href: own ? callsAt(q) : undefined },
                  ...(own ? [] : cells),
                  { text: rate(p.rate), few },
                  { text: rate(former[i]?.rate ?? null), few: true },
                ];
              }),
            }}
          >
            {known.length === 0 ? (
              <Empty title={w.trendNone(...ends)} />
            ) : (
              <Line points={points} format={(v) => rate(v)} open={own ? w.openCalls : ""} />
            )}
          </Chart>
        );
      }}
    </Panel>
  );
}

export function FromCallToJob() {
  const w = say(words);
  const { period, along } = usePeriod();
  const asked = useAnswers(period, ["company", "sales"]);
  const { company: c, sales: v } = asked.answers;
  const panel = {
    data: c && v ? { c, v } : undefined,
    isError: Boolean(asked.error),
    error: asked.error ?? null,
    isPlaceholderData: asked.old,
    refetch: asked.retry,
  };
  return (
    <Panel asked={panel} rows={5}>
      {({ c, v }) => {
        const of = (part: number, whole: number) => percent(whole ? part / whole : null, locale());
        const at = (key: string) => `/figures/${key}${along}`;
        const steps = [
          { key: "leads", name: w.leads, value: c.total_leads, note: w.newPeople, href: at("total_leads"), share: "" },
          {
            key: "qualified",
            name: w.qualified,
            value: c.qualified_leads,
            note: w.ofLeads(of(c.qualified_leads, c.total_leads)),
            href: at("qualified_leads"),
          },
          { key: "booked", name: w.booked, value: v.total_appointments, note: w.planned, href: at("total_appointments") },
          {
            key: "visited",
            name: w.visited,
            value: v.completed_appointments,
            note: w.ofPlanned(of(v.completed_appointments, v.total_appointments)),
            href: at("completed_appointments"),
          },
          {
            key: "won",
            name: w.won,
            value: v.won_appointments,
            note: w.ofAll(of(v.won_appointments, v.completed_appointments)),
            href: at("won_appointments"),
          },
        ].map((x) => ({ ...x, shown: count(x.value) }));
        const numbers = steps.map((x) => x.value);
        const worst = worstStep(numbers, [1, 3, 4]); // appointments are not made of the leads beside them
        return (
          <Chart
            title={w.funnel}
            sentence={w.funnelSaid(...(steps.map((x) => x.shown) as [string, string, string, string, string]))}
            table={{
              head: [w.step, w.number, w.share],
              rows: steps.map((x) => [{ text: x.name }, { text: x.shown, href: x.href }, { text: x.note }]),
            }}
          >
            <Funnel steps={steps} />
            <p class={s["remark"]}>
              {worst !== undefined && w.mostLost(steps[worst]!.name, of(numbers[worst - 1]! - numbers[worst]!, numbers[worst - 1]!))}{" "}
              <span class="quiet">({w.funnelNote})</span>
            </p>
          </Chart>
        );
      }}
    </Panel>
  );
}

export function Objections({ most = 5 }: { most?: number }) {
  const w = say(words);
  const { period } = usePeriod();
  const own = useOwn();
  const asked = useAnswer<Schemas["TopObjections"]>("figures", "/api/v1/metrics/csr/objections/top", { ...daysOf(period), limit: most });
  return (
    <Panel asked={asked} rows={most}>
      {(told) => {
        const rows = told.top_objections.map((o) => ({
          key: o.objection_key,
          name: o.label,
          value: o.occurrence_count,
          shown: count(o.occurrence_count),
          rate: o.occurrence_rate,
          href: callsAt({ ...inbound(period, undefined), objection: o.objection_key }),
        }));
        return (
          <Chart
            title={w.objections}
            note={`${w.objectionsNote(told.total_calls_considered, count(told.total_calls_considered))}${own ? `. ${w.companyNote}` : ""}`}
            sentence={rows.length ? w.objectionsSaid(rows.length, rows[0]!.name) : w.objectionsNone}
            table={{
              head: [w.objection, w.times, w.ofTheCalls],
              rows: rows.map((r) => [
                { text: r.name },
                { text: r.shown, href: r.href },
                { text: percent(r.rate, locale()), few: told.total_calls_considered < FEW },
              ]),
            }}
          >
            {rows.length ? (
              <Bars bars={rows} tone="warn" />
            ) : (
              <p class={s["none"]}>{told.total_calls_considered ? w.objectionsNone : w.noneAnalysed}</p>
            )}
          </Chart>
        );
      }}
    </Panel>
  );
}

export function Recovery() {
  const w = say(words);
  const { period, along } = usePeriod();
  const own = useOwn();
  const asked = useAnswer<Schemas["MissedCallRecovery"]>("figures", "/api/v1/metrics/csr/missed-call-recovery", daysOf(period));
  return (
    <Panel asked={asked}>
      {(told) => {
        const m = told.metrics;
        const href = `/figures/missed_call_recovery${along}`;
        const rows = [
          { key: "booked", name: w.rBooked, value: m.booked_leads_count, href },
          { key: "pending", name: w.rPending, value: m.pending_leads_count, href },
          { key: "dead", name: w.rDead, value: m.dead_leads_count, href },
        ].map((r) => ({ ...r, shown: count(r.value) }));
        return (
          <Chart
            title={w.recovery}
            note={`${w.recoveryNote}${own ? `. ${w.companyNote}` : ""}`}
            sentence={m.missed_calls_count ? w.recoverySaid(count(m.missed_calls_count), count(m.saved_calls_count)) : w.recoveryNone}
            table={{ head: [w.lead, w.number], rows: rows.map((r) => [{ text: r.name }, { text: r.shown, href: r.href }]) }}
          >
            {m.missed_calls_count ? (
              <>
                <Bars bars={rows} />
                <p class={s["remark"]}>{w.recoverySaid(count(m.missed_calls_count), count(m.saved_calls_count))}</p>
              </>
            ) : (
              <p class={s["none"]}>{w.recoveryNone}</p>
            )}
          </Chart>
        );
      }}
    </Panel>
  );
}

/** Who does least of what is theirs, as the company's overview tells it. */
export function WhereToLook() {
  const w = say(words);
  const { period, along } = usePeriod();
  const asked = useAnswer<Schemas["CompanyOverview"]>("figures", "/api/v1/metrics/exec/company-overview", daysOf(period));
  return (
    <Panel asked={asked} rows={2}>
      {({ who_dropping_ball: x }) => (
        <>
          <div class={s["head"]}>
            <h2>{w.dropping}</h2>
            <Link href={`/figures/people${along}`}>{w.allPeople}</Link>
          </div>
          <ul class={s["look"]}>
            {x.worst_csr_id && x.worst_csr_booking_rate !== null && (
              <li>
                <Link href={callsAt({ ...inbound(period, undefined), lead_quality: "hot,warm,cold", owner_id: x.worst_csr_id })}>
                  <Words>{w.worstCsr(x.worst_csr_name ?? x.worst_csr_id, percent(x.worst_csr_booking_rate, locale()))}</Words>
                </Link>
              </li>
            )}
            {x.worst_rep_id && x.worst_rep_win_rate !== null && (
              <li>
                <Link href={`/figures/visits${along}`}>
                  <Words>{w.worstRep(x.worst_rep_name ?? x.worst_rep_id, percent(x.worst_rep_win_rate, locale()))}</Words>
                </Link>
              </li>
            )}
            {!x.worst_csr_id && !x.worst_rep_id && <li class="quiet">{w.worstNone}</li>}
          </ul>
        </>
      )}
    </Panel>
  );
}
