import { useEffect, useRef, useState } from "preact/hooks";
import { Link, useLocation } from "wouter";
import { Problem, type Schemas } from "../../api/client";
import { useAnswer, useOne } from "../../api/queries";
import { count, locale, say } from "../../i18n";
import { placeOf } from "../../lib/calendar";
import { money, percent } from "../../lib/money";
import { phone } from "../../lib/phone";
import { dayOf, sayDay, now as serverNow, when } from "../../lib/time";
import { oneOf, text, useUrl } from "../../lib/url";
import { useMe, useZone } from "../../me";
import { Avatar, Button, Empty, Icon, type IconName, ProblemNote, Segments, Select, Skeleton, Tag, type Tone, Words } from "../../ui";
import { useKeys } from "../../ui/keys";
import { PageHead } from "../../ui/page";
import { Clock } from "./clock";
import { nameOf, REASONS, type Reason, SELF, useActing, useCounts, useQueue, type Waiting } from "./model";
import { arrange, GROUPS, hold, nextOf, opensAt, type Place } from "./order";
import { bookHref, Peek, ShutDialog, SnoozeDialog, textHref } from "./peek";
import { words } from "./words";
import s from "./work.module.css";

const fields = {
  whose: oneOf(["me", "nobody"]),
  reason: oneOf(REASONS),
  state: oneOf(["snoozed"]),
  sort: oneOf(["stake"]),
  at: text(40),
};
const LOOK: Record<Reason, { tone: Tone; icon: IconName }> = {
  missed_call: { tone: "bad", icon: "missed" },
  abandoned_call: { tone: "bad", icon: "missed" },
  voicemail: { tone: "plum", icon: "voicemail" },
  unanswered_text: { tone: "blue", icon: "text" },
  qualified_unbooked: { tone: "warn", icon: "call" },
  booked_without_time: { tone: "good", icon: "calendar" },
  visit_without_outcome: { tone: undefined, icon: "calendar" },
};

/** The server's time, each second while somebody has less than ten minutes, else each quarter of a minute. */
function useTicking(rows: readonly Waiting[]): number {
  const [at, set] = useState(serverNow);
  const close = rows.some((r) => {
    const left = Date.parse(r.due_at) - at;
    return left > -1000 && left < 10 * 60_000;
  });
  useEffect(() => {
    set(serverNow());
    const tick = setInterval(() => document.visibilityState === "visible" && set(serverNow()), close ? 1000 : 15_000);
    return () => clearInterval(tick);
  }, [close]);
  return at;
}

function Figures({ today, counts }: { today: string; counts: { waiting: number; stake_cents: number } | undefined }) {
  const w = say(words);
  const window = { date_from: today, date_to: today };
  const csr = useAnswer<Schemas["CsrOverview"]>("figures", "/api/v1/metrics/csr/overview", window).data;
  const recovery = useAnswer<Schemas["MissedCallRecovery"]>("figures", "/api/v1/metrics/csr/missed-call-recovery", {
    ...window,
    limit: 1,
  }).data;
  const calls = (more: string) => `/calls?${more}date_from=${today}&date_to=${today}`;
  return (
    <section class={s["figures"]} aria-label={w.figures}>
      <Link href={calls("")}>
        <small class="soft">{w.calls}</small>
        <b>{csr ? count(csr.total_calls) : "–"}</b>
        <small class="quiet">{csr && w.analysed(csr.analysed_calls ?? 0, csr.total_calls)}</small>
      </Link>
      <Link href={calls("booking_status=booked&")}>
        <small class="soft">{w.booking}</small>
        <b data-few={(csr?.qualified_calls ?? 0) < 10}>{csr ? percent(csr.booking_rate, locale()) : "–"}</b>
        <small class="quiet">{csr && w.bookedOf(csr.booked_calls, csr.qualified_calls)}</small>
      </Link>
      <Link href={calls("status=missed&")}>
        <small class="soft">{w.missed}</small>
        <b>{recovery ? count(recovery.metrics.missed_calls_count) : "–"}</b>
        <small class="quiet">{recovery && w.back(recovery.metrics.saved_calls_count)}</small>
      </Link>
      <Link href="/work?sort=stake" title={w.guess}>
        <small class="soft">{w.stake}</small>
        <b>{counts ? `≈ ${money(counts.stake_cents, locale())}` : "–"}</b>
        <small class="quiet">{counts && w.people(counts.waiting)}</small>
      </Link>
    </section>
  );
}

