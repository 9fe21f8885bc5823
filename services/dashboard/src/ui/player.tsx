import { useQuery } from "@tanstack/react-query";
import { memo } from "preact/compat";
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { api, of } from "../api/client";
import { define, say } from "../i18n";
import { type Line, lengthOf, lineAt, readLines } from "../lib/lines";
import { duration, now } from "../lib/time";
import { cx, Icon, ProblemNote, type Tone } from ".";
import { useKeys } from "./keys";
import s from "./player.module.css";

const words = define({
  en: {
    recording: "Recording",
    play: "Play",
    pause: "Pause",
    where: "Where in the call",
    position: (at: string, of: string, who: string) => `${at} of ${of}${who ? `, ${who}` : ""}`,
    speed: "Speed",
    us: "We",
    customer: "Customer",
    keys: "Space plays, ← → go 5 s, [ ] change the speed, N goes to the next mark",
    broken: "This recording cannot be played here.",
    download: "Get it as a file",
  },
  es: {
    recording: "Grabación",
    play: "Reproducir",
    pause: "Pausa",
    where: "En qué punto de la llamada",
    position: (at: string, of: string, who: string) => `${at} de ${of}${who ? `, ${who}` : ""}`,
    speed: "Velocidad",
    us: "Nosotros",
    customer: "Cliente",
    keys: "Espacio reproduce, ← → van 5 s, [ ] cambian la velocidad, N va a la marca siguiente",
    broken: "Esta grabación no se puede reproducir aquí.",
    download: "Descargar el archivo",
  },
});

export interface Names {
  agent?: string | undefined;
  customer?: string | undefined;
}
/** Where a fact is. */
export interface Mark {
  at: number;
  label: string;
  tone?: Tone;
}
export interface PlayerHandle {
  seek(t: number, play?: boolean): void;
}

interface Link {
  url: string;
  expires_at: string;
  duration: number | null;
}
interface Told {
  transcript_text: string;
  speaker_labels: unknown;
  language: string | null;
}

const RATES = [0.75, 1, 1.25, 1.5, 1.75, 2];
const STEP_S = 5;
const PAGE_S = 30;
/** The link is renewed so long before it ends. */
const EARLY_MS = 60_000;
const SNAP_PX = 7;
const REST_MS = 400;

/** A call's transcript; it does not change with each thing that happens to a call. */
export function useTranscript(callId: string | number, wanted = true) {
  return useQuery({
    queryKey: ["transcript", String(callId)],
    enabled: wanted,
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async ({ signal }) =>
      (
        (await of((api.GET as any)("/api/v1/calls/{call_id}/transcript", { params: { path: { call_id: callId } }, signal }))) as {
          data: Told;
        }
      ).data,
  });
}

/** The lines of a call, for its player and for its transcript. */
export function useLines(callId: string | number, inbound = true, lasts: number | null = null, wanted = true) {
  const told = useTranscript(callId, wanted);
  const lines = useMemo(() => readLines(told.data?.speaker_labels, inbound, lasts), [told.data, inbound, lasts]);
  return { told, lines };
}

/** Links are used by their path: the host in front of us is the one that the page came from. */
function pathOf(link: Link | undefined): string {
  if (!link) return "";
  const url = new URL(link.url, location.origin);
  return url.pathname + url.search;
}

function useLink(callId: string | number, wanted: boolean) {
  const link = useQuery({
    queryKey: ["recording", String(callId)],
    enabled: wanted,
    staleTime: 10 * 60_000,
    queryFn: async ({ signal }) =>
      (
        (await of(
          (api.GET as any)("/api/v1/calls/{call_id}/recording", {
            params: { path: { call_id: callId } },
            headers: { Accept: "application/json" },
            signal,
          }),
        )) as { data: Link }
      ).data,
  });
  const until = link.data ? Date.parse(link.data.expires_at) : 0;
  const { refetch } = link;
  useEffect(() => {
    if (!until) return;
    const timer = setTimeout(() => void refetch(), Math.max(1000, until - now() - EARLY_MS));
    return () => clearTimeout(timer);
  }, [until, refetch]);
  return link;
}

