import { describe, expect, it } from "vitest";
import { addDays, dayOf, duration, minutesOf, momentOf, weekday } from "./time";

const ZONES = ["America/New_York", "America/Phoenix", "America/St_Johns", "Australia/Lord_Howe", "Europe/Zurich", "UTC"];

describe("days and clocks of a zone", () => {
  it("finds the moment that a clock shows, and back, through a year with its changes of clocks", () => {
    for (const zone of ZONES)
      for (let n = 0; n < 366; n += 1) {
        const day = addDays("2026-01-01", n);
        for (const minutes of [0, 150, 719, 1439]) {
          const at = momentOf(day, minutes, zone);
          const skipped = minutes === 150 && minutesOf(at, zone) !== minutes; // an hour that the day does not have
          if (!skipped) expect([zone, dayOf(at, zone), minutesOf(at, zone)]).toEqual([zone, day, minutes]);
        }
      }
  });
  it("has days of 23 and 25 hours", () => {
    const hours = (day: string) => (momentOf(addDays(day, 1), 0, "America/New_York") - momentOf(day, 0, "America/New_York")) / 3_600_000;
    expect(hours("2026-03-08")).toBe(23);
    expect(hours("2026-11-01")).toBe(25);
    expect(hours("2026-11-02")).toBe(24);
  });
  it("takes the first of two equal hours", () => {
    const at = momentOf("2026-11-01", 90, "America/New_York");
    expect(new Date(at).toISOString()).toBe("2026-11-01T05:30:00.000Z");
  });
  it("counts days, not hours", () => {
    expect(addDays("2026-03-07", 2)).toBe("2026-03-09");
    expect(addDays("2028-02-28", 1)).toBe("2028-02-29");
    expect(weekday("2026-12-01")).toBe(1);
  });
  it("says how long something lasted", () => {
    expect([0, 59.9, 60, 183, 4000, null].map(duration)).toEqual(["0:00", "0:59", "1:00", "3:03", "1:06:40", "–"]);
  });
});