function WonBack({ today }: { today: string }) {
  const w = say(words);
  const closed = useQueue({ state: "closed", by_itself: true, date_from: today, date_to: today }, 200);
  if (!closed.isSuccess || closed.items.length === 0) return null;
  const by = SELF.flatMap((why) => {
    const n = closed.items.filter((r) => r.closed_why === why).length;
    return n ? [w[why](n)] : [];
  });
  const won = closed.items.reduce((sum, r) => sum + (r.won_cents ?? 0), 0);
  return (
    <p class={s["won"]}>
      <Icon name="check" />
      <span>
        <b>{w.closedTitle(closed.total ?? closed.items.length)}</b> {by.join(", ")}.{won > 0 && ` ${w.wonBack(money(won, locale()))}`}
      </span>
    </p>
  );
}

function Row({
  r,
  now,
  opens,
  chosen,
  href,
  claim,
}: {
  r: Waiting;
  now: number;
  opens: number | undefined;
  chosen: boolean;
  href: string;
  claim: (() => void) | undefined;
}) {
  const w = say(words);
  const me = useMe();
  const zone = useZone();
  const name = nameOf(r);
  const first = r.reasons[0];
  const number = phone(r.contact.primary_phone);
  const said = [r.lead_quality && r.lead_quality in w ? w[r.lead_quality as "hot"] : "", r.said].filter(Boolean).join(", ");
  return (
    <li class={s["item"]} data-chosen={chosen}>
      <Link href={href} replace class={s["open"] ?? ""} data-row={r.id} aria-current={chosen ? "true" : undefined}>
        <Clock row={r} now={now} opens={opens} />
        <span class={s["who"]}>
          <span class={s["line"]}>
            <b>
              <Words>{name || w.unknown}</Words>
            </b>
            {name !== number && <span class="quiet num">{number}</span>}
          </span>
          <span class={s["line"]}>
            {r.reasons.slice(0, 2).map((c) => (
              <Tag key={c.reason} tone={LOOK[c.reason].tone}>
                <Icon name={LOOK[c.reason].icon} size={12} />
                {w[c.reason]}
              </Tag>
            ))}
            {r.reasons.length > 2 && <span class="quiet">+{r.reasons.length - 2}</span>}
            <small class="soft">
              <Words>{said || (first ? w.since(when(first.since, zone, locale())) : "")}</Words>
            </small>
          </span>
        </span>
        <span class={s["worth"]}>
          {r.worth_cents !== null && (
            <>
              <b>
                {r.worth_from === "median" && "≈ "}
                {money(r.worth_cents, locale())}
              </b>
              <small class="quiet">{r.worth_from && w[r.worth_from]}</small>
            </>
          )}
        </span>
      </Link>
      <span class={s["owner"]}>
        {r.owner ? (
          <>
            <Avatar name={r.owner.name} />
            <Words>{r.owner.id === me.user.id ? w.you : (r.owner.name ?? r.owner.id).split(" ")[0]}</Words>
          </>
        ) : (
          claim && <Button onClick={claim}>{w.claim}</Button>
        )}
      </span>
    </li>
  );
}

