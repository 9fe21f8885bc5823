import { useState } from "preact/hooks";
import { idempotencyKey, Problem, type Schemas } from "../../api/client";
import { queries, useAnswer } from "../../api/queries";
import { write } from "../../api/write";
import { define, say } from "../../i18n";
import { useMe } from "../../me";
import { Button, Dialog, Field, notice, ProblemNote } from "..";

export type OptOut = Schemas["OptOut"];

/** What a number asked for, the newest first. The office sees it; others learn it when they try to write. */
export function useOptOuts(phone: string | null | undefined): { all: OptOut[]; active: OptOut | undefined; known: boolean } {
  const role = useMe().user.role ?? "";
  const may = role === "csr" || role === "manager";
  const found = useAnswer<{ items: OptOut[] }>("opt_out", "/api/v1/opt-outs", { phone: phone ?? "", limit: 50 }, may && Boolean(phone));
  const all = found.data?.items ?? [];
  return { all, active: all.find((o) => o.revoked_at === null), known: may && found.data !== undefined && !found.isPlaceholderData };
}

/** A csr takes back what a csr entered; a manager anything. */
export function mayTakeBack(o: OptOut, role: string | null): boolean {
  return role === "manager" || (role === "csr" && o.source === "csr");
}

const words = define({
  en: {
    enter: "Wants no texts",
    enterWhy: "Why, and how he said it",
    enterDo: "Enter",
    entered: "Entered. Nobody can text this number now.",
    back: "Take the opt-out back",
    backWhy: "Why: the person must have asked for texts again",
    backDo: "Take back",
    tookBack: "Taken back. Texts are allowed again.",
    cancel: "Cancel",
    reasonNeeded: "A reason is needed.",
  },
  es: {
    enter: "No quiere mensajes",
    enterWhy: "Por qué, y cómo lo dijo",
    enterDo: "Anotar",
    entered: "Anotado. Nadie puede escribir a este número.",
    back: "Retirar la baja de mensajes",
    backWhy: "Por qué: la persona debe haber pedido mensajes otra vez",
    backDo: "Retirar",
    tookBack: "Retirado. Se permiten mensajes otra vez.",
    cancel: "Cancelar",
    reasonNeeded: "Se necesita una razón.",
  },
});

/** Enters that somebody wants no texts, or takes it back; each with its reason. */
export function OptOutDialog({ phone, takeBack, onClose }: { phone: string; takeBack?: OptOut | undefined; onClose: () => void }) {
  const w = say(words);
  const [key] = useState(idempotencyKey);
  const [reason, setReason] = useState("");
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const field = error instanceof Problem ? error.fields["reason"] : undefined;
  const save = async () => {
    if (!reason.trim()) {
      setError(new Error(w.reasonNeeded));
      return;
    }
    setBusy(true);
    try {
      if (takeBack)
        await write("DELETE", "/api/v1/opt-outs/{opt_out_id}", { path: { opt_out_id: takeBack.id }, body: { reason: reason.trim() }, key });
      else await write("POST", "/api/v1/opt-outs", { body: { phone, reason: reason.trim() }, key });
      notice(takeBack ? w.tookBack : w.entered);
      onClose();
    } catch (e) {
      setError(e);
    } finally {
      setBusy(false);
      void queries.invalidateQueries({ queryKey: ["opt_out"] });
      void queries.invalidateQueries({ queryKey: ["contact"] });
    }
  };
  return (
    <Dialog
      open
      title={takeBack ? w.back : w.enter}
      onClose={onClose}
      foot={
        <>
          <Button onClick={onClose}>{w.cancel}</Button>
          <Button look="primary" disabled={busy} onClick={() => void save()}>
            {takeBack ? w.backDo : w.enterDo}
          </Button>
        </>
      }
    >
      <Field label={takeBack ? w.backWhy : w.enterWhy} error={field}>
        {(a) => <textarea {...a} rows={3} maxLength={500} value={reason} onInput={(e) => setReason(e.currentTarget.value)} />}
      </Field>
      {error !== undefined && !field && <ProblemNote error={error} />}
    </Dialog>
  );
}
