import { shown } from "./text";

// What was said, by whom and when, out of a transcript's labels: whatever of them is missing, overlaps or runs backwards.

export type Side = "customer" | "agent";
export interface Line {
  /** Its place in the transcript. */
  n: number;
  side: Side;
  /** A name, or empty where the label only says which side it is. */
  who: string;
  text: string;
  /** Seconds; null: nobody knows. */
  start: number | null;
  end: number | null;
}

const CUSTOMER = /customer|caller|client|home.?owner|prospect|contact|patient|guest/i;
const AGENT = /csr|agent|rep\b|represent|operator|staff|employee|assistant|office|company|reception|dispatch|sales|bot\b|^we$/i;
const BARE =
  /^(csr|agent|customer|caller|client|rep|customer_?rep|representative|assistant|speaker[ _-]?\w{1,2}|spk[ _-]?\w{1,2}|[a-z]|\d{1,2}|unknown|\?)$/i;
/** Nobody speaks faster in a transcript without ends. */
const WORDS_A_SECOND = 2.7;

function number(v: unknown): number | null {
  const n = typeof v === "number" ? v : typeof v === "string" && /^\s*\d+(\.\d+)?\s*$/.test(v) ? Number(v) : Number.NaN;
  if (Number.isFinite(n)) return n >= 0 ? n : null;
  const clock = typeof v === "string" ? /^(?:(\d{1,2}):)?(\d{1,2}):(\d{2}(?:\.\d+)?)$/.exec(v.trim()) : null;
  return clock ? Number(clock[1] ?? 0) * 3600 + Number(clock[2]) * 60 + Number(clock[3]) : null;
}

function field(o: Record<string, unknown>, ...names: string[]): unknown {
  for (const name of names) if (o[name] !== undefined && o[name] !== null) return o[name];
  return undefined;
}

function text(v: unknown): string {
  return typeof v === "string" ? shown(v).trim() : typeof v === "number" ? String(v) : "";
}

/** Which side each speaker is on; of those that no word tells, the first to speak is who took the call. */
function sides(speakers: string[], inbound: boolean): (speaker: string) => Side {
  const known = new Map<string, Side>();
  for (const s of speakers)
    if (AGENT.test(s)) known.set(s, "agent");
    else if (CUSTOMER.test(s)) known.set(s, "customer");
  let next: Side = known.size > 0 ? ([...known.values()].includes("agent") ? "customer" : "agent") : inbound ? "agent" : "customer";
  for (const s of speakers)
    if (!known.has(s)) {
      known.set(s, next);
      if ([...known.values()].includes("agent")) next = "customer";
      else next = "agent";
    }
  return (s) => known.get(s) ?? "agent";
}

/** Labels as lines, in the order in which they were spoken; those without a time stay behind the one before them. */
export function readLines(labels: unknown, inbound = true, lasts: number | null = null): Line[] {
  if (!Array.isArray(labels)) return [];
  const raw = labels.flatMap((l: unknown) => {
    const o = (typeof l === "object" && l !== null ? l : { text: l }) as Record<string, unknown>;
    const words = text(field(o, "text", "transcript", "words", "content", "utterance"));
    if (!words) return [];
    const ms = field(o, "start_ms", "begin_ms");
    const scale = ms === undefined ? 1 : 1000;
    const start = number(field(o, "start_time", "start", "start_s", "begin", "from", "timestamp", "start_ms", "begin_ms"));
    const end = number(field(o, "end_time", "end", "end_s", "until", "to", "end_ms"));
    const speaker = text(field(o, "speaker", "speaker_label", "speaker_name", "speaker_id", "role", "name", "label"));
    return [{ speaker, words, start: start === null ? null : start / scale, end: end === null ? null : end / scale }];
  });
  // Thousandths, if nothing else makes the last of them fall into the call.
  const last = Math.max(0, ...raw.map((r) => r.start ?? 0));
  const scale = lasts && lasts > 0 && last > lasts * 50 ? 1000 : 1;
  const side = sides([...new Set(raw.map((r) => r.speaker))], inbound);
  let before = 0;
  const timed = raw.map((r, n) => {
    const start = r.start === null ? null : r.start / scale;
    before = start ?? before;
    return { ...r, n, start, end: r.end === null ? null : r.end / scale, order: before };
  });
  timed.sort((a, b) => a.order - b.order || a.n - b.n);
  return timed.map((r, n) => {
    let m = n + 1;
    while (r.start !== null && m < timed.length && !((timed[m]!.start ?? -1) > r.start)) m += 1;
    const next = timed[m]?.start ?? null;
    const guess = r.start === null ? null : r.start + Math.max(0.8, r.words.split(/\s+/).length / WORDS_A_SECOND);
    const end = r.start === null ? null : r.end !== null && r.end > r.start ? r.end : Math.min(guess!, next ?? guess!);
    return { n, side: side(r.speaker), who: BARE.test(r.speaker) ? "" : r.speaker, text: r.words, start: r.start, end };
  });
}

/** The line that is heard at a second: of those that have begun the one that began last; -1 before the first. */
export function lineAt(lines: readonly Line[], t: number): number {
  let found = -1;
  let began = -1;
  for (const l of lines)
    if (l.start !== null && l.start <= t + 0.05 && l.start >= began) {
      found = l.n;
      began = l.start;
    }
  return found;
}

/** Where the last word ends. */
export function lengthOf(lines: readonly Line[]): number {
  return lines.reduce((most, l) => Math.max(most, l.end ?? 0), 0);
}

const bare = (s: string) =>
  shown(s)
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim();

/** The second at which these words were said, if they were. */
export function momentOfWords(lines: readonly Line[], words: string | null | undefined): number | null {
  const wanted = bare(words ?? "");
  if (wanted.length < 4) return null;
  return lines.find((l) => l.start !== null && ` ${bare(l.text)} `.includes(` ${wanted} `))?.start ?? null;
}

/** Text cut where the sought words stand, by letters as they are shown: every second piece is a hit. */
export function cutAt(text: string, sought: string): string[] {
  const wanted = sought.trim();
  if (!wanted) return [text];
  const escaped = wanted.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return text.split(new RegExp(`(${escaped})`, "iu"));
}