const Lanes = memo(function Lanes({ lines, marks, total }: { lines: readonly Line[]; marks: readonly Mark[]; total: number }) {
  const part = (t: number) => `${Math.min(100, (100 * t) / (total || 1)).toFixed(3)}%`;
  return (
    <>
      <line class={s["base"]} x1="0" x2="100%" y1="16" y2="16" />
      <line class={s["base"]} x1="0" x2="100%" y1="33" y2="33" />
      {lines.map((l) =>
        l.start === null || l.end === null || l.start >= total ? null : (
          <rect
            key={l.n}
            class={s[l.side]}
            x={part(l.start)}
            width={part(Math.max(Math.min(l.end, total) - l.start, total / 400))}
            y={l.side === "agent" ? 10 : 27}
            height="12"
            rx="2"
          />
        ),
      )}
      {marks.map((m) => (
        <svg key={`${m.at} ${m.label}`} x={part(m.at)} overflow="visible" aria-hidden="true">
          <path class={s["mark"]} data-tone={m.tone} d="M-4.5 0h9l-4.500 7z" />
        </svg>
      ))}
    </>
  );
});

let sounding: HTMLAudioElement | undefined;

function rateKept(): number {
  const kept = Number(localStorage.getItem("otto-speed"));
  return RATES.includes(kept) ? kept : 1;
}

/** Whether all of it has been fetched: then no link is needed any more. */
function isWhole(a: HTMLAudioElement): boolean {
  return a.buffered.length === 1 && a.buffered.start(0) <= 0.5 && a.buffered.end(0) >= a.duration - 0.5;
}

