import type { Schemas } from "../../api/client";

type Message = Schemas["MessageItem"];

export interface Thread {
  contact: string;
  person: Message["contact"];
  number: string;
  last: Message;
  /** Since when they wait for an answer: the first text that came in after our last. */
  waitsSince: string | undefined;
}

/** What a person's machine says by itself needs no answer. */
const STOPS = /^\s*(stop|stopall|unsubscribe|cancel|end|quit|arret|alto|start|unstop|help)\s*[.!]*\s*$/i;

export const needsNoAnswer = (body: string | null): boolean => STOPS.test(body ?? "");

/** Conversations of the texts that were read, who waits first, the longest wait on top; then the newest. */
export function threadsOf(messages: readonly Message[]): Thread[] {
  const by = new Map<string, Thread & { answered: boolean }>();
  // the newest first, as the list gives them; sorted again, since pages may overlap
  for (const m of [...messages].sort((a, b) => (a.sent_at < b.sent_at ? 1 : a.sent_at > b.sent_at ? -1 : a.id < b.id ? 1 : -1))) {
    if (!m.contact_card_id) continue;
    const inbound = m.direction === "inbound";
    const seen = by.get(m.contact_card_id);
    if (!seen) {
      by.set(m.contact_card_id, {
        contact: m.contact_card_id,
        person: m.contact,
        number: (inbound ? m.from_number : m.to_number) ?? m.contact?.primary_phone ?? "",
        last: m,
        waitsSince: inbound && !needsNoAnswer(m.body) ? m.sent_at : undefined,
        answered: !inbound || needsNoAnswer(m.body),
      });
    } else if (!inbound) seen.answered = true;
    else if (!seen.answered && !needsNoAnswer(m.body)) seen.waitsSince = m.sent_at;
  }
  return [...by.values()]
    .sort((a, b) => {
      if (a.waitsSince && b.waitsSince) return a.waitsSince < b.waitsSince ? -1 : 1;
      if (a.waitsSince || b.waitsSince) return a.waitsSince ? -1 : 1;
      return a.last.sent_at < b.last.sent_at ? 1 : -1;
    })
    .map(({ answered: _, ...thread }) => thread);
}
