import { describe, expect, it } from "vitest";
import { safeHref } from "./href";
import { money, percent } from "./money";
import { phone } from "./phone";
import { initials, shown } from "./text";
import { anyOf, day, flag, oneOf, read, seconds, text, write } from "./url";

describe("what people wrote", () => {
  it("drops what is not seen, and keeps every letter", () => {
    expect(shown("a\u202eb\u0000c\u200bd\ufeff")).toBe("abcd");
    expect(shown("Zoë 🏠 משה\nline")).toBe("Zoë 🏠 משה\nline");
    expect(shown(null)).toBe("");
  });
  it("has initials of anything", () => {
    expect(["Maria Lopez", "josé", "", "  ", "+1520", "<b>x</b> y", null].map(initials)).toEqual(["ML", "J", "#", "#", "#", "BY", "#"]);
  });
});

describe("values", () => {
  it("writes numbers as people do", () => {
    expect(["+15205550148", "+4123456", "", null].map(phone)).toEqual(["(520) 555-0148", "+4123456", "", ""]);
    expect([money(1_240_000), money(950), money(null)]).toEqual(["$12,400", "$9.50", "–"]);
    expect([percent(0.416), percent(null)]).toEqual(["42%", "–"]);
  });
  it("links to nothing but https, tel, mailto and itself", () => {
    expect(
      [
        "https://a.example/x",
        "/app/calls",
        "tel:+1520",
        "javascript:alert(1)",
        "//evil.example",
        "http://a.example",
        "data:text/html,x",
        "",
        null,
      ].map(safeHref),
    ).toEqual(["https://a.example/x", "/app/calls", "tel:+1520", undefined, undefined, undefined, undefined, undefined, undefined]);
  });
});

describe("the address", () => {
  const fields = { q: text(5), status: oneOf(["a", "b"]), from: day(), mine: flag(), t: seconds() };
  it("is read back as it was written", () => {
    const state = { q: "a&b=", status: "b" as const, from: "2026-11-24", mine: false, t: 102.5 };
    expect(read(fields, write(fields, state))).toEqual(state);
    expect(write(fields, {})).toBe("");
  });
  it("drops what is no value, and what it does not know", () => {
    expect(read(fields, "?q=toolong&status=c&from=2026-13-40&mine=yes&t=-1&evil=1")).toEqual({});
    expect(read(fields, "?from=9999-12-31&t=1e9")).toEqual({});
  });
  it("takes any of some words, or none", () => {
    const quality = { quality: anyOf(["hot", "warm"]) };
    expect(["hot", "hot,warm", "hot,evil", ""].map((v) => read(quality, `?quality=${v}`).quality)).toEqual([
      "hot",
      "hot,warm",
      undefined,
      undefined,
    ]);
  });
});
