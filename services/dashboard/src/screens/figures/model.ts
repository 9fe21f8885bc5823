import type { Schemas } from "../../api/client";
import type { Words } from "./words";

// What is counted, out of which answer, and which list holds the very rows. The lists are the contract's (x-list of
// proto-schemas/http/metrics.yaml); model.test.ts compares them.

export interface Answers {
  csr?: Schemas["CsrOverview"] | undefined;
  company?: Schemas["CompanyOverview"] | undefined;
  sales?: Schemas["ExecSales"] | undefined;
  recovery?: Schemas["MissedCallRecovery"] | undefined;
}
export type Source = keyof Answers;
export type Unit = "count" | "rate" | "money" | "score";

/** Rows that a figure counts: how many there must be, and where they are. */
export interface Part {
  name: keyof Words & string;
  count: (a: Answers) => number | null;
  /** Schema and field of the contract, whose x-list it is, or a list that the contract does not name. */
  of?: string;
  list: string;
}
export interface Figure {
  key: string;
  title: keyof Words & string;
  unit: Unit;
  /** Which way is better; none: neither. */
  better?: "more" | "less";
  from: Source[];
  value: (a: Answers) => number | null;
  /** How many cases a rate stands on. */
  base?: (a: Answers) => number | null;
  /** Why there is none. */
  why?: keyof Words & string;
  parts: Part[];
  /** Nothing of a window of days: as it is now. */
  now?: boolean;
  /** The whole company's, even for a csr. */
  all?: boolean;
}

const CALLS = "/api/v1/calls?direction=inbound";
const DAYS = "&date_from={date_from}&date_to={date_to}";
const QUALIFIED = `${CALLS}&lead_quality=hot,warm,cold`;

const csr = (field: keyof Schemas["CsrOverview"]) => (a: Answers) => (a.csr?.[field] as number | null | undefined) ?? null;
const company = (field: keyof Schemas["CompanyOverview"]) => (a: Answers) => (a.company?.[field] as number | null | undefined) ?? null;
const sales = (field: keyof Schemas["ExecSales"]) => (a: Answers) => (a.sales?.[field] as number | null | undefined) ?? null;
export const share = (part: number | null | undefined, whole: number | null | undefined) => (part != null && whole ? part / whole : null);

const part = (name: Part["name"], count: Part["count"], list: string, of?: string): Part => ({ name, count, list, ...(of ? { of } : {}) });
const QUALIFIED_PART = part("qualifiedCalls", csr("qualified_calls"), QUALIFIED + DAYS, "CsrOverview.qualified_calls");
const TOTAL_PART = part("inboundCalls", csr("total_calls"), CALLS + DAYS, "CsrOverview.total_calls");
const ANALYSED_PART = part("analysedCalls", csr("analysed_calls"), `${CALLS}&analysed=true${DAYS}`, "CsrOverview.analysed_calls");
const MISSED_LIST = `${CALLS}&missed_call=true${DAYS}`;
const COMPLETED_PART = part(
  "completedVisits",
  sales("completed_appointments"),
  `/api/v1/appointments?status=completed${DAYS}`,
  "ExecSales.completed_appointments",
);

