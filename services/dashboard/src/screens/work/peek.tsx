import { useState } from "preact/hooks";
import { Link } from "wouter";
import type { Schemas } from "../../api/client";
import { useOne } from "../../api/queries";
import { locale, say } from "../../i18n";
import { clockOf, dayStretch, realDay, STEP_MS } from "../../lib/calendar";
import { safeHref } from "../../lib/href";
import { money } from "../../lib/money";
import { phone } from "../../lib/phone";
import { addDays, dayOf, duration, momentOf, now as serverNow, when } from "../../lib/time";
import { useMe, useZone } from "../../me";
import { PAGES } from "../../routes";
import { Button, cx, Dialog, Field, Icon, Words } from "../../ui";
import { Player } from "../../ui/player";
import { type Acting, nameOf, type Waiting } from "./model";
import { words } from "./words";
import s from "./work.module.css";

export const bookHref = (r: Waiting, zone: string): string =>
  `/calendar/day/${dayOf(serverNow(), zone)}${r.lead_id ? `?lead=${encodeURIComponent(r.lead_id)}` : ""}`;
export const textHref = (r: Waiting): string =>
  PAGES.some((p) => p.path === "/texts/:contact") ? `/texts/${r.contact_card_id}` : `/people/${r.contact_card_id}`;

/** Who waits, why, and what can be done about it. */
export function Peek({
  r,
  acting,
  place,
  onClose,
  onSnooze,
  onShut,
}: {
  r: Waiting;
  acting: Acting;
  /** "2 of 7" */
  place: string;
  onClose: () => void;
  onSnooze: () => void;
  onShut: () => void;
}) {
  const w = say(words);
  const zone = useZone();
  const me = useMe();
  const name = nameOf(r) || w.unknown;
  const tel = safeHref(r.contact.primary_phone ? `tel:${r.contact.primary_phone}` : undefined);
  const contact = useOne<Schemas["ContactDetail"]>("contact", "/api/v1/contacts/{contact_id}", { contact_id: r.contact_card_id });
  const call = useOne<Schemas["CallDetail"]>("call", "/api/v1/calls/{call_id}", { call_id: r.call_id ?? 0 }, r.call_id !== null);
  const where = contact.data ? [contact.data.address, contact.data.city, contact.data.state].filter(Boolean).join(", ") : "";
  const clock = (at: string) => when(at, zone, locale());
  return (
    <aside class={s["peek"]} aria-label={name}>
      <div class={s["part"]}>
        <div class={s["peekHead"]}>
          <h2>
            <Words>{name}</Words>
          </h2>
          <Link href={`/people/${r.contact_card_id}`} class="link" aria-keyshortcuts="Enter">
            {w.openCard}
          </Link>
          <Button look="plain" aria-label={w.closePeek} onClick={onClose}>
            <Icon name="close" />
          </Button>
        </div>
        <p class={s["where"]}>
          {phone(r.contact.primary_phone)}
          {where && (
            <>
              {" "}
              <span class="quiet">·</span> <Words>{where}</Words>
            </>
          )}{" "}
          <span class="quiet">{place}</span>
        </p>
        <div class={s["acts"]}>
          {tel && (
            <a class={cx(s["act"], s["first"])} href={tel} data-key="c" aria-keyshortcuts="c">
              <Icon name="call" />
              {w.callBack}
            </a>
          )}
          {acting.may &&
            (r.opted_out ? (
              <span class={s["act"]} aria-disabled="true" title={w.noTexts}>
                <Icon name="text" />
                {w.noTexts}
              </span>
            ) : (
              <Link class={s["act"] ?? ""} href={textHref(r)} aria-keyshortcuts="t">
                <Icon name="text" />
                {w.text}
              </Link>
            ))}
          {acting.may && (
            <Link class={s["act"] ?? ""} href={bookHref(r, zone)} aria-keyshortcuts="b">
              <Icon name="calendar" />
              {w.book}
            </Link>
          )}
        </div>
        {acting.may ? (
          <div class={s["acts"]}>
            <Button onClick={onSnooze} aria-keyshortcuts="s">
              {w.snooze}
            </Button>
            {r.owner === null ? (
              <Button onClick={() => acting.claim(r)} aria-keyshortcuts="a">
                {w.claim}
              </Button>
            ) : (
              (r.owner.id === me.user.id || me.user.role === "manager") && <Button onClick={() => acting.release(r)}>{w.release}</Button>
            )}
            <Button onClick={onShut} aria-keyshortcuts="e">
              {w.close}
            </Button>
          </div>
        ) : (
          <p class="quiet">{w.readOnly}</p>
        )}
        <ul class={s["reasons"]}>
          {r.reasons.map((c) => (
            <li key={c.reason}>
              <b>
                {w[c.reason]}
                {c.quality && c.quality in w ? `, ${w[c.quality as "hot"]}` : ""}.
              </b>{" "}
              {w[`${c.reason}Why`](clock(c.since))}
            </li>
          ))}
        </ul>
      </div>
      {call.data && (
        <div class={s["part"]}>
          <h3>
            {w.theCall(
              call.data.started_at ? when(call.data.started_at, zone, locale()) : "",
              call.data.duration ? duration(call.data.duration) : "",
            )}
          </h3>
          {call.data.recording_url && (
            <Player
              key={r.call_id}
              callId={r.call_id ?? 0}
              inbound={call.data.direction !== "outbound"}
              lasts={call.data.duration}
              keys={false}
              lazy
            />
          )}
          {call.data.analysis?.summary && (
            <p class={s["summary"]}>
              <Words>{call.data.analysis.summary}</Words>
            </p>
          )}
          <Link class="link" href={`/calls/${r.call_id}`}>
            {w.openCall}
          </Link>
        </div>
      )}
      <div class={s["part"]}>
        <h3>{w.facts}</h3>
        <dl>
          {r.said && (
            <>
              <dt>{w.said}</dt>
              <dd>
                <Words>{r.said}</Words>
              </dd>
            </>
          )}
          {r.worth_cents !== null && (
            <>
              <dt>{w.worth}</dt>
              <dd>
                {r.worth_from === "median" && "≈ "}
                {money(r.worth_cents, locale())} <span class="quiet">{r.worth_from && w[r.worth_from]}</span>
              </dd>
            </>
          )}
          <dt>{w.stakeOne}</dt>
          <dd title={w.guess}>≈ {money(r.stake_cents, locale())}</dd>
          <dt>{w.dueAt}</dt>
          <dd>
            {clock(r.due_at)}
            {r.attempts > 0 && <span class="quiet"> · {w.tries(r.attempts)}</span>}
          </dd>
          <dt>{w.owner}</dt>
          <dd>{r.owner ? <Words>{r.owner.id === me.user.id ? w.you : (r.owner.name ?? r.owner.id)}</Words> : w.nobody}</dd>
        </dl>
      </div>
      <p class={s["keys"]} aria-hidden="true">
        <kbd>J</kbd>
        <kbd>K</kbd> {w.keysMove} <kbd>C</kbd> <kbd>T</kbd> <kbd>B</kbd> <kbd>S</kbd> <kbd>A</kbd> <kbd>E</kbd> <kbd>↵</kbd>
      </p>
    </aside>
  );
}

