import { Link } from "wouter";
import type { Schemas } from "../../api/client";
import { useAnswer } from "../../api/queries";
import { count, say } from "../../i18n";
import { phone } from "../../lib/phone";
import { when, whenInFull } from "../../lib/time";
import { useZone } from "../../me";
import { Words } from "../../ui";
import { WordTag } from "../../ui/words";
import s from "./figures.module.css";
import { figure, listOf } from "./model";
import { Objections, Recovery, Trend } from "./panels";
import { daysOf, Frame, Panel, Tiles, useOwn, usePeriod } from "./parts";
import { words } from "./words";

const SHOWN = ["total_calls", "missed_calls", "qualified_rate", "booking_rate", "avg_compliance_score"].map((k) => figure(k)!);
const TO_DO = ["qualified_but_unbooked_calls", "missed_call_recovery", "open_followups", "overdue_followups", "pending_leads_count"].map(
  (k) => figure(k)!,
);

interface Short {
  id: number;
  name: string;
  said: string | null;
  at: string;
  quality?: string;
}

/** The newest of them: the company's with what they objected; a csr's own as the list of calls has them. */
function useUnbooked() {
  const own = useOwn();
  const { period } = usePeriod();
  const list = listOf(figure("qualified_but_unbooked_calls")!.parts[0]!.list, period, own);
  const all = useAnswer<{ items: Schemas["UnbookedCall"][]; total?: number }>(
    "figures",
    "/api/v1/metrics/csr/unbooked-appointments",
    { ...daysOf(period), limit: 6 },
    !own,
  );
  const mine = useAnswer<{ items: Schemas["CallItem"][]; total?: number }>(
    "figures",
    "/api/v1/calls",
    { ...list.query, sort: "-started_at", limit: 6 },
    Boolean(own),
  );
  const asked = own ? mine : all;
  const items: Short[] = own
    ? (mine.data?.items ?? []).map((c) => ({
        id: c.call_id,
        name: [c.contact.first_name, c.contact.last_name].filter(Boolean).join(" ") || phone(c.phone_number),
        said: c.note ?? c.source,
        at: c.started_at ?? "",
      }))
    : (all.data?.items ?? []).map((c) => ({
        id: c.call_id,
        name: c.customer_name || phone(c.phone),
        said: c.primary_objection,
        at: c.created_at,
        quality: c.qualification_status,
      }));
  return { ...asked, data: asked.data && { items, total: asked.data.total } };
}

function Unbooked() {
  const w = say(words);
  const zone = useZone();
  const { along } = usePeriod();
  return (
    <Panel asked={useUnbooked()}>
      {({ items, total }) => (
        <>
          <div class={s["head"]}>
            <h2>{w.unbooked}</h2>
            {items.length > 0 && (
              <Link href={`/figures/qualified_but_unbooked_calls${along}`}>{w.allOfThem(count(total ?? items.length))}</Link>
            )}
          </div>
          {items.length === 0 && <p class={s["none"]}>{w.unbookedNone}</p>}
          <ul class={s["short"]}>
            {items.map((c) => (
              <li key={c.id}>
                <Link href={`/calls/${c.id}`}>
                  <b>
                    <Words>{c.name || w.unknown}</Words>
                  </b>
                  <span class="soft">
                    <Words>{c.said}</Words>
                  </span>
                  <span>
                    <WordTag word={c.quality} names={w} />
                  </span>
                  <time class="quiet" dateTime={c.at} title={whenInFull(c.at, zone)}>
                    {when(c.at, zone)}
                  </time>
                </Link>
              </li>
            ))}
          </ul>
        </>
      )}
    </Panel>
  );
}

export default function CallFigures() {
  const w = say(words);
  const own = useOwn();
  return (
    <Frame coverage>
      {own && <p class={s["whose"]}>{w.ownNote}</p>}
      <Tiles figures={SHOWN} label={w.tabCalls} />
      <Trend />
      <Objections most={8} />
      <Tiles figures={TO_DO} label={w.followups} />
      <Unbooked />
      <Recovery />
    </Frame>
  );
}
