import { describe, expect, it } from "vitest";
import { momentOf } from "../../lib/time";
import { arrange, clockOfDue, GROUPS, groupOf, hold, nextOf, opensAt } from "./order";

const zone = "America/Phoenix";
const at = (minutes: number, day = "2026-12-01") => momentOf(day, minutes, zone);
const now = at(9 * 60 + 41);
const row = (id: string, due: number, stake: number) => ({
  id,
  due_at: new Date(due).toISOString(),
  since: new Date(due - 600_000).toISOString(),
  stake_cents: stake,
});

describe("the order of who waits", () => {
  it("goes by the clock, then by what is at stake", () => {
    const rows = [
      row("a", at(700), 5),
      row("b", at(500), 1),
      row("c", at(570), 9),
      row("d", at(590), 2),
      row("e", at(600, "2026-12-02"), 99),
    ];
    expect(arrange(rows, now, zone)).toEqual([
      { id: "c", group: "late" },
      { id: "b", group: "late" },
      { id: "d", group: "now" },
      { id: "a", group: "today" },
      { id: "e", group: "later" },
    ]);
  });
  it("is the same whatever order the rows come in, and holds each once", () => {
    const rows = Array.from({ length: 40 }, (_, n) => row(`r${n}`, now + ((n * 37) % 29) * 600_000 - 6_000_000, (n * 13) % 7));
    const once = arrange(rows, now, zone);
    expect(arrange([...rows].reverse(), now, zone)).toEqual(once);
    expect(new Set(once.map((p) => p.id)).size).toBe(40);
    const groups = once.map((p) => GROUPS.indexOf(p.group));
    expect(groups).toEqual([...groups].sort((a, b) => a - b));
  });
  it("due this very moment is not late yet", () => {
    expect([groupOf(now, now, zone), groupOf(now - 1, now, zone), groupOf(now + 3_600_000, now, zone)]).toEqual(["now", "late", "now"]);
  });
  it("stands still under the pointer: who leaves leaves, who is new is counted", () => {
    const before = [
      { id: "a", group: "now" as const },
      { id: "b", group: "now" as const },
      { id: "c", group: "today" as const },
    ];
    const wanted = [
      { id: "c", group: "late" as const },
      { id: "x", group: "now" as const },
      { id: "a", group: "now" as const },
    ];
    expect(hold(before, wanted)).toEqual({ places: [before[0], before[2]], changed: true, fresh: 1 });
    expect(hold(before, before)).toEqual({ places: before, changed: false, fresh: 0 });
  });
  it("gives the focus to the next when a row leaves", () => {
    expect([nextOf(["a", "b", "c"], "b"), nextOf(["a", "b", "c"], "c"), nextOf(["a"], "a")]).toEqual(["c", "b", undefined]);
  });
});

describe("clocks", () => {
  it("are late, soon or calm, and stand while the company is closed", () => {
    expect(clockOfDue(now - 60_000, now - 1, now, true).state).toBe("late");
    expect(clockOfDue(now - 60_000, now + 60_000, now, false)).toEqual({ state: "soon", left: 0.5, ms: 60_000 });
    expect(clockOfDue(now, now + 3_600_000, now, false).state).toBe("calm");
    expect(clockOfDue(now, now + 60_000, now, true).state).toBe("still");
  });
  it("say when the company opens", () => {
    const hours = {
      mon: [["08:00", "17:00"]],
      tue: [
        ["08:00", "12:00"],
        ["13:00", "17:00"],
      ],
      fri: [["22:00", "02:00"]],
    };
    expect(opensAt(at(9 * 60), zone, hours)).toBeUndefined();
    expect(opensAt(at(12 * 60), zone, hours)).toBe(at(13 * 60));
    expect(opensAt(at(18 * 60), zone, hours)).toBe(at(22 * 60, "2026-12-04"));
    expect(opensAt(at(60, "2026-12-05"), zone, hours)).toBeUndefined();
    expect(opensAt(at(0), zone, {})).toBeUndefined();
  });
});
