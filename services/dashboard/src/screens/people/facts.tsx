import { useState } from "preact/hooks";
import { Link } from "wouter";
import type { Schemas } from "../../api/client";
import { locale, say } from "../../i18n";
import { nameOf, placeOf } from "../../lib/person";
import { phone } from "../../lib/phone";
import { shown } from "../../lib/text";
import { dayOf, when, whenInFull } from "../../lib/time";
import { useMe, useZone } from "../../me";
import { Words } from "../../ui";
import type { OptOut } from "../../ui/texting/optouts";
import { Due, isOver, sourceOf, type Task, TaskDialog, Tick, useAhead } from "../../ui/todo";
import { WordTag } from "../../ui/words";
import s from "./people.module.css";
import { said, words } from "./words";

type Detail = Schemas["ContactDetail"];

function Row({ name, children }: { name: string; children: preact.ComponentChildren }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

/** The person's map, on phones their own app. */
function Address({ place }: { place: string }) {
  return (
    <a class="link" href={`https://maps.apple.com/?q=${encodeURIComponent(shown(place))}`} target="_blank" rel="noopener noreferrer">
      <Words>{place}</Words>
    </a>
  );
}

/** What a call told beside name, number and address, which stand above. */
const ELSEWHERE = new Set(["name", "phone", "address", "appointment_date", "appointment_time", "customer_name", "phone_number"]);

function told(entities: unknown): [string, string][] {
  if (typeof entities !== "object" || entities === null) return [];
  return Object.entries(entities)
    .filter(([k, v]) => !ELSEWHERE.has(k) && (typeof v === "number" || (typeof v === "string" && v.trim() !== "")))
    .slice(0, 12)
    .map(([k, v]) => [k, String(v)]);
}

function humane(key: string, w: { wants: string }): string {
  if (key === "service" || key === "service_type") return w.wants;
  const text = shown(key).replaceAll("_", " ");
  return text.slice(0, 1).toUpperCase() + text.slice(1, 24);
}

function FactsPart({ d, call }: { d: Detail; call: Schemas["CallDetail"] | undefined }) {
  const w = say(words);
  const zone = useZone();
  const first = d.calls.at(-1);
  const place = placeOf(d);
  const entities = told(call?.analysis?.entities);
  return (
    <section>
      <h2>{w.facts}</h2>
      <dl>
        <Row name={w.number}>
          <span class="num">{phone(d.primary_phone) || w.unknown}</span>
        </Row>
        {place && (
          <Row name={w.address}>
            <Address place={place} />
          </Row>
        )}
        {entities.map(([k, v]) => (
          <Row key={k} name={humane(k, w)}>
            <Words>{v}</Words>{" "}
            {call && (
              <Link
                class={s["evidence"] ?? ""}
                href={`/people/${d.id}?at=call:${call.call_id}`}
                title={w.call(when(call.started_at, zone, locale()))}
              >
                ▸ {when(call.started_at, zone, locale())}
              </Link>
            )}
          </Row>
        ))}
        {first?.source && (
          <Row name={w.cameBy}>
            <Words>{first.source}</Words>
          </Row>
        )}
        {first?.campaign && (
          <Row name={w.campaign}>
            <Words>{first.campaign}</Words>
          </Row>
        )}
        <Row name={w.knownSince}>
          <time dateTime={d.created_at} title={whenInFull(d.created_at, zone, locale())}>
            {when(d.created_at, zone, locale())}
          </time>
        </Row>
      </dl>
    </section>
  );
}

export function ownerOf(row: { assigned_rep_id: string | null; assigned_rep?: { name: string | null } | null }): string {
  return row.assigned_rep?.name ?? row.assigned_rep_id ?? "";
}

function LeadPart({ d }: { d: Detail }) {
  const w = say(words);
  const zone = useZone();
  const lead = d.leads[0];
  const t = (m: string) => (
    <time dateTime={m} title={whenInFull(m, zone, locale())}>
      {when(m, zone, locale())}
    </time>
  );
  return (
    <section>
      <h2>{w.leads}</h2>
      {lead ? (
        <dl>
          <Row name={w.state}>{said(w, lead.status)}</Row>
          <Row name={w.owner}>
            <Words>{ownerOf(lead) || w.nobody}</Words>
          </Row>
          <Row name={w.sinceLead}>{t(lead.created_at)}</Row>
          {lead.last_contacted_at && <Row name={w.contacted}>{t(lead.last_contacted_at)}</Row>}
          {lead.source && (
            <Row name={w.cameBy}>
              <Words>{lead.source}</Words>
            </Row>
          )}
        </dl>
      ) : (
        <p class="quiet">{w.noLead}</p>
      )}
      {d.leads.length > 1 && <small class="quiet">{w.formerLeads(d.leads.length - 1)}</small>}
    </section>
  );
}

function TasksPart({ d, add }: { d: Detail; add: (() => void) | undefined }) {
  const w = say(words);
  const [changing, change] = useState<Task | undefined>();
  const ahead = useAhead();
  const open = d.tasks.filter((t) => !isOver(t.status) || ahead.has(t.id)).sort((a, b) => ((a.due_at ?? "9") < (b.due_at ?? "9") ? -1 : 1));
  return (
    <section>
      <div class={s["line"]}>
        <h2>{w.tasks}</h2>
        {add && (
          <button type="button" class={s["add"]} onClick={add}>
            {w.add}
          </button>
        )}
      </div>
      {open.length === 0 ? (
        <p class="quiet">{w.noTasks}</p>
      ) : (
        <ul class={s["card"]}>
          {open.map((t) => (
            <li key={t.id} class={s["task"]} data-over={isOver(ahead.get(t.id) ?? t.status)}>
              <Tick task={t} readOnly={!add} />
              <div>
                {add ? (
                  <button type="button" class={s["what"]} onClick={() => change(t)}>
                    <Words>{t.description}</Words>
                  </button>
                ) : (
                  <Words>{t.description}</Words>
                )}
                <small>
                  <Due task={t} />
                  {[sourceOf(t), t.assignee?.name ?? ""].filter(Boolean).map((x) => (
                    <span key={x} class="quiet">
                      {", "}
                      <Words>{x}</Words>
                    </span>
                  ))}
                </small>
              </div>
            </li>
          ))}
        </ul>
      )}
      {changing && <TaskDialog task={changing} onClose={() => change(undefined)} />}
    </section>
  );
}

function AppointmentsPart({ d }: { d: Detail }) {
  const w = say(words);
  const zone = useZone();
  return (
    <section>
      <h2>{w.appointments}</h2>
      {d.appointments.length === 0 ? (
        <p class="quiet">{w.noAppointments}</p>
      ) : (
        <ul class={s["card"]}>
          {d.appointments.slice(0, 6).map((a) => (
            <li key={a.id} class={s["visit"]}>
              <b>
                {a.scheduled_start ? (
                  <Link class="link" href={`/calendar/day/${dayOf(Date.parse(a.scheduled_start), zone)}?at=${a.id}`}>
                    <time dateTime={a.scheduled_start} title={whenInFull(a.scheduled_start, zone, locale())}>
                      {when(a.scheduled_start, zone, locale())}
                    </time>
                  </Link>
                ) : (
                  w.needsTime
                )}
              </b>
              <WordTag word={a.outcome === "pending" ? a.status : a.outcome} names={w} />
              <small class="quiet">
                <Words>{[ownerOf(a), a.service_type, a.location_address].filter(Boolean).join(", ")}</Words>
              </small>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function TextingPart({ optOuts, known }: { optOuts: readonly OptOut[]; known: boolean }) {
  const w = say(words);
  const zone = useZone();
  const active = optOuts.some((o) => o.revoked_at === null);
  return (
    <section>
      <h2>{w.mayWeText}</h2>
      <div class={s["card"]}>
        {known ? active ? <b class={s["no"]}>{w.no}</b> : w.yes : <span class="quiet">{w.notTold}</span>}
        {optOuts.length > 0 && (
          <ul class={s["ledger"]}>
            {optOuts.map((o) => (
              <li key={o.id}>
                <small>
                  {w.askedStop(said(w, `how_${o.source}`), when(o.opted_out_at, zone, locale()))}
                  {o.revoked_at && `, ${w.tookBack(when(o.revoked_at, zone, locale()))}`}
                  {o.reason && (
                    <>
                      {": "}
                      <Words>{o.reason}</Words>
                    </>
                  )}
                </small>
              </li>
            ))}
          </ul>
        )}
      </div>
    </section>
  );
}

export function Facts({
  d,
  call,
  optOuts,
  known,
}: {
  d: Detail;
  /** The call whose analysis told the facts. */
  call: Schemas["CallDetail"] | undefined;
  optOuts: readonly OptOut[];
  known: boolean;
}) {
  const me = useMe();
  const [adding, add] = useState(false);
  const writes = me.user.role !== "executive";
  return (
    <>
      <FactsPart d={d} call={call} />
      <LeadPart d={d} />
      <TasksPart d={d} add={writes ? () => add(true) : undefined} />
      <AppointmentsPart d={d} />
      <TextingPart optOuts={optOuts} known={known} />
      {adding && (
        <TaskDialog
          contact={{ id: d.id, name: nameOf(d) || phone(d.primary_phone), lead: d.leads.find((l) => !l.closed_at)?.id }}
          onClose={() => add(false)}
        />
      )}
    </>
  );
}
