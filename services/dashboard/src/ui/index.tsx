import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { Problem } from "../api/client";
import { define, say } from "../i18n";
import { initials, shown } from "../lib/text";
import { Icon } from "./icon";
import s from "./ui.module.css";

export { Icon, type IconName } from "./icon";
export { Rows } from "./rows";

const words = define({
  en: { again: "Try again", close: "Close", request: "Request", fields: (n: string, m: string) => `${n}: ${m}` },
  es: { again: "Intentar de nuevo", close: "Cerrar", request: "Solicitud", fields: (n: string, m: string) => `${n}: ${m}` },
});

export const cx = (...names: (string | false | undefined)[]) => names.filter(Boolean).join(" ");

type ButtonProps = JSX.IntrinsicElements["button"] & { look?: "primary" | "plain"; big?: boolean };
export function Button({ look, big, class: extra, ...rest }: ButtonProps) {
  return <button type="button" class={cx(s["button"], look && s[look], big && s["big"], extra as string | undefined)} {...rest} />;
}

export type Tone = "good" | "bad" | "warn" | "plum" | "blue" | undefined;
export function Tag({ tone, children, title }: { tone?: Tone; children: ComponentChildren; title?: string }) {
  return (
    <span class={s["tag"]} data-tone={tone} title={title}>
      {children}
    </span>
  );
}

export function Avatar({ name }: { name: string | null | undefined }) {
  return (
    <span class={s["avatar"]} aria-hidden="true">
      {initials(name)}
    </span>
  );
}

/** A person's words: nothing of them steers the text around. */
export function Words({ children }: { children: string | null | undefined }) {
  return <bdi>{shown(children)}</bdi>;
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class={s["empty"]}>
      <b>{title}</b>
      {children}
    </div>
  );
}

export function Skeleton({ rows = 8 }: { rows?: number }) {
  return (
    <div class={s["skeleton"]} aria-hidden="true">
      {Array.from({ length: rows }, (_, i) => (
        <i key={i} />
      ))}
    </div>
  );
}

export function ProblemNote({ error, retry }: { error: unknown; retry?: () => void }) {
  const w = say(words);
  const p = error instanceof Problem ? error : undefined;
  return (
    <div class={s["problem"]} role="alert">
      <span>
        {p ? p.message : error instanceof Error ? error.message : String(error)}
        {p?.requestId && (
          <small>
            {" "}
            {w.request} {p.requestId}
          </small>
        )}
      </span>
      {retry && <Button onClick={retry}>{w.again}</Button>}
    </div>
  );
}

export function Field({
  label,
  error,
  children,
}: {
  label: string;
  error?: string | undefined;
  children: (a: { id: string; "aria-invalid": boolean; "aria-describedby"?: string; class: string }) => ComponentChildren;
}) {
  const id = useId();
  return (
    <label class={s["field"]} for={id}>
      <span>{label}</span>
      {children({ id, "aria-invalid": Boolean(error), ...(error ? { "aria-describedby": `${id}e` } : {}), class: s["input"] ?? "" })}
      {error && <em id={`${id}e`}>{error}</em>}
    </label>
  );
}

export function Select<const V extends string>({
  label,
  value,
  options,
  onChange,
}: {
  label: string;
  value: V | "";
  options: readonly { value: V | ""; label: string }[];
  onChange: (v: V | undefined) => void;
}) {
  return (
    <select
      class={s["select"]}
      aria-label={label}
      value={value}
      onChange={(e) => onChange((e.currentTarget.value || undefined) as V | undefined)}
    >
      {options.map((o) => (
        <option key={o.value} value={o.value}>
          {o.label}
        </option>
      ))}
    </select>
  );
}

export function Segments<const V extends string>({
  label,
  value,
  options,
  onChange,
}: {
  label: string;
  value: V;
  options: readonly { value: V; label: string }[];
  onChange: (v: V) => void;
}) {
  return (
    <fieldset class={s["segments"]} aria-label={label}>
      {options.map((o) => (
        <button key={o.value} type="button" aria-pressed={o.value === value} onClick={() => onChange(o.value)}>
          {o.label}
        </button>
      ))}
    </fieldset>
  );
}

