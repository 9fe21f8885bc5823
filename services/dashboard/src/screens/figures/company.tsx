import { Redirect } from "wouter";
import { say } from "../../i18n";
import { figure } from "./model";
import { FromCallToJob, Objections, Trend, WhereToLook } from "./panels";
import { Frame, Tiles, useOwn, usePeriod } from "./parts";
import { words } from "./words";

const SHOWN = ["sales_output_amount", "booking_rate", "win_rate", "missed_call_recovery", "qualified_but_unbooked_calls"].map(
  (k) => figure(k)!,
);

export default function Company() {
  const w = say(words);
  const { along } = usePeriod();
  if (useOwn()) return <Redirect to={`/figures/calls${along}`} replace />;
  return (
    <Frame coverage>
      <Tiles figures={SHOWN} label={w.tabCompany} />
      <Trend />
      <FromCallToJob />
      <WhereToLook />
      <Objections />
    </Frame>
  );
}
