import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { callsAt, change, FIGURES, listOf, worstStep } from "./model";

const contract = readFileSync(new URL("../../../../../proto-schemas/http/metrics.yaml", import.meta.url), "utf8");

/** x-list of a schema's field, as the contract has it. */
function listOfContract(of: string): string | undefined {
  const [schema, field] = of.split(".");
  const from = contract.indexOf(`\n  ${schema}:\n`);
  const rest = contract.slice(from + 1);
  const body = rest.slice(0, rest.search(/\n {2}\w+:/) + 1 || undefined);
  return new RegExp(`^ {6}${field}: \\{.*x-list: '([^']*)'`, "m").exec(body)?.[1];
}

const days = { date_from: "2026-11-01", date_to: "2026-11-30" };

describe("figures and their lists", () => {
  it("are the contract's", () => {
    for (const f of FIGURES) for (const p of f.parts) if (p.of) expect([p.of, p.list]).toEqual([p.of, listOfContract(p.of)]);
  });
  it("have keys of their own, and something that makes them", () => {
    expect(new Set(FIGURES.map((f) => f.key)).size).toBe(FIGURES.length);
    for (const f of FIGURES) expect([f.key, f.parts.length > 0 && f.from.length > 0]).toEqual([f.key, true]);
  });
  it("leave nothing of the template", () => {
    for (const f of FIGURES)
      for (const p of f.parts) {
        const list = listOf(p.list, days);
        expect(JSON.stringify(list)).not.toMatch(/\{date/);
        expect(Object.values(list.query).every(Boolean)).toBe(true);
      }
  });
  it("are a csr's own where the figure is", () => {
    expect(listOf("/api/v1/calls?direction=inbound&date_from={date_from}", days, "user_1")).toEqual({
      path: "/api/v1/calls",
      query: { direction: "inbound", date_from: "2026-11-01", owner_id: "user_1,none" },
    });
    expect(listOf("/api/v1/leads?status=hot", days, "user_1").query).toEqual({ status: "hot" });
  });
  it("open the page of calls", () => {
    expect(callsAt({ direction: "inbound", lead_quality: "hot,warm", x: undefined })).toBe(
      "/calls?direction=inbound&lead_quality=hot,warm",
    );
  });
});

describe("change", () => {
  it("is of points for rates, none without both", () => {
    expect([
      change(0.684, 0.631, "rate"),
      change(12, 15, "count"),
      change(8.25, 8, "score"),
      change(null, 1, "rate"),
      change(1, null, "count"),
    ]).toEqual([5, -3, 0.3, null, null]);
  });
  it("of steps that are no part of the one before is none", () => {
    expect(worstStep([100, 60, 1, 1], [1, 3])).toBe(1);
  });
  it("is most where the least is kept", () => {
    expect(worstStep([100, 60, 42, 35, 4], [1, 3, 4])).toBe(4);
    expect(worstStep([0, 0, 0], [1, 2])).toBeUndefined();
    expect(worstStep([3, 3], [1])).toBeUndefined();
  });
});
