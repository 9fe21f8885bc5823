import { beforeAll, describe, expect, it, vi } from "vitest";
import { delivery } from "./delivery";

beforeAll(() => vi.stubGlobal("document", { documentElement: { dataset: { language: "en" } } }));

describe("what became of a text", () => {
  const sent = { direction: "outbound", status: "delivered" };
  it("is said in words, with the cause if it did not arrive", () => {
    expect(delivery(sent)).toBe("delivered");
    expect(delivery({ ...sent, status: "undelivered", error_code: "30006", error_message: "Landline or unreachable carrier" })).toBe(
      "not delivered: no mobile number",
    );
    expect(delivery({ ...sent, status: "failed", error_code: "99999", error_message: "Something else" })).toBe("not sent: Something else");
    expect(delivery({ ...sent, status: "failed", error_code: "99999" })).toBe("not sent: the provider's error 99999");
    expect(delivery({ ...sent, status: "failed" })).toBe("not sent");
  });
  it("says why one waits, and when nobody knows", () => {
    expect(delivery({ ...sent, status: "queued", paused_why: "the number's pace" })).toBe("waits: the number's pace");
    expect(delivery({ ...sent, status: "sent", status_unknown: true })).toBe("the provider never said how it ended");
  });
  it("says nothing of what came in", () => {
    expect(delivery({ direction: "inbound", status: "received" })).toBe("");
  });
});
