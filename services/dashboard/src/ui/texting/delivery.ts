import { say } from "../../i18n";
import { words } from "./words";

export interface Delivered {
  direction: string;
  status: string;
  automatic?: boolean;
  error_code?: string | null;
  error_message?: string | null;
  paused_why?: string | null;
  status_unknown?: boolean;
}

/** What became of a text, in words: "not delivered: no mobile number". */
export function delivery(m: Delivered): string {
  const w = say(words);
  if (m.direction === "inbound") return "";
  if (m.paused_why) return w.waitsBecause(m.paused_why);
  if (m.status_unknown) return w.unknownEnd;
  const said = (w as unknown as Record<string, unknown>)[m.status];
  const state = typeof said === "string" ? said : m.status;
  if (m.status !== "failed" && m.status !== "undelivered") return state;
  const known = m.error_code ? (w as unknown as Record<string, unknown>)[`e${m.error_code}`] : undefined;
  const why = typeof known === "string" ? known : m.error_message || (m.error_code ? w.code(m.error_code) : "");
  return why ? w.because(state, why) : state;
}

export const wentWrong = (m: Delivered): boolean => m.direction === "outbound" && (m.status === "failed" || m.status === "undelivered");
