import { addDays } from "../../lib/time";
import { anyOf, day, type Field, flag, oneOf, text } from "../../lib/url";

export const STATUSES = ["ringing", "in_progress", "completed", "missed", "voicemail", "failed"] as const;
export const BOOKINGS = ["booked", "not_booked", "service_not_offered"] as const;
export const DIRECTIONS = ["inbound", "outbound"] as const;

const number = (): Field<number> => ({ read: (t) => (/^\d{1,6}$/.test(t) ? Number(t) : undefined), write: String });
const ids = (): Field<string> => ({ read: (t) => (/^\d{1,16}(,\d{1,16}){0,99}$/.test(t) ? t : undefined), write: (v) => v });

/** All that a figure counts can stand in the address, so that a figure leads to its rows. */
export const fields = {
  status: anyOf(STATUSES),
  booking_status: anyOf(BOOKINGS),
  direction: oneOf(DIRECTIONS),
  answered: flag(),
  missed_call: flag(),
  analysed: flag(),
  qualified: flag(),
  lead_quality: anyOf(["hot", "warm", "cold", "unqualified"]),
  call_outcome_category: anyOf(["qualified_and_booked", "qualified_but_unbooked", "qualified_service_not_offered"]),
  objection: text(),
  owner_id: text(),
  source: text(),
  campaign: text(),
  tag: text(),
  duration_min: number(),
  contact_card_id: text(40),
  lead_id: text(40),
  phone: text(40),
  ids: ids(),
  search: text(100),
  date_from: day(),
  date_to: day(),
};
export type Filter = { [K in keyof typeof fields]?: (typeof fields)[K] extends Field<infer T> ? T : never };

export const PRESETS = ["today", "yesterday", "last7", "month"] as const;
export type Preset = (typeof PRESETS)[number];

/** A span of the company's days. */
export function spanOf(preset: Preset, today: string): { date_from: string; date_to: string } {
  switch (preset) {
    case "today":
      return { date_from: today, date_to: today };
    case "yesterday":
      return { date_from: addDays(today, -1), date_to: addDays(today, -1) };
    case "last7":
      return { date_from: addDays(today, -6), date_to: today };
    case "month":
      return { date_from: `${today.slice(0, 8)}01`, date_to: today };
  }
}

/** Which preset the address says, if it says one. */
export function presetOf(filter: Filter, today: string): Preset | undefined {
  return PRESETS.find((p) => {
    const s = spanOf(p, today);
    return s.date_from === filter.date_from && s.date_to === filter.date_to;
  });
}
