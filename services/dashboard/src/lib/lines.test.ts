import { describe, expect, it } from "vitest";
import { cutAt, lengthOf, lineAt, momentOfWords, readLines } from "./lines";

/** The same each run. */
function random(seed: number): () => number {
  let s = seed;
  return () => {
    s = (s * 1664525 + 1013904223) % 4294967296;
    return s / 4294967296;
  };
}

describe("lines of a transcript", () => {
  it("are read as Shunya tells them", () => {
    const lines = readLines([
      { speaker: "csr", text: "Roofing, this is Anna.", start_time: 0, end_time: 2.5 },
      { speaker: "customer", text: "My roof leaks.", start_time: 3, end_time: 5.5 },
    ]);
    expect(lines.map((l) => [l.side, l.who, l.start, l.end])).toEqual([
      ["agent", "", 0, 2.5],
      ["customer", "", 3, 5.5],
    ]);
  });
  it("know who took the call where labels are only numbers, and keep names", () => {
    expect(
      readLines([
        { speaker: "0", text: "Hi" },
        { speaker: 1, text: "Hello" },
      ]).map((l) => l.side),
    ).toEqual(["agent", "customer"]);
    expect(
      readLines(
        [
          { speaker: "A", text: "Hi" },
          { speaker: "B", text: "Yo" },
        ],
        false,
      ).map((l) => l.side),
    ).toEqual(["customer", "agent"]);
    expect(
      readLines([
        { speaker: "Marcus", text: "Hi" },
        { speaker: "agent", text: "Yo" },
      ]).map((l) => [l.side, l.who]),
    ).toEqual([
      ["customer", "Marcus"],
      ["agent", ""],
    ]);
  });
  it("bear what overlaps, runs backwards or is missing", () => {
    const lines = readLines([
      null,
      "hello",
      { speaker: "csr", text: "late", start_time: 9, end_time: 4 },
      { speaker: "customer", text: "early", start_time: 1, end_time: 8 },
      { speaker: "csr", text: "over", start: "2", end: "3" },
      { speaker: "csr", text: "", start: 5 },
      { speaker: {}, text: "odd", start: Number.NaN, end: -1 },
      { speaker: "csr", text: "clock", start: "1:42" },
      7,
      {},
    ]);
    expect(lines.map((l) => l.text)).toEqual(["hello", "early", "over", "odd", "late", "clock", "7"]);
    for (const l of lines) if (l.start !== null) expect(l.end!).toBeGreaterThan(l.start);
    expect(lines.find((l) => l.text === "clock")?.start).toBe(102);
    expect(readLines("no list")).toEqual([]);
    expect(readLines(undefined)).toEqual([]);
  });
  it("take thousandths for what they are", () => {
    expect(
      readLines(
        [
          { text: "a", start: 1000, end: 2000 },
          { text: "b", start: 170_000, end: 180_000 },
        ],
        true,
        183,
      )[1]?.start,
    ).toBe(170);
    expect(readLines([{ text: "a", start_ms: 1500, end_ms: 2500 }])[0]).toMatchObject({ start: 1.5, end: 2.5 });
  });
  it("for any labels: in order, ends after starts, one line a second", () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      const r = random(seed);
      const some = () => [r() * 60, -r() * 9, null, undefined, "x", String(r() * 60), Number.POSITIVE_INFINITY][Math.floor(r() * 7)];
      const lines = readLines(
        Array.from({ length: 12 }, (_, n) => ({ speaker: r() < 0.5 ? "csr" : "customer", text: `w${n}`, start: some(), end: some() })),
      );
      expect(lines).toHaveLength(12);
      expect(lines.map((l) => l.n)).toEqual([...lines.keys()]);
      const starts = lines.flatMap((l) => (l.start === null ? [] : [l.start]));
      expect(starts).toEqual([...starts].sort((a, b) => a - b));
      for (const l of lines) if (l.start !== null) expect(l.end!).toBeGreaterThan(l.start);
      for (let t = 0; t < 70; t += 7) {
        const at = lines[lineAt(lines, t)];
        if (at) expect(at.start!).toBeLessThanOrEqual(t + 0.05);
        else expect(starts.every((s) => s > t + 0.05)).toBe(true);
      }
      expect(lengthOf(lines)).toBeGreaterThanOrEqual(0);
    }
  });
  it("find the moment of words, with or without accents and points", () => {
    const lines = readLines([
      { speaker: "csr", text: "¿Cuánto cuesta?", start: 1 },
      { speaker: "customer", text: "That is more than I wanted, to spend.", start: 102 },
    ]);
    expect(momentOfWords(lines, "more than i wanted to spend")).toBe(102);
    expect(momentOfWords(lines, "cuanto cuesta")).toBe(1);
    expect(momentOfWords(lines, "spen")).toBeNull();
    expect(momentOfWords(lines, null)).toBeNull();
  });
  it("are cut where sought words stand, whatever signs they have", () => {
    expect(cutAt("Cost? What cost (all)?", "cost")).toEqual(["", "Cost", "? What ", "cost", " (all)?"]);
    expect(cutAt("a.b (c", "(c")).toEqual(["a.b ", "(c", ""]);
    expect(cutAt("abc", " ")).toEqual(["abc"]);
  });
});
