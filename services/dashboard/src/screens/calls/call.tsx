import { useCallback, useMemo, useRef, useState } from "preact/hooks";
import { Link, useLocation } from "wouter";
import type { Schemas } from "../../api/client";
import { queries, useOne } from "../../api/queries";
import { say } from "../../i18n";
import { safeHref } from "../../lib/href";
import { lineAt } from "../../lib/lines";
import { phone } from "../../lib/phone";
import { duration, when, whenInFull } from "../../lib/time";
import { seconds, useUrl } from "../../lib/url";
import { useZone } from "../../me";
import { Empty, ProblemNote, Skeleton, Words } from "../../ui";
import { useKeys } from "../../ui/keys";
import { PageHead } from "../../ui/page";
import { Player, type PlayerHandle, useLines } from "../../ui/player";
import { Transcript } from "../../ui/transcript";
import { WordTag } from "../../ui/words";
import s from "./calls.module.css";
import { Correct } from "./correct";
import { type Analysis, Meaning, marksOf } from "./meaning";
import { nameOf } from "./names";
import { words } from "./words";

type Detail = Schemas["CallDetail"] & { owner?: { id: string; name: string | null } | null };
const fields = { t: seconds() };

function Facts({ call }: { call: Detail }) {
  const w = say(words);
  const zone = useZone();
  const rows: [string, preact.ComponentChildren][] = [
    [
      w.customer,
      call.contact_card_id && (
        <Link href={`/people/${call.contact_card_id}`} class="link">
          <Words>{nameOf(call.contact) || phone(call.phone_number) || w.unknown}</Words>
        </Link>
      ),
    ],
    [
      w.number,
      call.phone_number && (
        <a class="link" href={safeHref(`tel:${call.phone_number}`) ?? ""}>
          <Words>{phone(call.phone_number)}</Words>
        </a>
      ),
    ],
    [call.direction === "outbound" ? w.calledFrom : w.tracking, <Words key="t">{phone(call.tracking_number)}</Words>],
    [
      w.began,
      call.started_at && (
        <time dateTime={call.started_at} title={whenInFull(call.started_at, zone)}>
          {when(call.started_at, zone)}
        </time>
      ),
    ],
    [w.duration, call.duration !== null && <span class="num">{duration(call.duration)}</span>],
    [w.owner, call.owner?.name && <Words>{call.owner.name}</Words>],
    [w.source, call.source && <Words>{call.source}</Words>],
    [w.campaign, call.campaign && <Words>{call.campaign}</Words>],
    [w.keywords, call.keywords && <Words>{call.keywords}</Words>],
    [w.tags, call.tags?.length > 0 && <Words>{call.tags.join(", ")}</Words>],
    [w.note, call.note && <Words>{call.note}</Words>],
    [w.firstCall, call.first_call !== null && (call.first_call ? w.yes : w.no)],
    [w.consent, call.consent_notice_played !== null && (call.consent_notice_played ? w.played : w.notPlayed)],
    [w.callNumber, <span key="n">{call.call_id}</span>],
  ];
  return (
    <aside class={s["side"]} aria-label={w.facts}>
      <h2>{w.facts}</h2>
      <dl>
        {rows
          .filter(([, value]) => value)
          .map(([name, value]) => (
            <div key={name} class={s["pair"]}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
      </dl>
    </aside>
  );
}

/** What there is to hear and read, as far as it is there. */
function Heard({ call }: { call: Detail }) {
  const w = say(words);
  const [{ t }, set] = useUrl(fields);
  const inbound = call.direction !== "outbound";
  const { told, lines } = useLines(call.call_id, inbound, call.duration, call.has_transcript);
  const full = useOne<Analysis>("call", "/api/v1/calls/{call_id}/analysis", { call_id: call.call_id }, Boolean(call.analysis));
  const analysis = call.analysis
    ? full.data && full.data.version >= call.analysis.version
      ? { ...full.data, ...call.analysis, raw: full.data.raw }
      : call.analysis
    : null;
  const [current, setCurrent] = useState(() => -1);
  const [playing, setPlaying] = useState(false);
  const [correcting, setCorrecting] = useState(false);
  const handle = useRef<PlayerHandle | null>(null);
  const marks = useMemo(() => marksOf(analysis, lines), [analysis, lines]);
  const names = useMemo(
    () => ({ customer: call.contact?.first_name || undefined, agent: call.owner?.name?.split(" ")[0] || undefined }),
    [call.contact, call.owner],
  );
  const heard = call.recording_url !== null;
  const onTime = useCallback(
    (at: number, sounds: boolean) => {
      setCurrent(lineAt(lines, at));
      setPlaying(sounds);
    },
    [lines],
  );
  const onRest = useCallback((at: number) => set({ t: Math.floor(at) || undefined } as never), [set]);
  const play = useCallback((at: number) => {
    handle.current?.seek(at, true);
  }, []);
  const done = useCallback(
    (a: Analysis) => {
      queries.setQueryData(["call", "one", "/api/v1/calls/{call_id}", { call_id: String(call.call_id) }], (was: Detail | undefined) =>
        was ? { ...was, booking_status: a.booking_status, analysis: a } : was,
      );
      void queries.invalidateQueries({ predicate: (q) => ["call", "figures"].includes(String(q.queryKey[0])) });
    },
    [call.call_id],
  );
  const first = current < 0 && t !== undefined ? lineAt(lines, t) : current;
  return (
    <>
      <div class={s["stage"]}>
        <div class={s["title"]}>
          <b>
            <Words>{(inbound ? w.theyCalled : w.weCalled)(nameOf(call.contact) || phone(call.phone_number) || w.unknown)}</Words>
          </b>
          <WordTag word={call.status} names={w} />
          <WordTag word={call.booking_status} names={w} />
        </div>
        {heard ? (
          <Player
            callId={call.call_id}
            t={t}
            onTime={onTime}
            onRest={onRest}
            marks={marks}
            names={names}
            inbound={inbound}
            lasts={call.duration}
            handle={handle}
          />
        ) : (
          <p class="soft">{w.noRecording}</p>
        )}
      </div>
      <div class={s["left"]}>
        <Meaning
          id={call.call_id}
          analysis={analysis}
          state={call.analysis_state}
          lines={lines}
          play={play}
          correct={() => setCorrecting(true)}
          done={done}
        />
      </div>
      <div class={s["right"]}>
        {told.isError ? (
          <ProblemNote error={told.error} retry={() => void told.refetch()} />
        ) : told.data ? (
          <Transcript lines={lines} text={told.data.transcript_text} names={names} current={first} follow={playing} play={play} />
        ) : call.has_transcript ? (
          <Skeleton />
        ) : (
          <section>
            <h2>{w.transcript}</h2>
            <p class="soft">{w.noTranscript}</p>
          </section>
        )}
      </div>
      <Correct id={call.call_id} analysis={analysis} open={correcting} close={() => setCorrecting(false)} done={done} />
    </>
  );
}

export default function Call({ params }: { params: { id: string } }) {
  const w = say(words);
  const zone = useZone();
  const [, go] = useLocation();
  const valid = /^[1-9]\d{0,15}$/.test(params.id);
  const call = useOne<Detail>("call", "/api/v1/calls/{call_id}", { call_id: params.id }, valid);
  useKeys({
    Escape: () => {
      if (!document.querySelector("dialog[open]")) (history.length > 1 ? () => history.back() : () => go("/calls"))();
    },
  });
  if (!valid) return <Empty title={w.noCall} />;
  if (call.isError && !call.data) return <ProblemNote error={call.error} retry={() => void call.refetch()} />;
  if (!call.data) return <Skeleton />;
  const name = nameOf(call.data.contact) || phone(call.data.phone_number) || w.unknown;
  return (
    <>
      <PageHead title={w.call} about={name}>
        <span class="quiet">{when(call.data.started_at, zone)}</span>
      </PageHead>
      <div class={s["page"]}>
        <Heard key={call.data.call_id} call={call.data} />
        <Facts call={call.data} />
      </div>
    </>
  );
}
