import { Link } from "wouter";
import { locale, say } from "../../i18n";
import { clockOf, stretchOf } from "../../lib/calendar";
import { safeHref } from "../../lib/href";
import { money } from "../../lib/money";
import { phone } from "../../lib/phone";
import { dayOf, sayDay } from "../../lib/time";
import { useZone } from "../../me";
import { Button, Icon, Words } from "../../ui";
import { WordTag } from "../../ui/words";
import s from "./calendar.module.css";
import { type Appointment, holdsSlot, itemOf, type Moving, nameOf } from "./model";
import { words } from "./words";

/** One appointment, beside the grid; on a phone in a page of its own. */
export function Detail({
  a,
  nameOfRep,
  mayMove,
  moving,
  onMove,
  onClose,
}: {
  a: Appointment;
  nameOfRep: (id: string | null) => string;
  mayMove: boolean;
  moving: Moving;
  onMove: () => void;
  onClose: () => void;
}) {
  const w = say(words);
  const zone = useZone();
  const item = itemOf(a);
  const name = nameOf(a) || w.unnamed;
  const tel = safeHref(a.contact?.primary_phone ? `tel:${a.contact.primary_phone}` : undefined);
  const map = a.location_address
    ? safeHref(`https://www.google.com/maps/search/?api=1&query=${encodeURIComponent(a.location_address)}`)
    : undefined;
  const moves = mayMove && holdsSlot(a);
  return (
    <aside class={s["peek"]} aria-label={name}>
      <div class={s["peekHead"]}>
        <h2>
          <Words>{name}</Words>
        </h2>
        <Button look="plain" aria-label={w.close} onClick={onClose}>
          <Icon name="close" />
        </Button>
      </div>
      <p>
        {item ? `${sayDay(dayOf(item.start, zone), locale())}, ${stretchOf(item, zone, locale())}` : w.noTime} <span class="quiet">·</span>{" "}
        <Words>{nameOfRep(a.assigned_rep_id)}</Words>
      </p>
      <div class={s["acts"]}>
        {moves && (
          <Button look="primary" big onClick={onMove}>
            <Icon name="clock" />
            {w.move}
          </Button>
        )}
        {tel && (
          <a class={s["act"]} href={tel}>
            <Icon name="call" />
            {w.call}
          </a>
        )}
        <Link class={s["act"] ?? ""} href={`/people/${a.contact_card_id}`}>
          <Icon name="user" />
          {w.card}
        </Link>
      </div>
      <dl>
        <dt>{w.status}</dt>
        <dd>
          <WordTag word={a.status} names={w} />
        </dd>
        {a.outcome && a.outcome !== "pending" && (
          <>
            <dt>{w.outcome}</dt>
            <dd>
              <WordTag word={a.outcome} names={w} />
            </dd>
          </>
        )}
        {a.contact?.primary_phone && (
          <>
            <dt>{w.phone}</dt>
            <dd>{phone(a.contact.primary_phone)}</dd>
          </>
        )}
        {a.location_address && (
          <>
            <dt>{w.place}</dt>
            <dd>
              <a class="link" href={map ?? "#"} target="_blank" rel="noreferrer">
                <Words>{a.location_address}</Words>
              </a>
            </dd>
          </>
        )}
        {a.service_type && (
          <>
            <dt>{w.service}</dt>
            <dd>
              <Words>{a.service_type}</Words>
            </dd>
          </>
        )}
        {a.deal_size_cents !== null && (
          <>
            <dt>{w.worth}</dt>
            <dd>{money(a.deal_size_cents, locale())}</dd>
          </>
        )}
        {a.moved_from && (
          <>
            <dt>{w.was}</dt>
            <dd>
              {sayDay(dayOf(Date.parse(a.moved_from), zone), locale())}, {clockOf(Date.parse(a.moved_from), zone, locale())}
              {a.moved_by_call_id !== null && w.byCall}
            </dd>
          </>
        )}
        {a.call_id !== null && (
          <>
            <dt>{w.booked}</dt>
            <dd>
              <Link class="link" href={`/calls/${a.call_id}`}>
                {w.theCall}
              </Link>
            </dd>
          </>
        )}
        {a.pending_tasks_count > 0 && (
          <>
            <dt>{w.todo}</dt>
            <dd>{w.tasks(a.pending_tasks_count)}</dd>
          </>
        )}
        {a.notes && (
          <>
            <dt>{w.notes}</dt>
            <dd class={s["notes"]}>
              <Words>{a.notes}</Words>
            </dd>
          </>
        )}
      </dl>
      {moves ? (
        <div class={s["acts"]}>
          {a.status === "scheduled" && item && (
            <Button onClick={() => void moving.change(a, { status: "confirmed" }, w.confirmed_(name))}>
              <Icon name="check" />
              {w.confirm}
            </Button>
          )}
          <Button onClick={() => void moving.change(a, { status: "cancelled" }, w.calledOff(name))}>{w.callOff}</Button>
        </div>
      ) : (
        !mayMove && <p class="quiet">{w.readOnly}</p>
      )}
    </aside>
  );
}
