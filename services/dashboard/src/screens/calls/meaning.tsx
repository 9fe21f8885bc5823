import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { api, idempotencyKey, of, Problem, type Schemas } from "../../api/client";
import { usePeople } from "../../api/people";
import { queries } from "../../api/queries";
import { say } from "../../i18n";
import { type Line, momentOfWords } from "../../lib/lines";
import { duration, momentOf, when, whenInFull } from "../../lib/time";
import { useMe, useZone } from "../../me";
import { Button, cx, notice, ProblemNote, Words } from "../../ui";
import type { Mark } from "../../ui/player";
import { WordTag } from "../../ui/words";
import s from "./calls.module.css";
import type { Correctable } from "./correct";
import { words } from "./words";

export type Analysis = Schemas["Analysis"];
export type State = Schemas["AnalysisState"];
interface Evidence {
  field: string;
  start_s?: number | null;
  quote?: string | null;
  kind?: string;
  confidence?: number | null;
}
interface Objection {
  label?: string;
  objection_text?: string | null;
  overcome?: boolean | null;
  timestamp?: number;
  confidence_score?: number;
  response_suggestions?: unknown;
}
interface Moment {
  at: number;
  /** Shunya gave the second, or we found the words. */
  kind: "stated" | "found";
}

const texts = (v: unknown): string[] => (Array.isArray(v) ? v.filter((x): x is string => typeof x === "string" && x.trim() !== "") : []);
const text = (v: unknown): string => (typeof v === "string" ? v : "");
const share = (v: unknown): number | null => (typeof v === "number" && v >= 0 && v <= 1 ? v : null);
function at(o: unknown, ...path: string[]): unknown {
  let here: unknown = o;
  for (const name of path) here = typeof here === "object" && here !== null ? (here as Record<string, unknown>)[name] : undefined;
  return here;
}

export const objectionsOf = (a: Analysis | null | undefined): Objection[] =>
  (Array.isArray(a?.objections) ? a.objections : []).filter((o) => typeof o === "object" && o !== null) as Objection[];

function evidence(a: Analysis, field: string): Evidence | undefined {
  const all = (a as { evidence?: Evidence[] }).evidence;
  return Array.isArray(all) ? all.find((e) => e.field === field) : undefined;
}

function momentFor(a: Analysis, field: string, lines: readonly Line[], said: string): Moment | null {
  const told = evidence(a, field);
  if (typeof told?.start_s === "number") return { at: told.start_s, kind: told.kind === "found" ? "found" : "stated" };
  const found = momentOfWords(lines, told?.quote) ?? momentOfWords(lines, said);
  return found === null ? null : { at: found, kind: "found" };
}

function momentOfObjection(o: Objection, lines: readonly Line[]): Moment | null {
  if (typeof o.timestamp === "number" && o.timestamp >= 0) return { at: o.timestamp, kind: "stated" };
  const found = momentOfWords(lines, o.objection_text);
  return found === null ? null : { at: found, kind: "found" };
}

/** Where the facts are, for the lanes. */
export function marksOf(a: Analysis | null | undefined, lines: readonly Line[]): Mark[] {
  if (!a) return [];
  const marks: Mark[] = [];
  for (const o of objectionsOf(a)) {
    const m = momentOfObjection(o, lines);
    if (m) marks.push({ at: m.at, label: o.label ?? "", tone: o.overcome ? undefined : "warn" });
  }
  const outcome = momentFor(a, "booking_status", lines, "");
  if (outcome) marks.push({ at: outcome.at, label: "booking_status", tone: a.booking_status === "booked" ? "good" : "bad" });
  return marks.sort((x, y) => x.at - y.at);
}

function MomentLink({ moment, play }: { moment: Moment | null; play: (t: number) => void }) {
  const w = say(words);
  if (!moment) return <span class={s["nowhere"]}>{w.noMoment}</span>;
  return (
    <button
      type="button"
      class={cx(s["moment"], moment.kind === "found" && s["found"])}
      title={moment.kind === "found" ? w.found : w.stated}
      aria-label={w.playFrom(duration(moment.at))}
      onClick={() => play(moment.at)}
    >
      ▸ {duration(moment.at)}
    </button>
  );
}

function Fact({ name, children, aside }: { name: string; children: ComponentChildren; aside?: ComponentChildren }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
      <dd class={s["aside"]}>{aside}</dd>
    </>
  );
}

/** An appointment's words: of a local time without a zone the company's is meant. */
function sayTime(v: string, zone: string): string {
  const local = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}):(\d{2})(:\d{2}(\.\d+)?)?$/.exec(v);
  if (local) return whenInFull(momentOf(local[1]!, Number(local[2]) * 60 + Number(local[3]), zone), zone);
  return Number.isNaN(Date.parse(v)) ? v : whenInFull(v, zone);
}

