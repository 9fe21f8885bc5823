import { useCallback, useMemo, useRef, useState } from "preact/hooks";
import { Link } from "wouter";
import type { Schemas } from "../../api/client";
import { locale, say } from "../../i18n";
import { lineAt } from "../../lib/lines";
import { shown } from "../../lib/text";
import { duration, when } from "../../lib/time";
import { useZone } from "../../me";
import { Icon, ProblemNote, Skeleton, Words } from "../../ui";
import { Player, type PlayerHandle, useLines } from "../../ui/player";
import { Transcript } from "../../ui/transcript";
import { WordTag } from "../../ui/words";
import s from "./people.module.css";
import { words } from "./words";

type CallDetail = Schemas["CallDetail"];

/** An objection in whatever of its words Shunya gave. */
function objectionOf(o: unknown): string {
  if (typeof o === "string") return o;
  const said = (o ?? {}) as Record<string, unknown>;
  for (const k of ["category_text", "category", "objection_text", "objection", "text", "type"])
    if (typeof said[k] === "string" && said[k]) return String(said[k]).replaceAll("_", " ");
  return "";
}

function Meaning({ call }: { call: CallDetail }) {
  const w = say(words);
  const a = call.analysis;
  if (!a)
    return (
      <p class="quiet">
        <Words>{call.analysis_state.why}</Words> <Words>{call.analysis_state.cure}</Words>
      </p>
    );
  const objections = a.objections.map(objectionOf).filter(Boolean);
  const was = (field: string) => {
    const v = (a.machine_value as Record<string, unknown>)[field];
    return typeof v === "string" ? <del>{shown(v).replaceAll("_", " ")}</del> : null;
  };
  return (
    <>
      {a.summary && (
        <p>
          <Words>{a.summary}</Words>
        </p>
      )}
      <dl class={s["wide"]}>
        <dt>{w.outcome}</dt>
        <dd>
          {a.booking_status ? <WordTag word={a.booking_status} names={w} /> : "–"} {was("booking_status")}
        </dd>
        <dt>{w.quality}</dt>
        <dd>
          {a.lead_quality ? <WordTag word={a.lead_quality} names={w} /> : "–"} {was("lead_quality")}
        </dd>
        {objections.length > 0 && (
          <>
            <dt>{w.objections}</dt>
            <dd>
              <Words>{objections.join(", ")}</Words>
            </dd>
          </>
        )}
        {a.sop_compliance_score !== null && (
          <>
            <dt>{w.script}</dt>
            <dd class="num">{w.of10(new Intl.NumberFormat(locale(), { maximumFractionDigits: 1 }).format(a.sop_compliance_score))}</dd>
          </>
        )}
      </dl>
    </>
  );
}

/** The sound, and what was said, which follows it. */
function Heard({ call, at, rest }: { call: CallDetail; at: number | undefined; rest: (t: number) => void }) {
  const w = say(words);
  const inbound = call.direction !== "outbound";
  const { told, lines } = useLines(call.call_id, inbound, call.duration, call.has_transcript);
  const [current, setCurrent] = useState(-1);
  const [playing, setPlaying] = useState(false);
  const handle = useRef<PlayerHandle | null>(null);
  const names = useMemo(
    () => ({ customer: call.contact?.first_name || undefined, agent: call.owner?.name?.split(" ")[0] || undefined }),
    [call.contact, call.owner],
  );
  const onTime = useCallback(
    (t: number, sounds: boolean) => {
      setCurrent(lineAt(lines, t));
      setPlaying(sounds);
    },
    [lines],
  );
  const play = useCallback((t: number) => handle.current?.seek(t, true), []);
  const first = current < 0 && at !== undefined ? lineAt(lines, at) : current;
  return (
    <>
      {call.recording_url !== null ? (
        <div class={s["sound"]}>
          <Player
            callId={call.call_id}
            t={at}
            onTime={onTime}
            onRest={rest}
            names={names}
            inbound={inbound}
            lasts={call.duration}
            handle={handle}
            lazy
          />
        </div>
      ) : (
        <p class="quiet">{w.noRecording}</p>
      )}
      {told.data && (
        <div class={s["transcript"]}>
          <Transcript lines={lines} text={told.data.transcript_text} names={names} current={first} follow={playing} play={play} />
        </div>
      )}
    </>
  );
}

/** The chosen call beside the timeline. */
export function Side({
  call,
  error,
  retry,
  at,
  rest,
  close,
}: {
  call: CallDetail | undefined;
  error: unknown;
  retry: () => void;
  at: number | undefined;
  /** Where the sound came to rest. */
  rest: (t: number) => void;
  close: string;
}) {
  const w = say(words);
  const zone = useZone();
  if (error) return <ProblemNote error={error} retry={retry} />;
  if (!call) return <Skeleton rows={5} />;
  return (
    <>
      <div class={s["line"]}>
        <h2>{w.call(when(call.started_at, zone, locale()))}</h2>
        <small class="quiet">
          {call.duration !== null && `${duration(call.duration)} · `}
          <Link class="link" href={`/calls/${call.call_id}${at === undefined ? "" : `?t=${at}`}`}>
            {w.open}
          </Link>
        </small>
        <Link class={s["closeSide"] ?? ""} href={close} aria-label={w.close}>
          <Icon name="close" />
        </Link>
      </div>
      {call.owner && (
        <p class="soft">
          {w.takenBy} <Words>{call.owner.name ?? call.owner.id}</Words>
        </p>
      )}
      <Heard key={call.call_id} call={call} at={at} rest={rest} />
      <h2 class={s["second"]}>{w.meaning}</h2>
      <Meaning call={call} />
      {call.note && (
        <>
          <h2 class={s["second"]}>{w.note}</h2>
          <p>
            <Words>{call.note}</Words>
          </p>
        </>
      )}
    </>
  );
}
