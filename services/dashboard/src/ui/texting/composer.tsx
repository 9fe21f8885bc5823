import { useEffect, useRef, useState } from "preact/hooks";
import { idempotencyKey, Problem } from "../../api/client";
import { queries } from "../../api/queries";
import { write } from "../../api/write";
import { count, locale, say } from "../../i18n";
import { phone } from "../../lib/phone";
import { segmentsOf } from "../../lib/segments";
import { when } from "../../lib/time";
import { useMe, zoneOf } from "../../me";
import { Button, cx, notice, ProblemNote } from "..";
import type { Message } from "./bubble";
import { mayTakeBack, type OptOut, OptOutDialog } from "./optouts";
import s from "./texting.module.css";
import { words } from "./words";

const MOST = 1600;
/** What was begun for a person stays while the page is open, wherever one goes between. */
const drafts = new Map<string, string>();

function refresh(): void {
  void queries.invalidateQueries({ queryKey: ["message"] });
  void queries.invalidateQueries({ queryKey: ["contact"] });
}

async function cancel(id: string): Promise<void> {
  const w = say(words);
  try {
    await write("DELETE", "/api/v1/messages/{message_id}", { path: { message_id: id } });
    notice(w.cancelled);
  } catch (e) {
    notice(e instanceof Problem && e.status === 409 ? w.tooLate : e instanceof Error ? e.message : String(e));
  }
  refresh();
}

/** Where nobody may write, the reason stands in its place. */
function Closed({ optOut, number }: { optOut: OptOut; number: string }) {
  const w = say(words);
  const me = useMe();
  const [asking, ask] = useState(false);
  const how = (w as unknown as Record<string, unknown>)[`how_${optOut.source}`];
  return (
    <div class={s["closed"]}>
      <span>
        <b>{w.optedOut(when(optOut.opted_out_at, zoneOf(me), locale()))}</b>
        {typeof how === "string" && `, ${how}`}. {w.callInstead}
      </span>
      {mayTakeBack(optOut, me.user.role) && <Button onClick={() => ask(true)}>{w.takeBack}</Button>}
      {asking && <OptOutDialog phone={number} takeBack={optOut} onClose={() => ask(false)} />}
    </div>
  );
}

export function Composer({
  contact,
  name,
  number,
  optOut,
  inputId,
}: {
  contact: string;
  name: string;
  number: string;
  optOut: OptOut | undefined;
  inputId?: string;
}) {
  const w = say(words);
  const me = useMe();
  const [body, setBody] = useState(drafts.get(contact) ?? "");
  const [from, setFrom] = useState("");
  const [error, setError] = useState<unknown>();
  const key = useRef(idempotencyKey());
  const busy = useRef(false);
  useEffect(() => {
    setBody(drafts.get(contact) ?? "");
    setError(undefined);
    key.current = idempotencyKey();
  }, [contact]);
  const change = (text: string) => {
    if (text) drafts.set(contact, text);
    else drafts.delete(contact);
    setBody(text);
  };
  const numbers = me.company?.texting_numbers ?? [];
  if (me.user.role === "executive") return <div class={s["closed"]}>{w.readOnly}</div>;
  if (optOut) return <Closed optOut={optOut} number={number} />;
  if (me.company && numbers.length === 0) return <div class={s["closed"]}>{w.noNumber}</div>;
  const size = segmentsOf(body);
  const letters = [...body].length;
  const over = body.length - MOST;
  const ready = body.trim() !== "" && over <= 0;
  const send = async () => {
    if (!ready || busy.current) return;
    if (!navigator.onLine) {
      setError(new Error(w.offline));
      return;
    }
    busy.current = true;
    setError(undefined);
    const text = body;
    change("");
    try {
      const made = await write<Message>("POST", "/api/v1/messages", {
        body: { contact_id: contact, body: text, ...(from ? { from } : {}) },
        key: key.current,
      });
      key.current = idempotencyKey();
      notice(w.queuedNow, { label: w.undo, act: () => void cancel(made.id) });
    } catch (e) {
      // unless something else was begun meanwhile, what was refused stands there again
      if (!drafts.get(contact)) change(text);
      setError(e);
      // what was refused for good is another write when it is mended; what was lost on the way is the same one
      if (e instanceof Problem && e.status >= 400 && e.status < 500) key.current = idempotencyKey();
      if (e instanceof Problem && e.kind === "opted-out") void queries.invalidateQueries({ queryKey: ["opt_out"] });
    } finally {
      busy.current = false;
      refresh();
    }
  };
  return (
    <form
      class={s["composer"]}
      onSubmit={(e) => {
        e.preventDefault();
        void send();
      }}
    >
      {error !== undefined && <ProblemNote error={error} />}
      <textarea
        id={inputId}
        value={body}
        rows={2}
        placeholder={w.write}
        aria-label={w.to(name)}
        aria-invalid={over > 0}
        onInput={(e) => change(e.currentTarget.value)}
        onKeyDown={(e) => {
          if (e.key === "Enter" && (e.metaKey || e.ctrlKey)) {
            e.preventDefault();
            void send();
          }
        }}
      />
      <div class={s["foot"]}>
        {numbers.length > 1 ? (
          <select aria-label={w.fromWhich} value={from} onChange={(e) => setFrom(e.currentTarget.value)}>
            <option value="">{w.lastUsed}</option>
            {numbers.map((n) => (
              <option key={n} value={n}>
                {w.from(phone(n))}
              </option>
            ))}
          </select>
        ) : (
          <span class={s["from"]}>{w.from(phone(numbers[0]))}</span>
        )}
        {body !== "" && (
          <span
            class={cx("num", (over > 0 || size.segments > 3) && s["much"])}
            title={size.alphabet === "unicode" ? w.unicodeWhy : undefined}
          >
            {over > 0 ? w.tooLong(count(over)) : w.size(count(letters), letters, String(size.segments))}
          </span>
        )}
        <Button type="submit" look="primary" disabled={!ready}>
          {w.send} <kbd>⌘↵</kbd>
        </Button>
      </div>
    </form>
  );
}
