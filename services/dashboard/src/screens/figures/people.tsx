import { useQueries } from "@tanstack/react-query";
import { Link } from "wouter";
import { api, of, type Schemas } from "../../api/client";
import { useAnswer } from "../../api/queries";
import { count, locale, say } from "../../i18n";
import { percent } from "../../lib/money";
import { Avatar, cx, Skeleton, Words } from "../../ui";
import s from "./figures.module.css";
import { callsAt, FEW, share } from "./model";
import { Change, daysOf, Frame, Panel, usePeriod } from "./parts";
import { words } from "./words";

const MOST = 25;

interface Person {
  id: string;
  name: string | null;
  role: string | null;
  status: string;
}

/** How many rows lists have: what a cell says is then what it opens. Asked again by the minute, not at each change. */
function useTotals(lists: Record<string, string>[]) {
  return useQueries({
    queries: lists.map((query) => ({
      queryKey: ["people-figures", "total", query],
      staleTime: 60_000,
      refetchInterval: 60_000,
      queryFn: async ({ signal }: { signal: AbortSignal }) => {
        const told = (await of((api.GET as any)("/api/v1/calls", { params: { query: { ...query, limit: 1 } }, signal }))) as {
          data: { total: number };
        };
        return told.data.total;
      },
    })),
  });
}

function Answering({ people }: { people: Person[] }) {
  const w = say(words);
  const { period } = usePeriod();
  const asks = (id: string, days: { date_from: string; date_to: string }) => {
    const all = { direction: "inbound", owner_id: id, ...daysOf(days) };
    const qualified = { ...all, lead_quality: "hot,warm,cold" };
    return [all, qualified, { ...qualified, booking_status: "booked" }];
  };
  const everybody: Person[] = [
    ...people.filter((p) => p.role === "csr" || p.role === "manager").slice(0, MOST),
    { id: "none", name: w.nobody, role: null, status: "active" },
  ];
  const found = useTotals(everybody.flatMap((p) => [...asks(p.id, period), ...asks(p.id, period.before).slice(1)]));
  const rows = everybody
    .map((p, i) => {
      const [calls, qualified, booked, qualified0, booked0] = found.slice(i * 5, i * 5 + 5).map((q) => q.data);
      return { p, calls, qualified, booked, rate: share(booked, qualified), before: share(booked0, qualified0), lists: asks(p.id, period) };
    })
    .filter((r) => r.calls !== 0 || (r.p.role === "csr" && r.p.status === "active"))
    .sort((a, b) => Number(a.p.id === "none") - Number(b.p.id === "none") || (b.calls ?? 0) - (a.calls ?? 0));
  if (found.some((q) => q.isPending)) return <Skeleton rows={4} />;
  return (
    <div class={s["tableBox"]}>
      <table class={s["table"]}>
        <caption class="sr">{w.answersSaid(rows.length)}</caption>
        <thead>
          <tr>
            {[w.person, w.calls, w.qualified, w.booked, w.rate].map((h) => (
              <th key={h} scope="col">
                {h}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((r) => {
            const few = r.rate !== null && (r.qualified ?? 0) < FEW;
            return (
              <tr key={r.p.id}>
                <th scope="row">
                  <span class={s["person"]}>
                    <Avatar name={r.p.id === "none" ? "" : r.p.name} />
                    <Words>{r.p.name ?? r.p.id}</Words>
                  </span>
                </th>
                {[r.calls, r.qualified, r.booked].map((n, i) => (
                  <td key={i} data-label={[w.calls, w.qualified, w.booked][i]}>
                    <Link href={callsAt(r.lists[i]!)}>{count(n ?? 0)}</Link>
                  </td>
                ))}
                <td class={cx(few && s["few"])} title={r.rate === null ? w.noneQualified : few ? w.few(r.qualified ?? 0) : undefined}>
                  {percent(r.rate, locale())} <Change f={{ unit: "rate", better: "more" }} now={r.rate} before={r.before} />
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

const NAMES = {
  total_appointments: "appointments",
  completed_appointments: "visited",
  won_appointments: "wonVisits",
  lost_appointments: "lostVisits",
} as const;

/** Reps by what became of their appointments. */
export function Reps() {
  const w = say(words);
  const { period } = usePeriod();
  const asked = useAnswer<Schemas["SalesTeam"]>("figures", "/api/v1/metrics/sales/team", daysOf(period));
  const before = useAnswer<Schemas["SalesTeam"]>("figures", "/api/v1/metrics/sales/team", daysOf(period.before));
  const { along } = usePeriod();
  const rep = (key: string, id: string) => `/figures/${key}${along}${along ? "&" : "?"}rep_id=${encodeURIComponent(id)}`;
  return (
    <Panel asked={asked}>
      {({ reps }) => (
        <>
          <div class={s["head"]}>
            <h2>{w.whoSells}</h2>
            <small class="quiet">{w.sellNote}</small>
          </div>
          {reps.length === 0 ? (
            <p class={s["none"]}>{w.peopleNone}</p>
          ) : (
            <div class={s["tableBox"]}>
              <table class={s["table"]}>
                <caption class="sr">{w.sellsSaid(reps.length)}</caption>
                <thead>
                  <tr>
                    {[w.person, ...Object.values(NAMES).map((k) => w[k] as string), w.winRate].map((h) => (
                      <th key={h} scope="col">
                        {h}
                      </th>
                    ))}
                  </tr>
                </thead>
                <tbody>
                  {[...reps]
                    .sort((a, b) => b.total_appointments - a.total_appointments)
                    .map((r) => {
                      const few = r.win_rate !== null && r.completed_appointments < FEW;
                      const former = before.data?.reps.find((x) => x.rep_id === r.rep_id)?.win_rate ?? null;
                      return (
                        <tr key={r.rep_id}>
                          <th scope="row">
                            <span class={s["person"]}>
                              <Avatar name={r.rep_name} />
                              <Words>{r.rep_name ?? r.rep_id}</Words>
                            </span>
                          </th>
                          {(Object.keys(NAMES) as (keyof typeof NAMES)[]).map((k) => (
                            <td key={k} data-label={w[NAMES[k]] as string}>
                              <Link href={rep(k, r.rep_id)}>{count(r[k])}</Link>
                            </td>
                          ))}
                          <td
                            class={cx(few && s["few"])}
                            title={r.win_rate === null ? w.noneCompleted : few ? w.few(r.completed_appointments) : undefined}
                          >
                            {percent(r.win_rate, locale())} <Change f={{ unit: "rate", better: "more" }} now={r.win_rate} before={former} />
                          </td>
                        </tr>
                      );
                    })}
                </tbody>
              </table>
            </div>
          )}
        </>
      )}
    </Panel>
  );
}

export default function PeopleFigures() {
  const w = say(words);
  const people = useAnswer<{ items: Person[] }>("user", "/api/v1/people" as never);
  return (
    <Frame coverage>
      <div class={s["wide"]}>
        <Panel asked={people}>
          {({ items }) => (
            <>
              <div class={s["head"]}>
                <h2>{w.whoAnswers}</h2>
                <small class="quiet">{w.whoNote}</small>
              </div>
              <Answering people={items} />
            </>
          )}
        </Panel>
      </div>
      <div class={s["wide"]}>
        <Reps />
      </div>
    </Frame>
  );
}