/** Sound over lanes of who spoke when. `t`: the second to stand at; `lazy`: the link is asked for when somebody is about to play. */
export function Player({
  callId,
  t,
  onTime,
  onRest,
  marks = [],
  names = {},
  inbound = true,
  lasts = null,
  handle,
  keys = true,
  lazy = false,
}: {
  callId: string | number;
  t?: number | undefined;
  /** While it plays, and at each jump. */
  onTime?: ((t: number, playing: boolean) => void) | undefined;
  /** Where it came to rest: paused, or after a jump. */
  onRest?: ((t: number) => void) | undefined;
  marks?: readonly Mark[];
  names?: Names;
  inbound?: boolean;
  lasts?: number | null;
  handle?: { current: PlayerHandle | null };
  keys?: boolean;
  lazy?: boolean;
}) {
  const w = say(words);
  const audio = useRef<HTMLAudioElement>(null);
  const [wanted, setWanted] = useState(!lazy);
  const link = useLink(callId, wanted);
  const { lines } = useLines(callId, inbound, lasts);
  const [at, setAt] = useState(t ?? 0);
  const [playing, setPlaying] = useState(false);
  const [rate, setRate] = useState(rateKept);
  const [sound, setSound] = useState<number>();
  const [broken, setBroken] = useState(false);
  const src = useRef("");
  const srcUntil = useRef(0);
  const due = useRef<{ at: number; play: boolean } | undefined>(t ? { at: t, play: false } : undefined);
  const mended = useRef(0);
  const total = Math.max(sound ?? link.data?.duration ?? lasts ?? 0, lengthOf(lines), 1);
  const path = pathOf(link.data);

  /** The same second goes on from another link. */
  const load = useCallback((next: string) => {
    const a = audio.current;
    if (!a) return;
    const resume = due.current ?? (src.current ? { at: a.currentTime, play: !a.paused } : undefined);
    src.current = next;
    a.src = next;
    a.defaultPlaybackRate = rateKept();
    a.playbackRate = rateKept();
    if (resume) a.currentTime = resume.at;
    if (resume?.play) void a.play().catch(() => {});
    due.current = undefined;
  }, []);
  const until = link.data?.expires_at;
  useEffect(() => {
    if (!path || path === src.current) return;
    const lasts = srcUntil.current - now() > EARLY_MS + 5_000;
    if (src.current && (lasts || (audio.current && isWhole(audio.current)))) return;
    srcUntil.current = Date.parse(until ?? "") || 0;
    load(path);
  }, [path, until, load]);
  useEffect(() => () => audio.current?.pause(), []);

  const told = useRef<number | undefined>(t);
  const resting = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => () => clearTimeout(resting.current), []);
  /** Said once it stands still: a drag over the lanes is one place. */
  const rest = useCallback(
    (where: number) => {
      clearTimeout(resting.current);
      resting.current = setTimeout(() => {
        told.current = Math.floor(where);
        onRest?.(told.current);
      }, REST_MS);
    },
    [onRest],
  );
  const seek = useCallback(
    (to: number, play?: boolean) => {
      const a = audio.current;
      const next = Math.max(0, Math.min(to, total));
      setAt(next);
      if (a && src.current) {
        a.currentTime = Number.isFinite(a.duration) ? Math.min(next, a.duration) : next;
        if (play) void a.play().catch(() => {});
      } else {
        due.current = { at: next, play: play ?? due.current?.play ?? false };
        if (play) setWanted(true);
      }
      onTime?.(next, play ?? !(a?.paused ?? true));
      rest(next);
    },
    [total, onTime, rest],
  );
  const toggle = () => {
    const a = audio.current;
    if (a && src.current) {
      if (a.paused) void a.play().catch(() => {});
      else a.pause();
    } else {
      due.current = { at, play: true };
      setWanted(true);
    }
  };
  useEffect(() => {
    if (handle) handle.current = { seek };
  }, [handle, seek]);
  const shownAt = useRef(at);
  shownAt.current = at;
  // only another second in the address moves it
  useEffect(() => {
    if (t !== undefined && t !== told.current) seek(t);
  }, [t]);

  const faster = (by: number) => {
    const next = RATES[Math.max(0, Math.min(RATES.length - 1, RATES.indexOf(rate) + by))] ?? 1;
    speedTo(next);
  };
  const speedTo = (next: number) => {
    localStorage.setItem("otto-speed", String(next));
    setRate(next);
    if (audio.current) {
      audio.current.defaultPlaybackRate = next;
      audio.current.playbackRate = next;
    }
  };
  const nextMark = () => {
    const sorted = [...marks].sort((a, b) => a.at - b.at);
    const next = sorted.find((m) => m.at > at + 0.5) ?? sorted[0];
    if (next) seek(next.at);
  };
  const global = (act: () => void) => (e: KeyboardEvent) => {
    if (document.querySelector("dialog[open]")) return;
    if (e.key === " " && (e.target as HTMLElement | null)?.closest("button, summary, a[href]")) return;
    e.preventDefault();
    act();
  };
  useKeys(
    keys
      ? {
          " ": global(toggle),
          ArrowLeft: global(() => seek(at - STEP_S)),
          ArrowRight: global(() => seek(at + STEP_S)),
          "[": global(() => faster(-1)),
          "]": global(() => faster(1)),
          n: global(nextMark),
          N: global(nextMark),
        }
      : {},
  );

  const jumps: Record<string, () => number> = {
    ArrowLeft: () => at - STEP_S,
    ArrowDown: () => at - STEP_S,
    ArrowRight: () => at + STEP_S,
    ArrowUp: () => at + STEP_S,
    PageDown: () => at - PAGE_S,
    PageUp: () => at + PAGE_S,
    Home: () => 0,
    End: () => total,
  };
  const lane = useRef<HTMLDivElement>(null);
  const point = (e: PointerEvent) => {
    const box = lane.current!.getBoundingClientRect();
    const to = (total * (e.clientX - box.left)) / (box.width || 1);
    const near = marks.find((m) => Math.abs((m.at / total) * box.width - (e.clientX - box.left)) < SNAP_PX);
    seek(near ? near.at : to);
  };

  const line = lines[lineAt(lines, at)];
  const speaks =
    line && line.end !== null && at <= line.end + 1 ? line.who || (names[line.side] ?? (line.side === "agent" ? w.us : w.customer)) : "";
  if (link.isError) return <ProblemNote error={link.error} retry={() => void link.refetch()} />;
  const began = (playsNow: boolean) => {
    const a = audio.current!;
    if (playsNow) {
      if (sounding && sounding !== a) sounding.pause();
      sounding = a;
    }
    setPlaying(playsNow);
    onTime?.(a.currentTime, playsNow);
    if (!playsNow) rest(a.currentTime);
  };
  const failed = () => {
    if (!src.current) return;
    if (Date.now() - mended.current < 10_000) {
      setBroken(true);
      return;
    }
    mended.current = Date.now(); // a link that ended while the machine slept
    due.current = { at: shownAt.current, play: playing };
    void link.refetch().then((r) => {
      if (r.data) load(pathOf(r.data));
      else setBroken(true);
    });
  };
  return (
    <fieldset class={s["player"]} aria-label={w.recording} onPointerEnter={() => setWanted(true)} onFocusIn={() => setWanted(true)}>
      {/* biome-ignore lint/a11y/useMediaCaption: the transcript stands beside it */}
      <audio
        ref={audio}
        preload="metadata"
        onTimeUpdate={(e) => {
          const a = e.currentTarget;
          if (a.seeking || due.current) return;
          setAt(a.currentTime);
          if (!a.paused) onTime?.(a.currentTime, true);
        }}
        onDurationChange={(e) => Number.isFinite(e.currentTarget.duration) && setSound(e.currentTarget.duration)}
        onPlay={() => began(true)}
        onPause={() => began(false)}
        onError={failed}
      />
      <button
        type="button"
        class={s["play"]}
        aria-label={playing ? w.pause : w.play}
        aria-keyshortcuts="Space"
        onClick={toggle}
        title={w.keys}
      >
        <Icon name={playing ? "pause" : "play"} />
      </button>
      <div
        ref={lane}
        class={s["slider"]}
        role="slider"
        tabIndex={0}
        aria-label={w.where}
        aria-valuemin={0}
        aria-valuemax={Math.round(total)}
        aria-valuenow={Math.round(at)}
        aria-valuetext={w.position(duration(at), duration(total), speaks)}
        onKeyDown={(e) => {
          const jump = jumps[e.key];
          if (!jump || e.metaKey || e.ctrlKey || e.altKey) return;
          e.preventDefault();
          seek(jump());
        }}
        onPointerDown={(e) => {
          if (e.button !== 0) return;
          lane.current!.setPointerCapture(e.pointerId);
          point(e);
        }}
        onPointerMove={(e) => lane.current!.hasPointerCapture(e.pointerId) && point(e)}
      >
        <svg class={s["lanes"]} aria-hidden="true">
          <Lanes lines={lines} marks={marks} total={total} />
          <line class={s["at"]} x1={`${(100 * at) / total}%`} x2={`${(100 * at) / total}%`} y1="3" y2="43" />
        </svg>
      </div>
      <div class={s["controls"]}>
        <span class={s["clock"]}>
          <b>{duration(at)}</b> / {duration(total)}
        </span>
        {lines.length > 0 && (
          <span class={s["legend"]}>
            <i class={s["agent"]} />
            <bdi>{names.agent ?? w.us}</bdi>
            <i class={s["customer"]} />
            <bdi>{names.customer ?? w.customer}</bdi>
          </span>
        )}
        {broken && (
          <span class={s["broken"]} role="alert">
            {w.broken}{" "}
            <a class="link" href={path} download>
              {w.download}
            </a>
          </span>
        )}
        <select class={cx(s["speed"])} aria-label={w.speed} value={String(rate)} onChange={(e) => speedTo(Number(e.currentTarget.value))}>
          {RATES.map((r) => (
            <option key={r} value={String(r)}>
              {r}×
            </option>
          ))}
        </select>
      </div>
    </fieldset>
  );
}
