import { describe, expect, it } from "vitest";
import { named, path, ticks } from "./scale";

describe("an axis", () => {
  it("has round marks that hold all values", () => {
    for (const [low, high] of [
      [0, 1],
      [0.57, 0.72],
      [0, 49],
      [3, 3],
      [0, 0],
      [0, 123456],
      [-5, 5],
    ] as const) {
      const marks = ticks(low, high);
      expect([low, high, marks[0]! <= low, marks.at(-1)! >= high]).toEqual([low, high, true, true]);
      expect(marks.length).toBeGreaterThan(1);
      expect(marks.length).toBeLessThan(8);
      expect([...marks].sort((a, b) => a - b)).toEqual(marks);
    }
    expect(ticks(0, 1)).toEqual([0, 0.5, 1]);
    expect(ticks(0, 60)).toEqual([0, 20, 40, 60]);
  });
  it("names the last place and no more than there is room for", () => {
    for (let n = 1; n < 100; n += 7)
      for (let room = 1; room < 20; room += 3) {
        const at = named(n, room);
        expect(at.has(n - 1)).toBe(true);
        expect(at.size).toBeLessThanOrEqual(room);
      }
  });
});

describe("a line", () => {
  it("is broken where nothing is known", () => {
    expect(
      path([
        [0, 1],
        [1, 2],
        [2, null],
        [3, 4],
        [4, null],
        [5, 6],
        [6, 7],
      ]),
    ).toBe("M0.0,1.0L1.0,2.0M3.0,4.0h0M5.0,6.0L6.0,7.0");
    expect(path([])).toBe("");
  });
});
