import { describe, expect, it } from "vitest";
import { addDays, weekday } from "../../lib/time";
import { daysBetween, periodOf, queryOf, RANGES } from "./period";

describe("days of figures", () => {
  it("are as many before, and end where these begin or on the same weekday", () => {
    for (let n = 0; n < 800; n += 1) {
      const today = addDays("2026-01-01", n);
      for (const range of RANGES) {
        const p = periodOf({ range }, today);
        expect(p.date_to).toBe(today);
        expect(daysBetween(p.date_from, p.date_to)).toBe(p.days);
        expect(daysBetween(p.before.date_from, p.before.date_to)).toBe(p.days);
        expect(p.before.date_to < p.date_from).toBe(true);
        if (range === "week") {
          expect(weekday(p.date_from)).toBe(0);
          expect(weekday(p.before.date_to)).toBe(weekday(p.date_to));
        } else expect(addDays(p.before.date_to, 1)).toBe(p.date_from);
      }
    }
  });
  it("are the last thirty unless the address says otherwise", () => {
    expect(periodOf({}, "2026-12-01")).toMatchObject({ range: "30", date_from: "2026-11-02", date_to: "2026-12-01", days: 30 });
    expect(periodOf({ range: "month" }, "2026-12-01")).toMatchObject({
      days: 1,
      before: { date_from: "2026-11-30", date_to: "2026-11-30" },
    });
  });
  it("take own days in either order, and one alone", () => {
    const p = periodOf({ date_from: "2026-11-10", date_to: "2026-11-01" }, "2026-12-01");
    expect(p).toMatchObject({
      range: "own",
      date_from: "2026-11-01",
      date_to: "2026-11-10",
      before: { date_from: "2026-10-22", date_to: "2026-10-31" },
    });
    expect(periodOf({ date_from: "2026-11-30" }, "2026-12-01")).toMatchObject({ days: 2 });
    expect(periodOf({ date_to: "2026-11-30" }, "2026-12-01")).toMatchObject({ days: 30 });
  });
  it("go along to other pages", () => {
    expect(queryOf({})).toBe("");
    expect(queryOf({ range: "7", by: "week" })).toBe("?range=7");
    expect(queryOf({ date_from: "2026-11-01", date_to: "2026-11-02" })).toBe("?date_from=2026-11-01&date_to=2026-11-02");
  });
});
