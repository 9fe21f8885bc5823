import { describe, expect, it } from "vitest";
import {
  dayStretch,
  freeTimes,
  linesOf,
  onDay,
  openOn,
  overlap,
  partOn,
  realDay,
  STEP_MS,
  sideBySide,
  snap,
  step,
  stretchOf,
  weekOf,
} from "./calendar";
import { addDays, dayOf, minutesOf, momentOf } from "./time";

const ZONES = ["America/New_York", "America/Phoenix", "Australia/Lord_Howe", "America/St_Johns", "UTC"];
const HOUR = 3_600_000;

/** Clocks are changed in these months; another day is like the next. */
const DAYS = ["2026-03-01", "2026-04-01", "2026-10-01", "2026-10-31", "2026-12-30"].flatMap((from) =>
  Array.from({ length: 16 }, (_, n) => addDays(from, n)),
);

/** Numbers that are the same in each run. */
function dice(seed: number): (below: number) => number {
  let s = seed;
  return (below) => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    return Math.floor((s / 2 ** 32) * below);
  };
}

describe("lines of a day", () => {
  it("are as many as the day has hours", () => {
    const count = (day: string, zone: string) => linesOf(day, zone).length;
    expect(count("2026-03-08", "America/New_York")).toBe(23);
    expect(count("2026-11-01", "America/New_York")).toBe(25);
    expect(count("2026-03-08", "America/Phoenix")).toBe(24);
    expect(count("2026-10-04", "Australia/Lord_Howe")).toBe(24); // 23 h 30
    expect(count("2026-04-05", "Australia/Lord_Howe")).toBe(25); // 24 h 30: the half hour from 1:30 comes twice
    const twice = linesOf("2026-11-01", "America/New_York").filter((l) => l.minutes === 60);
    expect(twice.map((l) => l.again)).toEqual([false, true]);
    expect(linesOf("2026-03-08", "America/New_York").map((l) => l.minutes)).not.toContain(120);
  });
  it("rise, begin with the day, and lie in it, on each day", () => {
    for (const zone of ZONES)
      for (const day of DAYS) {
        const { start, end } = dayStretch(day, zone);
        const lines = linesOf(day, zone);
        expect(lines[0]!.at).toBe(start);
        expect(lines.at(-1)!.at).toBeLessThan(end);
        expect(lines.every((l, i) => i === 0 || l.at > lines[i - 1]!.at)).toBe(true);
        expect([23, 24, 25]).toContain(lines.length);
      }
  });
  it("days follow each other without a gap", () => {
    for (const zone of ZONES)
      for (const day of DAYS) {
        expect(dayStretch(day, zone).end).toBe(dayStretch(addDays(day, 1), zone).start);
      }
  });
});

describe("moving", () => {
  it("never leaves the day it was put on, and lands on a quarter", () => {
    const roll = dice(7);
    for (let n = 0; n < 400; n += 1) {
      const zone = ZONES[roll(ZONES.length)]!;
      const day = DAYS[roll(DAYS.length)]!;
      const { start, end } = dayStretch(day, zone);
      const at = snap(start - 2 * HOUR + roll(28 * 60) * 60_000, day, zone);
      expect(dayOf(at, zone)).toBe(day);
      expect((at - start) % STEP_MS).toBe(0);
      const next = step(at, roll(9) - 4, zone);
      expect(dayOf(next, zone)).toBe(day);
      expect(next).toBeLessThan(end);
    }
  });
  it("a step there and back is where it was, also over a change of clocks", () => {
    for (const [day, zone] of [
      ["2026-03-08", "America/New_York"],
      ["2026-11-01", "America/New_York"],
      ["2026-04-05", "Australia/Lord_Howe"],
      ["2026-10-04", "Australia/Lord_Howe"],
    ] as const) {
      const { start, end } = dayStretch(day, zone);
      for (let at = start + STEP_MS; at < end - STEP_MS; at += STEP_MS) {
        expect([step(step(at, 1, zone), -1, zone), step(at, 1, zone) - at]).toEqual([at, STEP_MS]);
      }
    }
  });
  it("to another day keeps what the clock shows, where the day has that hour", () => {
    const roll = dice(11);
    for (let n = 0; n < 400; n += 1) {
      const zone = ZONES[roll(ZONES.length)]!;
      const day = DAYS[roll(DAYS.length)]!;
      const at = momentOf(day, roll(96) * 15, zone);
      const other = addDays(day, roll(15) - 7);
      const there = onDay(at, other, zone);
      expect(dayOf(there, zone)).toBe(other);
      const shown = minutesOf(at, zone);
      const fits = linesOf(other, zone).length === 24 && dayStretch(other, zone).end - dayStretch(other, zone).start === 24 * HOUR;
      if (fits) expect(minutesOf(there, zone)).toBe(shown);
    }
    expect(minutesOf(onDay(momentOf("2026-03-07", 150, "America/New_York"), "2026-03-08", "America/New_York"), "America/New_York")).toBe(
      210,
    );
  });
});

