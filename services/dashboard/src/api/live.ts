import { useSyncExternalStore } from "preact/compat";
import { session } from "../auth/session";
import { serverSays } from "../lib/time";
import { frames } from "./frames";
import { queries } from "./queries";

// One stream a browser: the tab that holds a Web Lock reads it and tells the others. A frame never becomes a row: what is on
// screen and concerned is asked for anew, at most once a second.

export type Live = "starting" | "live" | "reconnecting" | "polling";

interface Change {
  kind: string;
  id: string;
  version?: number;
  op?: string;
  contact_card_id?: string;
  lead_id?: string;
  call_id?: string;
}
type Told = { type: "change"; change: Change } | { type: "reset" } | { type: "state"; state: Live; since: number };

/** Which questions a change makes old: the first word of their keys. */
const CONCERNS: Record<string, string[]> = {
  call: ["call", "contact", "figures", "counts"],
  recording: ["call", "recording"],
  transcript: ["call", "transcript"],
  analysis: ["call", "contact", "lead", "figures", "counts"],
  lead: ["lead", "contact", "waiting", "figures"],
  contact: ["contact", "call"],
  message: ["message", "contact", "counts"],
  opt_out: ["opt_out", "contact"],
  voicemail: ["voicemail", "call", "contact"],
  appointment: ["appointment", "contact", "figures", "counts"],
  task: ["task", "contact", "counts"],
  waiting: ["waiting", "contact", "counts"],
  user: ["user", "me"],
  number: ["number"],
  company: ["company", "me"],
};
const SILENT_MS = 40_000;
const POLL_AFTER_MS = 120_000;
const POLL_MS = 30_000;
const SAY_AFTER_MS = 3_000;

let state: Live = "starting";
let lastFrame = Date.now();
const watchers = new Set<() => void>();
const channel = "BroadcastChannel" in globalThis ? new BroadcastChannel("otto-live") : undefined;
let pending = new Set<string>();
let lastFlush = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

function become(next: Live, tell = true): void {
  if (tell) channel?.postMessage({ type: "state", state: next, since: lastFrame } satisfies Told);
  if (state === next) return;
  state = next;
  for (const w of watchers) w();
}

function flush(): void {
  timer = undefined;
  lastFlush = Date.now();
  const kinds = pending;
  pending = new Set();
  void queries.invalidateQueries({ predicate: (q) => kinds.has("*") || kinds.has(String(q.queryKey[0])), refetchType: "active" });
}

/** The first at once, what follows within a second together. */
function old(kinds: Iterable<string>): void {
  for (const k of kinds) pending.add(k);
  if (timer === undefined) timer = setTimeout(flush, Math.max(30, lastFlush + 1000 - Date.now()));
}

function take(told: Told): void {
  if (told.type === "change") old(CONCERNS[told.change.kind] ?? [told.change.kind]);
  else if (told.type === "reset") old(["*"]);
  else {
    lastFrame = told.since;
    become(told.state, false);
  }
}

function tell(told: Told): void {
  channel?.postMessage(told);
  take(told);
}

let after = "";
let stop: AbortController | undefined;

async function readOnce(signal: AbortSignal): Promise<"again" | "none"> {
  const headers: Record<string, string> = { Authorization: `Bearer ${await session.token()}`, Accept: "text/event-stream" };
  if (after) headers["Last-Event-ID"] = after;
  const answer = await fetch("/api/v1/stream", { headers, signal });
  if (answer.status === 401) await session.token(true);
  if (answer.status === 404) return "none";
  if (!answer.ok || !answer.body) throw new Error(`the stream was answered ${answer.status}`);
  for await (const frame of frames(answer.body)) {
    lastFrame = Date.now();
    if (frame.id) after = frame.id;
    if (frame.event === "hello") {
      const hello = JSON.parse(frame.data) as { resumed?: boolean; now?: string };
      serverSays(hello.now);
      if (!hello.resumed) tell({ type: "reset" });
      become("live");
    } else if (frame.event === "change") tell({ type: "change", change: JSON.parse(frame.data) as Change });
    else if (frame.event === "reset") tell({ type: "reset" });
    else if (frame.event === "bye") return "again";
  }
  return "again";
}

async function lead(): Promise<void> {
  let failures = 0;
  let lost = 0;
  for (;;) {
    stop = new AbortController();
    const { signal } = stop;
    const watch = setInterval(() => {
      if (Date.now() - lastFrame > SILENT_MS) stop?.abort();
      if (lost && Date.now() - lost > SAY_AFTER_MS && state === "live") become("reconnecting");
    }, 1000);
    lastFrame = Date.now();
    try {
      const how = await readOnce(signal);
      if (how === "none") {
        become("polling");
        clearInterval(watch);
        await new Promise((r) => setTimeout(r, POLL_MS));
        tell({ type: "reset" });
        continue;
      }
      failures = 0;
      lost = 0;
    } catch {
      failures += 1;
      lost ||= Date.now();
      if (Date.now() - lost > SAY_AFTER_MS) become("reconnecting");
      if (Date.now() - lost > POLL_AFTER_MS) {
        become("polling");
        tell({ type: "reset" });
      }
    } finally {
      clearInterval(watch);
    }
    await new Promise((r) =>
      setTimeout(r, failures === 0 ? 50 : Math.min(POLL_MS, 500 * 2 ** Math.min(failures, 6)) * (0.75 + Math.random() / 2)),
    );
  }
}

/** Once, after the sign-in. */
export function startLive(): void {
  channel?.addEventListener("message", (m: MessageEvent<Told>) => take(m.data));
  for (const event of ["online", "focus"]) addEventListener(event, () => Date.now() - lastFrame > SILENT_MS / 2 && stop?.abort());
  document.addEventListener(
    "visibilitychange",
    () => document.visibilityState === "visible" && Date.now() - lastFrame > SILENT_MS && stop?.abort(),
  );
  const lockName = `otto-live-${session.person?.id ?? ""}-${session.company ?? ""}`;
  if (navigator.locks) void navigator.locks.request(lockName, () => lead());
  else void lead();
}

export function useLive(): { state: Live; since: number } {
  const seen = useSyncExternalStore(
    (f: () => void) => {
      watchers.add(f);
      return () => watchers.delete(f);
    },
    () => state,
  );
  return { state: seen, since: lastFrame };
}
