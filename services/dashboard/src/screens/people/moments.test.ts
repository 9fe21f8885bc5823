import { describe, expect, it } from "vitest";
import { byDay, countsOf, momentsOf } from "./moments";

const zone = "America/Phoenix";
const now = Date.parse("2026-11-28T17:00:00Z");
const call = (id: number, at: string, more = {}) => ({
  call_id: id,
  started_at: at,
  created_at: at,
  answered: true,
  status: "completed",
  ...more,
});
const text = (id: string, at: string) => ({ id, sent_at: at, direction: "inbound" });

function person(part: object): any {
  return { calls: [], messages: [], voicemails: [], appointments: [], tasks: [], leads: [], timeline: [], ...part };
}

describe("a person's timeline", () => {
  it("is one order of all kinds, whatever order the rows came in", () => {
    const rows = person({
      calls: [call(2, "2026-11-28T16:12:00Z"), call(1, "2026-11-28T01:48:00Z")],
      messages: [text("b", "2026-11-28T16:29:00Z"), text("a", "2026-11-28T01:50:00Z")],
      leads: [{ id: "l", created_at: "2026-11-28T16:12:00Z", closed_at: null }],
    });
    const order = ["call:1", "text:a", "call:2", "lead:l", "text:b"];
    expect(momentsOf(rows, [], now).map((m) => m.key)).toEqual(order);
    const turned = person({ ...rows, calls: [...rows.calls].reverse(), messages: [...rows.messages].reverse() });
    expect(momentsOf(turned, [], now).map((m) => m.key)).toEqual(order);
  });
  it("has days of the company's zone", () => {
    // 1:48 UTC on the 28th is the evening of the 27th in Phoenix
    const days = byDay(momentsOf(person({ calls: [call(1, "2026-11-28T01:48:00Z"), call(2, "2026-11-28T16:12:00Z")] }), [], now), zone);
    expect(days.map((d) => [d.day, d.moments.length])).toEqual([
      ["2026-11-27", 1],
      ["2026-11-28", 1],
    ]);
  });
  it("tells a voicemail with its call, once", () => {
    const voicemails = [{ id: "v", call_id: 1, created_at: "2026-11-28T01:49:00Z" }];
    const missed = momentsOf(
      person({ calls: [call(1, "2026-11-28T01:48:00Z", { answered: false, status: "voicemail" })], voicemails }),
      [],
      now,
    );
    expect(missed.map((m) => m.key)).toEqual(["voicemail:v"]);
    expect(missed[0]?.at).toBe(Date.parse("2026-11-28T01:48:00Z"));
    expect(momentsOf(person({ voicemails }), [], now)).toHaveLength(1);
  });
  it("has a visit when it was booked and when it was, and counts it once", () => {
    const visit = (start: string | null) =>
      person({ appointments: [{ id: "a", created_at: "2026-11-20T10:00:00Z", scheduled_start: start, status: "scheduled" }] });
    expect(momentsOf(visit("2026-11-27T16:00:00Z"), [], now).map((m) => m.what)).toEqual(["booked", "visit"]);
    expect(momentsOf(visit("2026-12-27T16:00:00Z"), [], now).map((m) => m.what)).toEqual(["booked"]);
    expect(momentsOf(visit(null), [], now).map((m) => m.what)).toEqual(["booked"]);
    expect(countsOf(momentsOf(visit("2026-11-27T16:00:00Z"), [], now)).visits).toBe(1);
  });
  it("has what was asked about texts, and what was taken back", () => {
    const optOut: any = { id: "o", opted_out_at: "2026-11-27T10:00:00Z", revoked_at: "2026-11-28T10:00:00Z" };
    expect(momentsOf(person({}), [optOut], now).map((m) => m.what)).toEqual(["optOut", "optIn"]);
  });
});