describe("what stands on a day", () => {
  it("is all of it, once, however many midnights lie in it", () => {
    const roll = dice(3);
    for (let n = 0; n < 200; n += 1) {
      const zone = ZONES[roll(ZONES.length)]!;
      const day = DAYS[roll(DAYS.length)]!;
      const start = dayStretch(day, zone).start + roll(24 * 4) * STEP_MS;
      const what = { start, end: start + (1 + roll(96)) * STEP_MS };
      let sum = 0;
      for (let d = -2; d <= 3; d += 1) {
        const part = partOn(what, addDays(day, d), zone);
        if (part) sum += part.end - part.start;
      }
      expect(sum).toBe(what.end - what.start);
    }
  });
  it("says which side of midnight it comes from and goes to", () => {
    const zone = "America/Phoenix";
    const what = { start: momentOf("2026-12-01", 23 * 60, zone), end: momentOf("2026-12-02", 60, zone) };
    expect(partOn(what, "2026-12-01", zone)).toMatchObject({ fromBefore: false, goesOn: true });
    expect(partOn(what, "2026-12-02", zone)).toMatchObject({ fromBefore: true, goesOn: false });
    expect(partOn(what, "2026-12-03", zone)).toBeUndefined();
  });
  it("stands side by side only where it overlaps, in as few lanes as there are things at once", () => {
    const roll = dice(5);
    for (let n = 0; n < 150; n += 1) {
      const items = Array.from({ length: 1 + roll(14) }, () => {
        const start = roll(48) * STEP_MS;
        return { start, end: start + (1 + roll(12)) * STEP_MS };
      });
      const placed = sideBySide(items);
      expect(placed.length).toBe(items.length);
      for (const a of placed)
        for (const b of placed)
          if (a !== b && overlap(a.item, b.item) && (a.lane === b.lane || a.lanes !== b.lanes)) expect([a, b]).toBe("apart");
      const most = Math.max(...items.map((i) => items.filter((o) => o.start <= i.start && i.start < o.end).length));
      expect(Math.max(...placed.map((p) => p.lanes))).toBe(most);
    }
  });
});

describe("weeks, days, openings", () => {
  it("a week is Monday to Sunday and has its day", () => {
    for (let n = 0; n < 400; n += 1) {
      const day = addDays("2026-01-01", n);
      const week = weekOf(day);
      expect(week).toContain(day);
      expect(weekOf(week[6]!)).toEqual(week);
    }
    expect(weekOf("2026-12-01")[0]).toBe("2026-11-30");
  });
  it("knows days that are none", () => {
    expect(["2026-02-30", "2026-13-01", "0000-00-00", "1999-12-31", "today", "", undefined].map(realDay)).toEqual(Array(7).fill(undefined));
    expect(realDay("2028-02-29")).toBe("2028-02-29");
  });
  it("opens when the hours say, over midnight too", () => {
    const zone = "America/Phoenix";
    const hours = { tue: [["08:00", "17:00"]], wed: [["22:00", "02:00"]], thu: [["08:00", "24:00"]] };
    expect(openOn("2026-12-01", zone, hours)).toEqual([
      { start: momentOf("2026-12-01", 480, zone), end: momentOf("2026-12-01", 1020, zone) },
    ]);
    expect(openOn("2026-12-02", zone, hours)![0]!.end).toBe(momentOf("2026-12-03", 120, zone));
    expect(openOn("2026-12-03", zone, hours)![0]!.end).toBe(momentOf("2026-12-04", 0, zone));
    expect(openOn("2026-12-04", zone, hours)).toEqual([]);
    expect(openOn("2026-12-04", zone, null)).toBeUndefined();
  });
  it("offers times that overlap nothing", () => {
    const zone = "America/Phoenix";
    const taken = [{ start: momentOf("2026-12-01", 540, zone), end: momentOf("2026-12-01", 630, zone) }];
    const free = freeTimes(taken, "2026-12-01", zone, HOUR, { tue: [["08:00", "12:00"]] }, 0);
    expect(free.map((at) => minutesOf(at, zone))).toEqual([480, 630, 660]);
  });
});

describe("what a clock shows", () => {
  it("says the half of the day once, and both where they differ", () => {
    const at = (minutes: number) => momentOf("2026-12-01", minutes, "America/Phoenix");
    const say = (from: number, to: number) => stretchOf({ start: at(from), end: at(to) }, "America/Phoenix").replaceAll("\u00a0", " ");
    expect(say(540, 600)).toBe("9:00 – 10:00 AM");
    expect(say(690, 780)).toBe("11:30 AM – 1:00 PM");
  });
});
