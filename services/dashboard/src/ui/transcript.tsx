import { memo } from "preact/compat";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { define, say } from "../i18n";
import { cutAt, type Line } from "../lib/lines";
import { shown } from "../lib/text";
import { duration } from "../lib/time";
import type { Names } from "./player";
import s from "./player.module.css";

const words = define({
  en: {
    transcript: "What was said",
    find: "Find in the transcript",
    hits: (n: number, of: number) => (of === 0 ? "nothing found" : `${n} of ${of}`),
    us: "We",
    customer: "Customer",
    playFrom: (at: string) => `Play from ${at}`,
  },
  es: {
    transcript: "Lo que se dijo",
    find: "Buscar en la transcripción",
    hits: (n: number, of: number) => (of === 0 ? "sin resultados" : `${n} de ${of}`),
    us: "Nosotros",
    customer: "Cliente",
    playFrom: (at: string) => `Reproducir desde ${at}`,
  },
});

/** Who scrolls by hand is left alone for a while. */
const HANDS_OFF_MS = 5_000;

function Cut({ text, sought, on }: { text: string; sought: string; on: boolean }) {
  const pieces = useMemo(() => cutAt(shown(text), sought), [text, sought]);
  return (
    <bdi>
      {pieces.map((p, i) =>
        i % 2 === 1 ? (
          <mark key={i} data-on={on}>
            {p}
          </mark>
        ) : (
          p
        ),
      )}
    </bdi>
  );
}

const OneLine = memo(function OneLine({
  line,
  name,
  now,
  sought,
  on,
  play,
}: {
  line: Line;
  name: string;
  now: boolean;
  sought: string;
  on: boolean;
  play: (t: number) => void;
}) {
  const inner = (
    <>
      <time>{line.start === null ? "" : duration(line.start)}</time>
      <span>
        <i>
          <bdi>{name}</bdi>
        </i>
        <Cut text={line.text} sought={sought} on={on} />
      </span>
    </>
  );
  return (
    <li data-line={line.n}>
      {line.start === null ? (
        <div class={s["line"]} data-side={line.side}>
          {inner}
        </div>
      ) : (
        <button
          type="button"
          class={s["line"]}
          data-side={line.side}
          aria-current={now ? "true" : undefined}
          onClick={() => play(line.start!)}
        >
          {inner}
        </button>
      )}
    </li>
  );
});

/** What was said, following the sound; a line plays itself. Without labels it is a text. */
export function Transcript({
  lines,
  text,
  names = {},
  current,
  follow,
  play,
}: {
  lines: readonly Line[];
  text: string;
  names?: Names;
  /** The line that is heard. */
  current: number;
  follow: boolean;
  play: (t: number) => void;
}) {
  const w = say(words);
  const box = useRef<HTMLDivElement>(null);
  const [sought, setSought] = useState("");
  const [chosen, setChosen] = useState(0);
  const hands = useRef(0);
  const hits = useMemo(() => (sought.trim() ? lines.filter((l) => cutAt(l.text, sought).length > 1).map((l) => l.n) : []), [lines, sought]);
  const show = (n: number | undefined) =>
    n !== undefined && box.current?.querySelector(`[data-line="${n}"] > *`)?.scrollIntoView({ block: "nearest" });
  useEffect(() => {
    const touched = () => {
      hands.current = Date.now();
    };
    addEventListener("wheel", touched, { passive: true });
    addEventListener("touchmove", touched, { passive: true });
    return () => {
      removeEventListener("wheel", touched);
      removeEventListener("touchmove", touched);
    };
  }, []);
  // only another line moves it
  useEffect(() => {
    if (follow && Date.now() - hands.current > HANDS_OFF_MS) show(current);
  }, [current, follow]);
  const step = (by: number) => {
    if (hits.length === 0) return;
    const next = (chosen + by + hits.length) % hits.length;
    setChosen(next);
    show(hits[next]);
  };
  return (
    <section class={s["said"]} ref={box} aria-label={w.transcript}>
      <div class={s["head"]}>
        <h2>{w.transcript}</h2>
        <input
          type="search"
          placeholder={w.find}
          aria-label={w.find}
          value={sought}
          maxLength={100}
          onInput={(e) => {
            setSought(e.currentTarget.value);
            setChosen(0);
            const first = lines.find((l) => cutAt(l.text, e.currentTarget.value).length > 1);
            show(first?.n);
          }}
          onKeyDown={(e) => {
            if (e.key !== "Enter") return;
            e.preventDefault();
            step(e.shiftKey ? -1 : 1);
          }}
        />
        {sought.trim() && lines.length > 0 && <output>{w.hits(chosen + 1, hits.length)}</output>}
      </div>
      {lines.length > 0 ? (
        <ol>
          {lines.map((l) => (
            <OneLine
              key={l.n}
              line={l}
              name={l.who || (names[l.side] ?? (l.side === "agent" ? w.us : w.customer))}
              now={l.n === current}
              sought={sought}
              on={hits[chosen] === l.n}
              play={play}
            />
          ))}
        </ol>
      ) : (
        <p class={s["text"]}>
          <Cut text={text} sought={sought} on={false} />
        </p>
      )}
    </section>
  );
}
