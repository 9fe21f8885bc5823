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
import { figure } from "./model";
import { Objections, Recovery, Trend } from "./panels";
import { daysOf, Frame, Panel, Tiles, useOwn, usePeriod } from "./parts";
import { words } from "./words";

const SHOWN = ["total_calls", "missed_calls", "qualified_rate", "booking_rate", "avg_compliance_score"].map((k) => figure(k)!);
const TO_DO = ["qualified_but_unbooked_calls", "missed_call_recovery", "open_followups", "overdue_followups", "pending_leads_count"].map(
  (k) => figure(k)!,
);

function Unbooked() {
  const w = say(words);
  const zone = useZone();
  const { period, along } = usePeriod();
  const asked = useAnswer<{ items: Schemas["UnbookedCall"][]; total?: number }>("figures", "/api/v1/metrics/csr/unbooked-appointments", {
    ...daysOf(period),
    limit: 6,
  });
  return (
    <Panel asked={asked}>
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
              <li key={c.call_id}>
                <Link href={`/calls/${c.call_id}`}>
                  <b>
                    <Words>{c.customer_name || phone(c.phone) || w.unknown}</Words>
                  </b>
                  <span class="soft">
                    <Words>{c.primary_objection}</Words>
                  </span>
                  <WordTag word={c.qualification_status} names={w} />
                  <time class="quiet" dateTime={c.created_at} title={whenInFull(c.created_at, zone)}>
                    {when(c.created_at, zone)}
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