export const FIGURES: Figure[] = [
  {
    key: "sales_output_amount",
    title: "won",
    unit: "money",
    better: "more",
    from: ["company"],
    value: company("sales_output_amount"),
    parts: [
      part("wonJobs", company("total_closed_deals"), `/api/v1/appointments?outcome=won${DAYS}`, "CompanyOverview.total_closed_deals"),
    ],
  },
  {
    key: "booking_rate",
    title: "bookingRate",
    unit: "rate",
    better: "more",
    from: ["csr"],
    value: csr("booking_rate"),
    base: csr("qualified_calls"),
    why: "noneQualified",
    parts: [
      part("bookedCalls", csr("booked_calls"), `${QUALIFIED}&booking_status=booked${DAYS}`, "CsrOverview.booked_calls"),
      QUALIFIED_PART,
    ],
  },
  {
    key: "win_rate",
    title: "winRate",
    unit: "rate",
    better: "more",
    from: ["sales"],
    value: sales("team_win_rate"),
    base: sales("completed_appointments"),
    why: "noneCompleted",
    parts: [
      part(
        "wonVisits",
        (a) => (a.sales?.team_win_rate == null ? 0 : Math.round(a.sales.team_win_rate * a.sales.completed_appointments)),
        `/api/v1/appointments?status=completed&outcome=won${DAYS}`,
      ),
      COMPLETED_PART,
    ],
  },
  {
    key: "missed_call_recovery",
    title: "wonBack",
    unit: "rate",
    better: "more",
    from: ["recovery"],
    value: (a) => share(a.recovery?.metrics.saved_calls_count, a.recovery?.metrics.missed_calls_count),
    base: (a) => a.recovery?.metrics.missed_calls_count ?? null,
    why: "noneMissed",
    parts: [part("missedCalls", (a) => a.recovery?.metrics.missed_calls_count ?? null, MISSED_LIST, "CsrOverview.missed_calls")],
    all: true,
  },
  {
    key: "qualified_but_unbooked_calls",
    title: "notBooked",
    unit: "count",
    better: "less",
    from: ["csr"],
    value: csr("qualified_but_unbooked_calls"),
    parts: [
      part(
        "notBookedCalls",
        csr("qualified_but_unbooked_calls"),
        `${QUALIFIED}&booking_status=not_booked${DAYS}`,
        "CsrOverview.qualified_but_unbooked_calls",
      ),
    ],
  },
  { key: "total_calls", title: "calls", unit: "count", from: ["csr"], value: csr("total_calls"), parts: [TOTAL_PART] },
  {
    key: "answered_calls",
    title: "answered",
    unit: "count",
    better: "more",
    from: ["csr"],
    value: csr("answered_calls"),
    parts: [part("answeredCalls", csr("answered_calls"), `${CALLS}&answered=true${DAYS}`, "CsrOverview.answered_calls")],
  },
  {
    key: "missed_calls",
    title: "missed",
    unit: "count",
    better: "less",
    from: ["csr"],
    value: csr("missed_calls"),
    parts: [part("missedCalls", csr("missed_calls"), MISSED_LIST, "CsrOverview.missed_calls")],
  },
  { key: "analysed_calls", title: "analysed", unit: "count", from: ["csr"], value: csr("analysed_calls"), parts: [ANALYSED_PART] },
  {
    key: "qualified_rate",
    title: "qualifiedRate",
    unit: "rate",
    from: ["csr"],
    value: csr("qualified_rate"),
    base: csr("total_calls"),
    why: "noneCalled",
    parts: [QUALIFIED_PART, TOTAL_PART],
  },
  {
    key: "service_not_offered_rate",
    title: "notOffered",
    unit: "rate",
    from: ["csr"],
    value: csr("service_not_offered_rate"),
    base: csr("qualified_calls"),
    why: "noneQualified",
    parts: [
      part(
        "notOfferedCalls",
        csr("service_not_offered_calls"),
        `${QUALIFIED}&booking_status=service_not_offered${DAYS}`,
        "CsrOverview.service_not_offered_calls",
      ),
      QUALIFIED_PART,
    ],
  },
  {
    key: "avg_compliance_score",
    title: "script",
    unit: "score",
    better: "more",
    from: ["csr"],
    value: csr("avg_compliance_score"),
    base: csr("analysed_calls"),
    why: "noneAnalysed",
    parts: [ANALYSED_PART],
  },
  {
    key: "open_followups",
    title: "followups",
    unit: "count",
    from: ["csr"],
    value: csr("open_followups"),
    parts: [part("openTasks", csr("open_followups"), "/api/v1/tasks?status=open,overdue&assigned_to=csr", "CsrOverview.open_followups")],
    now: true,
  },
  {
    key: "overdue_followups",
    title: "overdue",
    unit: "count",
    better: "less",
    from: ["csr"],
    value: csr("overdue_followups"),
    parts: [part("overdueTasks", csr("overdue_followups"), "/api/v1/tasks?overdue=true&assigned_to=csr", "CsrOverview.overdue_followups")],
    now: true,
  },
  {
    key: "pending_leads_count",
    title: "pendingLeads",
    unit: "count",
    from: ["csr"],
    value: csr("pending_leads_count"),
    parts: [
      part("leads", csr("pending_leads_count"), "/api/v1/leads?status=qualified_unbooked,warm,hot", "CsrOverview.pending_leads_count"),
    ],
    now: true,
    all: true,
  },
  {
    key: "total_leads",
    title: "leads",
    unit: "count",
    better: "more",
    from: ["company"],
    value: company("total_leads"),
    parts: [part("leads", company("total_leads"), `/api/v1/leads?${DAYS.slice(1)}`, "CompanyOverview.total_leads")],
  },
  {
    key: "qualified_leads",
    title: "qualifiedLeads",
    unit: "count",
    better: "more",
    from: ["company"],
    value: company("qualified_leads"),
    parts: [part("qualifiedLeads", company("qualified_leads"), `/api/v1/leads?qualified=true${DAYS}`, "CompanyOverview.qualified_leads")],
  },
  {
    key: "total_appointments",
    title: "appointments",
    unit: "count",
    better: "more",
    from: ["sales"],
    value: sales("total_appointments"),
    parts: [part("appointments", sales("total_appointments"), `/api/v1/appointments?${DAYS.slice(1)}`, "ExecSales.total_appointments")],
  },
  {
    key: "completed_appointments",
    title: "visited",
    unit: "count",
    better: "more",
    from: ["sales"],
    value: sales("completed_appointments"),
    parts: [COMPLETED_PART],
  },
  {
    key: "won_appointments",
    title: "wonVisits",
    unit: "count",
    better: "more",
    from: ["sales"],
    value: sales("won_appointments"),
    parts: [part("wonJobs", sales("won_appointments"), `/api/v1/appointments?outcome=won${DAYS}`, "ExecSales.won_appointments")],
  },
  {
    key: "lost_appointments",
    title: "lostVisits",
    unit: "count",
    better: "less",
    from: ["sales"],
    value: sales("lost_appointments"),
    parts: [part("lostVisits", sales("lost_appointments"), `/api/v1/appointments?outcome=lost${DAYS}`, "ExecSales.lost_appointments")],
  },
  {
    key: "pending_appointments",
    title: "openVisits",
    unit: "count",
    from: ["sales"],
    value: sales("pending_appointments"),
    parts: [
      part(
        "openVisits",
        sales("pending_appointments"),
        `/api/v1/appointments?outcome=pending&status=scheduled,confirmed,completed${DAYS}`,
        "ExecSales.pending_appointments",
      ),
    ],
  },
];

