import { describe, expect, it } from "vitest";
import { needsNoAnswer, threadsOf } from "./threads";

let n = 0;
const text = (contact: string | null, direction: "inbound" | "outbound", minute: number, body = "hello"): any => ({
  id: `m${n++}`,
  contact_card_id: contact,
  contact: contact ? { id: contact } : null,
  direction,
  body,
  from_number: direction === "inbound" ? "+15205550148" : "+15205232772",
  to_number: direction === "inbound" ? "+15205232772" : "+15205550148",
  sent_at: `2026-11-28T16:${String(minute).padStart(2, "0")}:00Z`,
});

describe("conversations", () => {
  it("have who waits on top, the longest wait first, then the newest", () => {
    const found = threadsOf([
      text("answered late", "outbound", 50),
      text("waits short", "inbound", 40),
      text("answered", "outbound", 30),
      text("answered", "inbound", 29),
      text("waits long", "inbound", 20),
      text("waits long", "inbound", 10),
      text("waits long", "outbound", 5),
    ]);
    expect(found.map((t) => t.contact)).toEqual(["waits long", "waits short", "answered late", "answered"]);
    expect(found[0]?.waitsSince).toBe("2026-11-28T16:10:00Z");
    expect(found[0]?.last.sent_at).toBe("2026-11-28T16:20:00Z");
    expect(found[2]?.waitsSince).toBeUndefined();
  });
  it("are the same in whatever order the texts came", () => {
    const texts = [text("a", "inbound", 1), text("b", "inbound", 2), text("a", "outbound", 3), text("b", "inbound", 4)];
    const once = threadsOf(texts);
    expect(threadsOf([...texts].reverse())).toEqual(once);
    expect(threadsOf([...texts, ...texts])).toEqual(once);
  });
  it("wait for nobody who only wrote STOP", () => {
    expect(threadsOf([text("a", "inbound", 2, "STOP")])[0]?.waitsSince).toBeUndefined();
    expect(threadsOf([text("a", "inbound", 2, " stop! "), text("a", "inbound", 1, "when?")])[0]?.waitsSince).toBeUndefined();
    expect(needsNoAnswer("please stop by at nine")).toBe(false);
    expect(needsNoAnswer(null)).toBe(false);
  });
  it("are of people: a text of nobody's is none", () => {
    expect(threadsOf([text(null, "inbound", 1)])).toEqual([]);
  });
});
