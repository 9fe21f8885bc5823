import type { Schemas } from "../../api/client";
import { useAnswer } from "../../api/queries";
import { Bars, Chart } from "../../charts";
import { count, say } from "../../i18n";
import s from "./figures.module.css";
import { figure } from "./model";
import { daysOf, Frame, Panel, Tiles, usePeriod } from "./parts";
import { Reps } from "./people";
import { words } from "./words";

const SHOWN = ["total_appointments", "completed_appointments", "win_rate", "won_appointments", "lost_appointments"].map((k) => figure(k)!);

function Outcomes() {
  const w = say(words);
  const { period, along } = usePeriod();
  const asked = useAnswer<Schemas["ExecSales"]>("figures", "/api/v1/metrics/exec/sales", daysOf(period));
  return (
    <Panel asked={asked}>
      {(v) => {
        const rows = [
          { key: "won", name: w.wonVisits, value: v.won_appointments, href: `/figures/won_appointments${along}` },
          { key: "lost", name: w.lostVisits, value: v.lost_appointments, href: `/figures/lost_appointments${along}` },
          { key: "pending", name: w.openVisits, value: v.pending_appointments, href: `/figures/pending_appointments${along}` },
        ].map((r) => ({ ...r, shown: count(r.value) }));
        return (
          <Chart
            title={w.outcomes}
            sentence={
              v.total_appointments
                ? w.outcomesSaid(
                    count(v.total_appointments),
                    count(v.completed_appointments),
                    count(v.won_appointments),
                    count(v.lost_appointments),
                  )
                : w.outcomesNone
            }
            table={{ head: [w.step, w.number], rows: rows.map((r) => [{ text: r.name }, { text: r.shown, href: r.href }]) }}
          >
            {v.total_appointments ? <Bars bars={rows} /> : <p class={s["none"]}>{w.outcomesNone}</p>}
            <p class={s["remark"]}>
              <span class="quiet">{w.visitsUntold}</span>
            </p>
          </Chart>
        );
      }}
    </Panel>
  );
}

export default function Visits() {
  const w = say(words);
  return (
    <Frame>
      <Tiles figures={SHOWN} label={w.tabVisits} />
      <Reps />
      <Outcomes />
    </Frame>
  );
}