export const figure = (key: string): Figure | undefined => FIGURES.find((f) => f.key === key);

export type ListPath = "/api/v1/calls" | "/api/v1/leads" | "/api/v1/appointments" | "/api/v1/tasks";
export interface List {
  path: ListPath;
  query: Record<string, string>;
}

/** A list of the contract with its days; a csr's own rows are those that are theirs or nobody's. */
export function listOf(template: string, days: { date_from: string; date_to: string }, own?: string): List {
  const [path, search = ""] = template.split("?");
  const query: Record<string, string> = {};
  for (const [name, value] of new URLSearchParams(search))
    query[name] = value.replace(/^\{(\w+)\}$/, (_, word: "date_from" | "date_to") => days[word] ?? "");
  if (own && path === "/api/v1/calls") query["owner_id"] = `${own},none`;
  if (own && path === "/api/v1/tasks") query["assignee_id"] = `${own},none`;
  return { path: path as ListPath, query };
}

/** The page of calls with these filters. */
export function callsAt(query: Record<string, string | undefined>): string {
  const out = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value) out.set(name, value);
  return `/calls?${out.toString().replaceAll("%2C", ",")}`;
}

/** Rates of fewer cases than these say little. */
export const FEW = 10;

/** How far a figure went since the period before; none when either is unknown. */
export function change(now: number | null, before: number | null, unit: Unit): number | null {
  if (now === null || before === null) return null;
  const by = now - before;
  if (unit === "rate") return Math.round(now * 100) - Math.round(before * 100);
  return unit === "score" ? Math.round(by * 10) / 10 : by;
}

/** Of some steps, each of which is a part of the one before it, the one that the fewest reach. */
export function worstStep(values: readonly number[], steps: readonly number[]): number | undefined {
  let at: number | undefined;
  let least = 1;
  for (const i of steps) {
    const kept = values[i - 1]! > 0 ? values[i]! / values[i - 1]! : 1;
    if (kept < least) {
      least = kept;
      at = i;
    }
  }
  return at;
}
