import { locale, say } from "../../i18n";
import { clockOf } from "../../lib/calendar";
import { dayOf, duration, span, when, whenInFull } from "../../lib/time";
import { useZone } from "../../me";
import type { Waiting } from "./model";
import { clockOfDue } from "./order";
import { words } from "./words";
import s from "./work.module.css";

const ROUND = 2 * Math.PI * 10.5;

/** How long somebody has still, as a ring and in words; late is a disc with a mark, for state is never colour alone. */
export function Clock({ row, now, opens }: { row: Waiting; now: number; opens: number | undefined }) {
  const w = say(words);
  const zone = useZone();
  const due = Date.parse(row.due_at);
  const c = clockOfDue(Date.parse(row.since), due, now, opens !== undefined);
  const far = dayOf(due, zone) !== dayOf(now, zone);
  const big = c.state === "late" ? span(-c.ms) : c.ms < 10 * 60_000 ? duration(c.ms / 1000) : span(c.ms);
  const small =
    c.state === "late"
      ? w.lateBy
      : c.state === "still" && opens !== undefined
        ? w.opens(when(opens, zone, locale()))
        : far
          ? when(due, zone, locale())
          : c.ms > 3_600_000
            ? w.at(clockOf(due, zone, locale()))
            : w.left;
  return (
    <span class={s["clock"]} data-state={c.state} title={whenInFull(due, zone, locale())}>
      <svg viewBox="0 0 26 26" aria-hidden="true" focusable="false">
        {c.state === "late" ? (
          <>
            <circle cx="13" cy="13" r="12" class={s["disc"]} />
            <path d="M13 7.5v6.5M13 18v.1" class={s["bang"]} />
          </>
        ) : (
          <>
            <circle cx="13" cy="13" r="10.5" />
            <circle cx="13" cy="13" r="10.5" class={s["left"]} stroke-dasharray={ROUND} stroke-dashoffset={ROUND * (1 - c.left)} />
          </>
        )}
      </svg>
      <span>
        <b>{big}</b>
        <small>{small}</small>
      </span>
    </span>
  );
}
