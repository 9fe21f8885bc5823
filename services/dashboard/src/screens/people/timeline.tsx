import { useLayoutEffect, useRef } from "preact/hooks";
import { Link } from "wouter";
import { locale, say } from "../../i18n";
import { addDays, dayOf, duration, now, sayDay, when, whenInFull } from "../../lib/time";
import { useZone } from "../../me";
import { Icon, type IconName, type Tone, Words } from "../../ui";
import { Bubble } from "../../ui/texting/bubble";
import { WordTag } from "../../ui/words";
import { ownerOf } from "./facts";
import { byDay, type Kind, type Moment } from "./moments";
import s from "./people.module.css";
import { said, words } from "./words";

function Clock({ at }: { at: number }) {
  const zone = useZone();
  return (
    <time dateTime={new Date(at).toISOString()} title={whenInFull(at, zone, locale())}>
      {new Intl.DateTimeFormat(locale(), { timeZone: zone, hour: "numeric", minute: "2-digit" }).format(at)}
    </time>
  );
}

function Entry({ icon, tone, children }: { icon: IconName; tone?: Tone; children: preact.ComponentChildren }) {
  return (
    <li class={s["entry"]}>
      <i data-tone={tone}>
        <Icon name={icon} size={14} />
      </i>
      {children}
    </li>
  );
}

function callTitle(call: { direction: string; status: string; duration: number | null; answered: boolean }, who: string): string {
  const w = say(words);
  const lasted = call.duration ? `, ${duration(call.duration)}` : "";
  if (call.status === "ringing") return w.ringing;
  if (call.status === "in_progress") return w.running;
  if (call.status === "failed") return w.failedCall;
  if (call.direction === "outbound") return call.answered ? w.callTo(who, lasted) : w.notReached(who);
  return call.status === "completed" ? w.callFrom(who, lasted) : w.missedCall;
}

function CallEntry({ m, who, to, chosen }: { m: Extract<Moment, { what: "call" }>; who: string; to: string; chosen: boolean }) {
  const w = say(words);
  const bad = m.call.status === "missed" || m.call.status === "failed";
  const label = callTitle(m.call, who);
  return (
    <Entry icon={bad ? "missed" : "call"} tone={bad ? "bad" : m.call.booking_status === "not_booked" ? "warn" : undefined}>
      <Link class={s["event"] ?? ""} href={to} aria-current={chosen ? "true" : undefined}>
        <div class={s["line"]}>
          <b>
            <Words>{label}</Words>
          </b>
          <WordTag word={m.call.booking_status} names={w} />
          <small class="quiet">
            <Clock at={m.at} />
          </small>
        </div>
        {m.call.note && (
          <p>
            <Words>{m.call.note}</Words>
          </p>
        )}
      </Link>
    </Entry>
  );
}

function VoicemailEntry({ m, to, chosen }: { m: Extract<Moment, { what: "voicemail" }>; to: string; chosen: boolean }) {
  const w = say(words);
  const v = m.voicemail;
  return (
    <Entry icon="voicemail" tone="plum">
      <Link class={s["event"] ?? ""} href={to} aria-current={chosen ? "true" : undefined}>
        <div class={s["line"]}>
          <b>{w.voicemail(v.duration ? `, ${duration(v.duration)}` : "")}</b>
          <WordTag word={m.call?.booking_status} names={w} />
          <small class="quiet">
            <Clock at={m.at} />
          </small>
        </div>
        <p>
          <Words>{v.summary || v.transcript || w.noWords}</Words>
        </p>
      </Link>
    </Entry>
  );
}