export function SnoozeDialog({ r, acting, onClose }: { r: Waiting; acting: Acting; onClose: () => void }) {
  const w = say(words);
  const zone = useZone();
  const at = serverNow();
  const today = dayOf(at, zone);
  const [day, setDay] = useState(addDays(today, 1));
  const { start, end } = dayStretch(day, zone);
  const steps: number[] = [];
  for (let t = start; t < end; t += 2 * STEP_MS) if (t > at) steps.push(t);
  const [own, setOwn] = useState(() => momentOf(addDays(today, 1), 9 * 60, zone));
  const chosen = steps.includes(own) ? own : (steps[0] ?? own);
  const put = (until: number) => {
    onClose();
    acting.snooze(r, until, when(until, zone, locale()));
  };
  const afternoon = momentOf(today, 13 * 60, zone);
  return (
    <Dialog open title={w.snoozeTitle(nameOf(r) || w.unknown)} onClose={onClose}>
      <div class={s["choices"]}>
        <Button big onClick={() => put(serverNow() + 3_600_000)}>
          {w.hour}
        </Button>
        {afternoon > at + 3_600_000 && (
          <Button big onClick={() => put(afternoon)}>
            {w.afternoon}
          </Button>
        )}
        <Button big onClick={() => put(momentOf(addDays(today, 1), 8 * 60, zone))}>
          {w.tomorrow}
        </Button>
      </div>
      <form
        class={s["own"]}
        onSubmit={(e) => {
          e.preventDefault();
          put(chosen);
        }}
      >
        <Field label={w.day}>
          {(a) => (
            <input
              {...a}
              type="date"
              min={today}
              max={addDays(today, 364)}
              value={day}
              onChange={(e) => {
                const d = realDay(e.currentTarget.value);
                if (!d) return;
                setDay(d);
                setOwn(momentOf(d, 9 * 60, zone));
              }}
            />
          )}
        </Field>
        <Field label={w.time}>
          {(a) => (
            <select {...a} value={String(chosen)} onChange={(e) => setOwn(Number(e.currentTarget.value))}>
              {steps.map((t) => (
                <option key={t} value={String(t)}>
                  {clockOf(t, zone, locale())}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Button look="primary" type="submit">
          {w.own}
        </Button>
      </form>
    </Dialog>
  );
}

export function ShutDialog({ r, acting, onClose }: { r: Waiting; acting: Acting; onClose: () => void }) {
  const w = say(words);
  return (
    <Dialog open title={w.closeTitle(nameOf(r) || w.unknown)} onClose={onClose}>
      <div class={s["choices"]}>
        {(["no_lead", "given_up", "other"] as const).map((why) => (
          <Button
            key={why}
            big
            onClick={() => {
              onClose();
              acting.close(r, why);
            }}
          >
            {w[why]}
          </Button>
        ))}
      </div>
    </Dialog>
  );
}