export function useNames(): (field: string, value: string | null | undefined) => string {
  const w = say(words);
  const zone = useZone();
  return (field, value) => {
    if (value === null || value === undefined || value === "") return w.nothing;
    if (field === "appointment_date") return sayTime(value, zone);
    const said = (w as Record<string, unknown>)[value];
    return typeof said === "string" && /^[a-z_]+$/.test(value) && value.length > 3 ? said : value;
  };
}

/** A person's word before the machine's, by whom and when; who may can take it back. */
function Corrected({ a, field, done }: { a: Analysis; field: Correctable; done: (a: Analysis) => void }) {
  const w = say(words);
  const me = useMe();
  const zone = useZone();
  const name = useNames();
  const person = usePeople();
  const [taking, setTaking] = useState(false);
  const c = a.corrections?.find((x) => x.field === field) as
    | (NonNullable<Analysis["corrections"]>[number] & { reason?: string | null })
    | undefined;
  if (!c) return null;
  const takeBack = async () => {
    setTaking(true);
    try {
      const asked = (api as any).DELETE("/api/v1/calls/{call_id}/analysis/corrections/{field}", {
        params: { path: { call_id: a.call_id, field } },
        headers: { "Idempotency-Key": idempotencyKey() },
      });
      done(((await of(asked)) as { data: Analysis }).data);
      notice(w.takenBack);
    } catch (e) {
      notice(e instanceof Problem && [404, 405].includes(e.status) ? w.cannotTakeBack : e instanceof Error ? e.message : String(e));
    }
    setTaking(false);
  };
  return (
    <>
      {" "}
      <span class="sr">{w.was}</span>
      <del>
        <Words>{name(field, c.machine_value)}</Words>
      </del>
      <span class={s["by"]}>
        <Words>{w.by(person(c.user_id) ?? w.somebody, when(c.created_at, zone))}</Words>
        {c.reason && (
          <>
            : “<Words>{c.reason}</Words>”
          </>
        )}
        {me.user.role === "manager" && (
          <>
            {" "}
            <button type="button" class="link" disabled={taking} onClick={() => void takeBack()}>
              {w.takeBack}
            </button>
          </>
        )}
      </span>
    </>
  );
}

function Objections({ a, lines, play }: { a: Analysis; lines: readonly Line[]; play: (t: number) => void }) {
  const w = say(words);
  const all = objectionsOf(a);
  if (all.length === 0) return <Fact name={w.objections}>{w.noObjection}</Fact>;
  return (
    <>
      {all.map((o, i) => (
        <Fact key={i} name={i === 0 ? w.objections : ""} aside={<MomentLink moment={momentOfObjection(o, lines)} play={play} />}>
          <b>
            <Words>{o.label || w.other}</Words>
          </b>
          {typeof o.overcome === "boolean" && `, ${o.overcome ? w.overcome : w.notOvercome}`}
          <Sure v={o.confidence_score} />
          {o.objection_text && (
            <span class={s["quote"]}>
              “<Words>{o.objection_text}</Words>”
            </span>
          )}
        </Fact>
      ))}
    </>
  );
}

function Sure({ v }: { v: unknown }) {
  const w = say(words);
  const n = share(v);
  return n === null ? null : <span class={s["sure"]}> {w.sure(Math.round(n * 100))}</span>;
}

function Script({ a, raw }: { a: Analysis; raw: unknown }) {
  const w = say(words);
  const kept = texts(at(raw, "compliance", "stages_followed"));
  const missed = texts(at(raw, "compliance", "stages_missed"));
  const words_ = (list: string[]) => list.map((x) => x.replaceAll("_", " ")).join(", ");
  if (a.sop_compliance_score === null && kept.length + missed.length === 0) return null;
  return (
    <Fact
      name={w.script}
      aside={kept.length + missed.length > 0 && <span class={s["sure"]}>{w.stages(kept.length, kept.length + missed.length)}</span>}
    >
      {a.sop_compliance_score !== null && <b>{w.of10(String(Math.round(a.sop_compliance_score * 10) / 10))}</b>}
      <Sure v={at(raw, "compliance", "confidence_score")} />
      {kept.length > 0 && (
        <span class={s["quote"]}>
          {w.kept} <Words>{words_(kept)}</Words>
        </span>
      )}
      {missed.length > 0 && (
        <span class={s["quote"]}>
          {w.missedStages} <Words>{words_(missed)}</Words>
        </span>
      )}
    </Fact>
  );
}