export function Dialog({
  open,
  title,
  onClose,
  children,
  foot,
}: {
  open: boolean;
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  foot?: ComponentChildren;
}) {
  const ref = useRef<HTMLDialogElement>(null);
  const w = say(words);
  const id = useId();
  useEffect(() => {
    const d = ref.current;
    if (open && d && !d.open) d.showModal();
    if (!open && d?.open) d.close();
  }, [open]);
  return (
    <dialog ref={ref} class={s["dialog"]} aria-labelledby={id} onClose={onClose}>
      {open && (
        <>
          <div class={s["dialogHead"]}>
            <h2 id={id}>{title}</h2>
            <Button look="plain" aria-label={w.close} onClick={onClose}>
              <Icon name="close" />
            </Button>
          </div>
          {children}
          {foot && <div class={s["dialogFoot"]}>{foot}</div>}
        </>
      )}
    </dialog>
  );
}

/** A button that opens a list of actions. */
export function Menu({
  label,
  children,
  items,
}: {
  label: string;
  children: ComponentChildren;
  items: { label: string; onPick: () => void; disabled?: boolean }[];
}) {
  const id = useId().replaceAll(":", "");
  const list = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const place = () => {
    const at = button.current?.getBoundingClientRect();
    if (!at || !list.current) return;
    list.current.style.top = `${at.bottom + 4}px`;
    list.current.style.left = `${Math.max(8, Math.min(at.left, innerWidth - 220))}px`;
    list.current.querySelector<HTMLButtonElement>("button:not([disabled])")?.focus();
  };
  const move = (e: KeyboardEvent) => {
    if (e.key !== "ArrowDown" && e.key !== "ArrowUp") return;
    e.preventDefault();
    const all = [...(list.current?.querySelectorAll<HTMLButtonElement>("button:not([disabled])") ?? [])];
    const next = all.indexOf(document.activeElement as HTMLButtonElement) + (e.key === "ArrowDown" ? 1 : -1);
    all[(next + all.length) % all.length]?.focus();
  };
  return (
    <>
      <button ref={button} type="button" class={cx(s["button"], s["plain"])} aria-label={label} aria-haspopup="menu" popovertarget={id}>
        {children}
      </button>
      <div
        ref={list}
        id={id}
        popover="auto"
        role="menu"
        class={s["menu"]}
        onToggle={(e) => (e as ToggleEvent).newState === "open" && place()}
        onKeyDown={move}
      >
        {items.map((i) => (
          <button
            key={i.label}
            type="button"
            role="menuitem"
            disabled={i.disabled ?? false}
            onClick={() => {
              list.current?.hidePopover();
              i.onPick();
            }}
          >
            {i.label}
          </button>
        ))}
      </div>
    </>
  );
}

// -- what was done, for six seconds, with a way back

interface Note {
  id: number;
  text: string;
  undo?: { label: string; act: () => void };
}
let notes: Note[] = [];
let nextNote = 1;
let redraw: (() => void) | undefined;
const NOTE_MS = 6_000;

export function notice(text: string, undo?: Note["undo"]): void {
  const note: Note = { id: nextNote++, text, ...(undo ? { undo } : {}) };
  notes = [...notes, note].slice(-3);
  redraw?.();
  setTimeout(() => {
    notes = notes.filter((n) => n !== note);
    redraw?.();
  }, NOTE_MS);
}

export function Toasts() {
  const [, set] = useState(0);
  useEffect(() => {
    redraw = () => set((n) => n + 1);
    return () => {
      redraw = undefined;
    };
  }, []);
  return (
    <div class={s["toasts"]} role="status" aria-live="polite">
      {notes.map((n) => (
        <div key={n.id} class={s["toast"]}>
          <span>{shown(n.text)}</span>
          {n.undo && (
            <button
              type="button"
              onClick={() => {
                notes = notes.filter((x) => x !== n);
                redraw?.();
                n.undo?.act();
              }}
            >
              {n.undo.label}
            </button>
          )}
        </div>
      ))}
    </div>
  );
}