export default function Work() {
  const w = say(words);
  const me = useMe();
  const zone = useZone();
  const [, go] = useLocation();
  const [url, setUrl] = useUrl(fields);
  const counts = useCounts();
  const found = useQueue({
    ...(url.whose ? { whose: url.whose } : {}),
    ...(url.reason ? { reason: url.reason } : {}),
    ...(url.state ? { state: url.state } : {}),
    sort: url.sort === "stake" ? "-stake_cents" : "due_at",
  });
  const list = useRef<HTMLDivElement>(null);
  const follow = useRef<string | undefined>(undefined);
  const placesNow = useRef<Place[]>([]);
  const acting = useActing((id) => {
    const next = nextOf(
      placesNow.current.map((p) => p.id),
      id,
    );
    follow.current = next;
    if (url.at === id) setUrl({ at: next } as never);
  });
  const rows = new Map<string, Waiting>();
  for (const r of found.items) {
    const seen = acting.shown(r);
    if (seen) rows.set(r.id, seen);
  }
  const now = useTicking(found.items);
  const today = dayOf(now, zone);
  const opens = opensAt(now, zone, me.company?.hours);
  const flat = url.sort === "stake" || url.state !== undefined;

  // nobody changes places under the pointer or the focus
  const wanted: Place[] = flat ? [...rows.keys()].map((id) => ({ id, group: "now" as const })) : arrange([...rows.values()], now, zone);
  const asked = JSON.stringify([url.whose, url.reason, url.state, url.sort]);
  const kept = useRef<{ asked: string; places: Place[] }>({ asked: "", places: [] });
  const box = list.current;
  const held =
    kept.current.asked === asked &&
    kept.current.places.length > 0 &&
    box !== null &&
    (box.matches(":hover") || (box.contains(document.activeElement) && document.activeElement?.hasAttribute("data-row") === true));
  const still = held ? hold(kept.current.places, wanted) : { places: wanted, changed: false, fresh: 0 };
  if (!found.isPlaceholderData) kept.current = { asked, places: still.places };
  const { places } = still;
  placesNow.current = places;
  const [, redraw] = useState(0);

  const ids = places.map((p) => p.id);
  const chosen = url.at ? rows.get(url.at) : undefined;
  const far = useOne<Waiting>(
    "waiting",
    "/api/v1/queue/{waiting_id}" as never,
    { waiting_id: url.at ?? "" },
    Boolean(url.at) && !chosen && found.isSuccess,
  );
  const detail = chosen ?? (url.at && far.data && !far.data.closed_at ? acting.shown(far.data) : undefined);
  const [dialog, setDialog] = useState<{ kind: "snooze" | "shut"; r: Waiting }>();

  const late = counts.data?.late ?? 0;
  useEffect(() => {
    document.title = `${late > 0 ? w.lateTitle(late) : w.title} · Otto`;
  }, [late, w]);
  useEffect(() => {
    const id = follow.current;
    const to = id ? list.current?.querySelector<HTMLElement>(`[data-row="${id}"]`) : undefined;
    if (!to) return;
    to.focus();
    follow.current = undefined;
  });

  const select = (id: string | undefined) => {
    if (!id) return;
    setUrl({ at: id } as never);
    const row = list.current?.querySelector<HTMLElement>(`[data-row="${id}"]`);
    row?.focus();
    row?.scrollIntoView({ block: "nearest" });
  };
  const step = (by: number) => {
    const at = url.at ? ids.indexOf(url.at) : -1;
    select(at < 0 ? ids[by > 0 ? 0 : ids.length - 1] : ids[Math.max(0, Math.min(ids.length - 1, at + by))]);
  };
  const on =
    (act: (r: Waiting) => void, write = true) =>
    (e: KeyboardEvent) => {
      if (!detail || dialog || (write && !acting.may)) return;
      e.preventDefault();
      act(detail);
    };
  useKeys({
    j: () => !dialog && step(1),
    k: () => !dialog && step(-1),
    c: on(() => document.querySelector<HTMLAnchorElement>("[data-key=c]")?.click(), false),
    t: on((r) => !r.opted_out && go(textHref(r))),
    b: on((r) => go(bookHref(r, zone))),
    s: on((r) => setDialog({ kind: "snooze", r })),
    a: on((r) => (r.owner ? undefined : acting.claim(r))),
    e: on((r) => setDialog({ kind: "shut", r })),
    Enter: (e) => {
      const row = (e.target as HTMLElement).closest<HTMLElement>("[data-row]");
      if (!detail || dialog || (row === null && e.target !== document.body)) return;
      if (row && row.dataset["row"] !== detail.id) return; // the first Enter chooses, the second opens
      e.preventDefault();
      go(`/people/${detail.contact_card_id}`);
    },
    Escape: () => !dialog && url.at && setUrl({ at: undefined } as never),
  });

  const hrefOf = (id: string) => {
    const q = new URLSearchParams(location.search);
    q.set("at", id);
    return `/work?${q}`;
  };
  const filtered = Boolean(url.whose || url.reason);
  const absent = found.isError && found.error instanceof Problem && found.error.status === 404;
  const shown = (n: number | undefined) => (n === undefined ? "" : count(n));
  const row = (id: string) => {
    const r = rows.get(id);
    return (
      r && (
        <Row
          key={id}
          r={r}
          now={now}
          opens={opens}
          chosen={id === url.at}
          href={hrefOf(id)}
          claim={acting.may ? () => acting.claim(r) : undefined}
        />
      )
    );
  };
  return (
    <>
      <PageHead title={w.title}>
        <span class="soft">
          {sayDay(today, locale(), { weekday: "long", month: "long", day: "numeric" })} <span class="quiet">· {placeOf(zone)}</span>
        </span>
      </PageHead>
      <div class={s["page"]} data-peek={Boolean(detail)}>
        <div class={s["main"]}>
          <Figures today={today} counts={counts.data} />
          <div class={s["bar"]}>
            <h2>{url.state ? w.putOffTitle : w.waiting}</h2>
            {url.state ? (
              <Button look="plain" onClick={() => setUrl({ state: undefined } as never, "push")}>
                {w.backToQueue}
              </Button>
            ) : (
              <Segments
                label={w.whose}
                value={url.whose ?? "all"}
                options={[
                  { value: "all", label: w.all(shown(counts.data?.waiting)) },
                  { value: "me", label: w.mine(shown(counts.data?.mine)) },
                  { value: "nobody", label: w.nobodys },
                ]}
                onChange={(v) => setUrl({ whose: v === "all" ? undefined : v, at: undefined } as never, "push")}
              />
            )}
            <Select
              label={w.reason}
              value={url.reason ?? ""}
              options={[{ value: "", label: w.anyReason }, ...REASONS.map((r) => ({ value: r, label: w[r] }))]}
              onChange={(v) => setUrl({ reason: v } as never, "push")}
            />
            <span class={s["end"]}>
              {still.changed && (
                <Button
                  onClick={() => {
                    kept.current = { asked: "", places: [] };
                    redraw((n) => n + 1);
                  }}
                >
                  {w.fresh(still.fresh)}
                </Button>
              )}
              {!url.state && (counts.data?.snoozed ?? 0) > 0 && (
                <Button look="plain" onClick={() => setUrl({ state: "snoozed", at: undefined } as never, "push")}>
                  {w.putOff(counts.data!.snoozed)}
                </Button>
              )}
              {!url.state && (
                <Button
                  look="plain"
                  aria-pressed={url.sort === "stake"}
                  onClick={() => setUrl({ sort: url.sort ? undefined : "stake" } as never, "push")}
                >
                  {url.sort ? w.byClock : w.most}
                </Button>
              )}
            </span>
          </div>
          {absent ? (
            <Empty title={w.notYet} />
          ) : found.isError ? (
            <ProblemNote error={found.error} retry={() => void found.refetch()} />
          ) : found.isPending ? (
            <Skeleton rows={6} />
          ) : places.length === 0 ? (
            <div class={s["list"]}>
              <Empty title={filtered || url.state ? w.noFit : w.none}>
                {filtered && <Button onClick={() => setUrl({ whose: undefined, reason: undefined } as never, "push")}>{w.clear}</Button>}
              </Empty>
            </div>
          ) : (
            // biome-ignore lint/a11y/noStaticElementInteractions: only minds whether the pointer is over it
            <div ref={list} class={s["list"]} data-old={found.isPlaceholderData} onMouseLeave={() => redraw((n) => n + 1)}>
              {flat ? (
                <ul aria-label={url.state ? w.putOffTitle : w.waiting}>{places.map((p) => row(p.id))}</ul>
              ) : (
                GROUPS.map((g) => {
                  const here = places.filter((p) => p.group === g);
                  return here.length === 0 ? null : (
                    <section key={g} aria-labelledby={`group-${g}`}>
                      <h3 id={`group-${g}`} data-group={g}>
                        <b>{w[g]}</b> · {here.length}
                        {g === "later" && found.hasNextPage ? "+" : ""}
                      </h3>
                      <ul aria-labelledby={`group-${g}`}>{here.map((p) => row(p.id))}</ul>
                    </section>
                  );
                })
              )}
            </div>
          )}
          {found.hasNextPage && (
            <p class={s["more"]}>
              <Button disabled={found.isFetchingNextPage} onClick={() => void found.fetchNextPage()}>
                {w.more}
              </Button>
            </p>
          )}
          {!absent && <WonBack today={today} />}
        </div>
        {detail && (
          <Peek
            key={detail.id}
            r={detail}
            acting={acting}
            place={ids.includes(detail.id) ? `${ids.indexOf(detail.id) + 1} / ${ids.length}` : ""}
            onClose={() => setUrl({ at: undefined } as never)}
            onSnooze={() => setDialog({ kind: "snooze", r: detail })}
            onShut={() => setDialog({ kind: "shut", r: detail })}
          />
        )}
      </div>
      {dialog?.kind === "snooze" && <SnoozeDialog r={dialog.r} acting={acting} onClose={() => setDialog(undefined)} />}
      {dialog?.kind === "shut" && <ShutDialog r={dialog.r} acting={acting} onClose={() => setDialog(undefined)} />}
    </>
  );
}
