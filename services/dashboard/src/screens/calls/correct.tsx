import { useEffect, useRef, useState } from "preact/hooks";
import { api, idempotencyKey, of, Problem } from "../../api/client";
import { say } from "../../i18n";
import { Button, Dialog, Field, notice, ProblemNote } from "../../ui";
import s from "./calls.module.css";
import type { Analysis } from "./meaning";
import { words } from "./words";

export const CORRECTABLE = [
  "booking_status",
  "lead_quality",
  "call_outcome_category",
  "summary",
  "appointment_date",
  "service_type",
  "address",
] as const;
export type Correctable = (typeof CORRECTABLE)[number];

const CHOICES: Partial<Record<Correctable, readonly string[]>> = {
  booking_status: ["booked", "not_booked", "service_not_offered"],
  lead_quality: ["hot", "warm", "cold", "unqualified"],
  call_outcome_category: ["qualified_and_booked", "qualified_but_unbooked", "qualified_service_not_offered"],
};
const MOST: Partial<Record<Correctable, number>> = { summary: 10_000, service_type: 500, address: 500 };

export function standing(a: Analysis | null | undefined, field: Correctable): string {
  if (!a) return "";
  const own = (a as unknown as Record<string, unknown>)[field];
  const entity = a.entities?.[field] ?? (field === "service_type" ? a.entities?.["service"] : undefined);
  const v = own ?? entity ?? "";
  return typeof v === "string" ? (field === "appointment_date" ? v.slice(0, 16) : v) : "";
}

/** What a manager knows better. The key of the write is made when its words are: the same words sent twice are one write. */
export function Correct({
  id,
  analysis,
  open,
  close,
  done,
}: {
  id: number;
  analysis: Analysis | null | undefined;
  open: boolean;
  close: () => void;
  done: (a: Analysis) => void;
}) {
  const w = say(words);
  const [field, setField] = useState<Correctable>("booking_status");
  const [value, setValue] = useState("");
  const [reason, setReason] = useState("");
  const [problem, setProblem] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const sent = useRef({ body: "", key: "" });
  // a form begins with what stands there when it opens
  useEffect(() => {
    if (!open) return;
    setField("booking_status");
    setValue(standing(analysis, "booking_status"));
    setReason("");
    setProblem(undefined);
    sent.current = { body: "", key: idempotencyKey() };
  }, [open]);
  const choices = CHOICES[field];
  const fields = problem instanceof Problem ? problem.fields : {};
  const known = ["reason", field].some((f) => fields[f]);
  const send = async (body: Record<string, string | null>) => {
    const told = JSON.stringify(body);
    if (sent.current.body && sent.current.body !== told) sent.current.key = idempotencyKey();
    sent.current.body = told;
    const asked = { params: { path: { call_id: id } }, headers: { "Idempotency-Key": sent.current.key }, body };
    return ((await of(api.PATCH("/api/v1/calls/{call_id}/analysis", asked as never))) as { data: Analysis }).data;
  };
  const save = async (e: Event) => {
    e.preventDefault();
    const body = { [field]: value.trim() === "" ? null : value.trim() };
    setBusy(true);
    setProblem(undefined);
    try {
      let kept = true;
      const answer = await send(reason.trim() ? { ...body, reason: reason.trim() } : body).catch((error) => {
        // A server that keeps no reasons yet says that it does not know the field.
        if (
          !(
            error instanceof Problem &&
            Object.keys(error.fields).join() === "reason" &&
            /nothing that this takes/.test(error.fields["reason"] ?? "")
          )
        )
          throw error;
        kept = false;
        return send(body);
      });
      done(answer);
      notice(kept ? w.saved : w.savedWithoutReason);
      close();
    } catch (error) {
      setProblem(error);
    }
    setBusy(false);
  };
  return (
    <Dialog open={open} title={w.correctTitle} onClose={close}>
      <form class={s["form"]} onSubmit={(e) => void save(e)}>
        <Field label={w.field}>
          {(a) => (
            <select
              {...a}
              value={field}
              onChange={(e) => {
                const next = e.currentTarget.value as Correctable;
                setField(next);
                setValue(standing(analysis, next));
                setProblem(undefined);
              }}
            >
              {CORRECTABLE.map((f) => (
                <option key={f} value={f}>
                  {w[`field_${f}`]}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field label={w.value} error={fields[field]}>
          {(a) =>
            choices ? (
              <select {...a} value={value} onChange={(e) => setValue(e.currentTarget.value)}>
                <option value="">{w.nothing}</option>
                {choices.map((c) => (
                  <option key={c} value={c}>
                    {w[c as "booked"]}
                  </option>
                ))}
              </select>
            ) : field === "summary" ? (
              <textarea {...a} rows={5} maxLength={MOST[field]} value={value} onInput={(e) => setValue(e.currentTarget.value)} />
            ) : field === "appointment_date" ? (
              <input {...a} type="datetime-local" value={value} onInput={(e) => setValue(e.currentTarget.value)} />
            ) : (
              <input {...a} type="text" maxLength={MOST[field]} value={value} onInput={(e) => setValue(e.currentTarget.value)} />
            )
          }
        </Field>
        <Field label={w.reason} error={fields["reason"]}>
          {(a) => <textarea {...a} rows={2} maxLength={500} value={reason} onInput={(e) => setReason(e.currentTarget.value)} />}
        </Field>
        {problem !== undefined && !known && <ProblemNote error={problem} />}
        <div class={s["formFoot"]}>
          <Button onClick={close}>{w.cancel}</Button>
          <Button look="primary" type="submit" disabled={busy}>
            {w.save}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
