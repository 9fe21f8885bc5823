import { useQueryClient } from "@tanstack/react-query";
import { useState } from "preact/hooks";
import { api, idempotencyKey, of } from "../../api/client";
import { useAnswer, useList } from "../../api/queries";
import { say } from "../../i18n";
import { phone } from "../../lib/phone";
import { useMe } from "../../me";
import { notice } from "../../ui";
import { words } from "./words";

export const REASONS = [
  "missed_call",
  "abandoned_call",
  "voicemail",
  "unanswered_text",
  "qualified_unbooked",
  "booked_without_time",
  "visit_without_outcome",
] as const;
export type Reason = (typeof REASONS)[number];
export const SELF = ["spoken", "answered", "replied", "booked", "lead_closed", "not_offered", "settled", "no_longer"] as const;

export interface Cause {
  reason: Reason;
  since: string;
  due_at: string;
  quality: string | null;
  call_id: number | null;
  message_id: string | null;
  appointment_id: string | null;
}

/** Somebody who waits: GET /api/v1/queue. */
export interface Waiting {
  id: string;
  contact_card_id: string;
  lead_id: string | null;
  call_id: number | null;
  reasons: Cause[];
  since: string;
  due_at: string;
  lead_quality: string | null;
  attempts: number;
  worth_cents: number | null;
  worth_from: "deal" | "median" | null;
  stake_cents: number;
  owner: { id: string; name: string | null } | null;
  snoozed_until: string | null;
  closed_at: string | null;
  closed_by: string | null;
  closed_why: string | null;
  won_cents: number | null;
  said: string | null;
  opted_out: boolean;
  contact: { id: string; primary_phone: string | null; first_name: string | null; last_name: string | null };
}

export interface Counts {
  waiting: number;
  late: number;
  due: number;
  mine: number;
  unanswered: number;
  snoozed: number;
  stake_cents: number;
  next_due_at: string | null;
}

export const nameOf = (r: Waiting): string =>
  [r.contact.first_name, r.contact.last_name].filter(Boolean).join(" ") || phone(r.contact.primary_phone);

export const useCounts = () => useAnswer<Counts>("counts", "/api/v1/counts" as never);

export function useQueue(query: Record<string, unknown>, limit = 100) {
  const found = useList("waiting", "/api/v1/queue" as never, query, { limit });
  return { ...found, items: found.items as Waiting[] };
}

export interface Acting {
  may: boolean;
  /** As it will be once the server has said yes; undefined: it leaves. */
  shown: (r: Waiting) => Waiting | undefined;
  claim: (r: Waiting) => void;
  release: (r: Waiting) => void;
  snooze: (r: Waiting, until: number, said: string) => void;
  close: (r: Waiting, why: string) => void;
}

export function useActing(leaving: (id: string) => void): Acting {
  const w = say(words);
  const me = useMe();
  const client = useQueryClient();
  const [pending, setPending] = useState<Record<string, Partial<Waiting> | "gone">>({});

  /** Shows at once; taken back with the reason if it is refused. */
  const send = async (
    r: Waiting,
    how: "POST" | "DELETE",
    what: string,
    part: Partial<Waiting> | "gone",
    body: object | undefined,
    said: string,
    undo?: () => void,
  ): Promise<void> => {
    setPending((p) => ({ ...p, [r.id]: part }));
    if (part === "gone") leaving(r.id);
    try {
      await of(
        (api as any)[how](`/api/v1/queue/{waiting_id}/${what}`, {
          params: { path: { waiting_id: r.id } },
          headers: { "Idempotency-Key": idempotencyKey() },
          ...(body ? { body } : {}),
        }),
      );
      notice(said, undo ? { label: w.undo, act: undo } : undefined);
      void client.invalidateQueries({ queryKey: ["counts"] });
      await client.invalidateQueries({ queryKey: ["waiting"] });
    } catch (e) {
      notice(e instanceof Error ? e.message : String(e));
      void client.invalidateQueries({ queryKey: ["waiting"] });
    } finally {
      setPending((p) => {
        const { [r.id]: _, ...rest } = p;
        return rest;
      });
    }
  };

  const name = (r: Waiting) => nameOf(r) || w.unknown;
  const release = (r: Waiting) => void send(r, "DELETE", "claim", { owner: null }, undefined, w.released(name(r)));
  return {
    may: ["csr", "manager"].includes(me.user.role ?? ""),
    shown: (r) => {
      const part = pending[r.id];
      return part === "gone" ? undefined : part ? { ...r, ...part } : r;
    },
    claim: (r) =>
      void send(r, "POST", "claim", { owner: { id: me.user.id, name: me.user.name } }, undefined, w.claimed(name(r)), () => release(r)),
    release,
    snooze: (r, until, said) =>
      void send(r, "POST", "snooze", "gone", { until: new Date(until).toISOString() }, w.snoozed(name(r), said), () =>
        send(r, "DELETE", "snooze", {}, undefined, w.reopened(name(r))),
      ),
    close: (r, why) =>
      void send(r, "POST", "close", "gone", { why }, w.closed(name(r)), () =>
        send(r, "POST", "reopen", {}, undefined, w.reopened(name(r))),
      ),
  };
}