function Analysed({
  a,
  lines,
  play,
  done,
}: {
  a: Analysis;
  lines: readonly Line[];
  play: (t: number) => void;
  done: (a: Analysis) => void;
}) {
  const w = say(words);
  const name = useNames();
  const raw = a.raw;
  const of = (field: Correctable) => a.corrections?.some((c) => c.field === field);
  const entity = (key: Correctable, ...more: string[]) =>
    text(a.entities?.[key]) || more.map((m) => text(a.entities?.[m])).find(Boolean) || "";
  const sure = at(raw, "qualification", "confidence_score");
  const appointment = entity("appointment_date");
  const address = entity("address");
  const service = entity("service_type", "service");
  const tries = [...texts(at(raw, "compliance", "recommendations")), ...objectionsOf(a).flatMap((o) => texts(o.response_suggestions))];
  const rows: { field: Correctable; name: string; value: string; said: string; tag?: boolean; sure?: unknown }[] = [
    { field: "booking_status", name: w.outcome, value: a.booking_status ?? "", said: "", tag: true, sure },
    { field: "lead_quality", name: w.quality, value: a.lead_quality ?? "", said: "", tag: true, sure },
    { field: "call_outcome_category", name: w.category, value: a.call_outcome_category ?? "", said: "" },
    { field: "appointment_date", name: w.appointment, value: appointment, said: "" },
    { field: "service_type", name: w.service, value: service, said: service },
    { field: "address", name: w.address, value: address, said: address },
  ];
  return (
    <>
      {(a.summary || of("summary")) && (
        <p class={s["summary"]}>
          <Words>{a.summary || w.nothing}</Words>
          <Corrected a={a} field="summary" done={done} />
        </p>
      )}
      <dl class={s["facts3"]}>
        {rows
          .filter((r) => r.value || of(r.field) || r.tag)
          .map((r) => (
            <Fact key={r.field} name={r.name} aside={<MomentLink moment={momentFor(a, r.field, lines, r.said)} play={play} />}>
              {r.tag && r.value ? (
                <WordTag word={r.value} names={w} />
              ) : (
                <b>
                  <Words>{name(r.field, r.value)}</Words>
                </b>
              )}
              {!of(r.field) && <Sure v={evidence(a, r.field)?.confidence ?? r.sure} />}
              <Corrected a={a} field={r.field} done={done} />
            </Fact>
          ))}
        <Objections a={a} lines={lines} play={play} />
        <Script a={a} raw={raw} />
        {tries.length > 0 && (
          <Fact name={w.try}>
            <Words>{[...new Set(tries)].join("; ")}</Words>
          </Fact>
        )}
      </dl>
      {a.unknown_values?.length > 0 && (
        <p class={s["sure"]}>
          {w.unknownWords} <Words>{a.unknown_values.join(", ")}</Words>
        </p>
      )}
    </>
  );
}

/** Why there is no analysis, and what can be done. */
function NotAnalysed({ id, state }: { id: number; state: State }) {
  const w = say(words);
  const me = useMe();
  const zone = useZone();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<unknown>();
  const [key] = useState(idempotencyKey);
  const again = async () => {
    setBusy(true);
    setProblem(undefined);
    try {
      await of(
        api.POST("/api/v1/calls/{call_id}/analysis/retry", {
          params: { path: { call_id: id } },
          headers: { "Idempotency-Key": key },
        } as never),
      );
      notice(w.retried);
      void queries.invalidateQueries({ queryKey: ["call"] });
    } catch (e) {
      setProblem(e);
    }
    setBusy(false);
  };
  return (
    <div class={s["state"]} data-state={state.state}>
      <b>{w[(state.state === "none" ? "none_state" : state.state) as "paused"] ?? state.state}</b>
      {state.since && <span class={s["sure"]}> {w.since(when(state.since, zone))}</span>}
      <p>
        <Words>{state.why}</Words>
      </p>
      {state.cure && (
        <p class="soft">
          <Words>{state.cure}</Words>
        </p>
      )}
      {problem !== undefined && <ProblemNote error={problem} />}
      {me.user.role === "manager" && (state.state === "failed" || state.state === "recording_unavailable") && (
        <Button disabled={busy} onClick={() => void again()}>
          {w.tryAgain}
        </Button>
      )}
    </div>
  );
}

/** What the call meant, or why that is not known. */
export function Meaning({
  id,
  analysis,
  state,
  lines,
  play,
  correct,
  done,
}: {
  id: number;
  analysis: Analysis | null | undefined;
  state: State;
  lines: readonly Line[];
  play: (t: number) => void;
  correct: () => void;
  done: (a: Analysis) => void;
}) {
  const w = say(words);
  const me = useMe();
  const zone = useZone();
  const may = me.user.role === "manager" && (Boolean(analysis) || state.state === "recording_unavailable");
  return (
    <section class={s["meaning"]} aria-labelledby="meaning">
      <div class={s["head"]}>
        <h2 id="meaning">{w.meaning}</h2>
        {analysis && (
          <small class="quiet">
            <Words>{w.by(analysis.provider === "shunya" ? "Shunya" : analysis.provider, when(analysis.received_at, zone))}</Words>
          </small>
        )}
      </div>
      {analysis ? <Analysed a={analysis} lines={lines} play={play} done={done} /> : <NotAnalysed id={id} state={state} />}
      {may && (
        <div class={s["correct"]}>
          <Button onClick={correct} aria-haspopup="dialog">
            {w.correctMore}
          </Button>
          <small class="quiet">{w.correctionStays}</small>
        </div>
      )}
    </section>
  );
}