function Line({ m }: { m: Moment }) {
  const w = say(words);
  const zone = useZone();
  const t = (x: string | null) => when(x, zone, locale());
  const [icon, tone, text]: [IconName, Tone, string] =
    m.what === "booked"
      ? ["book", "good", m.visit.scheduled_start ? w.bookedFor(t(m.visit.scheduled_start)) : w.bookedNoTime]
      : m.what === "visit"
        ? ["calendar", m.visit.outcome === "won" ? "good" : undefined, ownerOf(m.visit) ? w.visitBy(ownerOf(m.visit)) : w.visitAt]
        : m.what === "task"
          ? ["tasks", undefined, w.taskMade(m.task.description)]
          : m.what === "taskDone"
            ? ["check", "good", w.taskDone(m.task.description)]
            : m.what === "lead"
              ? ["user", undefined, w.leadMade(m.lead.source ?? "")]
              : m.what === "leadClosed"
                ? ["work", m.lead.status === "closed_won" ? "good" : undefined, w.leadClosed(said(w, m.lead.status))]
                : m.what === "optOut"
                  ? ["text", "bad", w.optedOut(said(w, `how_${m.optOut.source}`))]
                  : ["text", undefined, w.optedIn];
  const state = m.what === "visit" ? (m.visit.outcome === "pending" ? m.visit.status : m.visit.outcome) : undefined;
  return (
    <Entry icon={icon} tone={tone}>
      <p>
        <Words>{text}</Words> <WordTag word={state} names={w} /> <Clock at={m.at} />
      </p>
    </Entry>
  );
}

function Day({ day }: { day: string }) {
  const w = say(words);
  const zone = useZone();
  const today = dayOf(now(), zone);
  const full = sayDay(day, locale(), {
    weekday: "long",
    month: "long",
    day: "numeric",
    ...(day.slice(0, 4) === today.slice(0, 4) ? {} : { year: "numeric" }),
  });
  return <h2 class={s["day"]}>{day === today ? w.today : day === addDays(today, -1) ? w.yesterday : full}</h2>;
}

/** So near to the end that what is new may move the view. */
const NEAR_PX = 80;

export function Timeline({
  moments,
  kind,
  who,
  chosen,
  hrefOf,
  capped,
}: {
  moments: readonly Moment[];
  kind: Kind | undefined;
  who: string;
  chosen: number | undefined;
  hrefOf: (call: number) => string;
  capped: boolean;
}) {
  const w = say(words);
  const zone = useZone();
  const box = useRef<HTMLElement>(null);
  const atEnd = useRef(true);
  const shown = kind ? moments.filter((m) => m.kind === kind) : moments;
  const last = shown.at(-1)?.key;
  // only what is new at the end moves the view
  useLayoutEffect(() => {
    const b = box.current;
    if (!b) return;
    const toEnd = () => {
      if (atEnd.current) b.scrollTop = b.scrollHeight;
    };
    toEnd();
    // pictures come late
    const watch = new ResizeObserver(toEnd);
    for (const child of b.children) watch.observe(child);
    return () => watch.disconnect();
  }, [last, kind, shown.length]);
  return (
    <section
      ref={box}
      class={s["flow"]}
      aria-label={w.timeline}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: who has no mouse scrolls it
      tabIndex={0}
      onScroll={(e) => {
        const b = e.currentTarget;
        atEnd.current = b.scrollHeight - b.scrollTop - b.clientHeight < NEAR_PX;
      }}
    >
      {shown.length === 0 && <p class={s["nothing"]}>{kind ? w.nothingOfKind : w.nothing}</p>}
      {capped && shown.length > 0 && <p class={s["nothing"]}>{w.capped}</p>}
      {byDay(shown, zone).map(({ day, moments: of }) => (
        <div key={day} class={s["dayOf"]}>
          <Day day={day} />
          <ol>
            {of.map((m) =>
              m.what === "text" ? (
                <li key={m.key} class={s["said"]} data-ours={m.text.direction === "outbound"}>
                  {m.text.direction === "inbound" && (
                    <i>
                      <Icon name="text" size={14} />
                    </i>
                  )}
                  <Bubble message={m.text} />
                </li>
              ) : m.what === "call" ? (
                <CallEntry key={m.key} m={m} who={who} to={hrefOf(m.call.call_id)} chosen={chosen === m.call.call_id} />
              ) : m.what === "voicemail" ? (
                <VoicemailEntry key={m.key} m={m} to={hrefOf(m.voicemail.call_id)} chosen={chosen === m.voicemail.call_id} />
              ) : (
                <Line key={m.key} m={m} />
              ),
            )}
          </ol>
        </div>
      ))}
    </section>
  );
}
