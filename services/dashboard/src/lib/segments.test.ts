import { describe, expect, it } from "vitest";
import { segmentsOf } from "./segments";

const many = (text: string) => [segmentsOf(text).alphabet, segmentsOf(text).units, segmentsOf(text).segments];

describe("how many texts a text is", () => {
  it("has 160 letters in one, 153 in each of several", () => {
    expect(many("")).toEqual(["gsm", 0, 0]);
    expect(many("a".repeat(160))).toEqual(["gsm", 160, 1]);
    expect(many("a".repeat(161))).toEqual(["gsm", 161, 2]);
    expect(many("a".repeat(306))).toEqual(["gsm", 306, 2]);
    expect(many("a".repeat(307))).toEqual(["gsm", 307, 3]);
  });
  it("counts a letter of the extension as two, and cuts none in half", () => {
    expect(many("€".repeat(80))).toEqual(["gsm", 160, 1]);
    expect(many("€".repeat(81))).toEqual(["gsm", 162, 2]);
    // 152 and the pair that would straddle the 153rd: the pair opens the second
    expect(many(`${"a".repeat(152)}€${"a".repeat(151)}`)).toEqual(["gsm", 305, 2]);
    expect(many(`${"a".repeat(152)}€${"a".repeat(152)}`)).toEqual(["gsm", 306, 3]);
  });
  it("has 70 of any other alphabet in one, 67 in each of several", () => {
    expect(many("ж".repeat(70))).toEqual(["unicode", 70, 1]);
    expect(many("ж".repeat(71))).toEqual(["unicode", 71, 2]);
    expect(many("ж".repeat(134))).toEqual(["unicode", 134, 2]);
    expect(many("ж".repeat(135))).toEqual(["unicode", 135, 3]);
    expect(many(`${"a".repeat(69)}’`)).toEqual(["unicode", 70, 1]);
  });
  it("keeps a picture letter whole", () => {
    expect(many("🏠".repeat(35))).toEqual(["unicode", 70, 1]);
    expect(many(`${"a".repeat(66)}🏠${"a".repeat(65)}`)).toEqual(["unicode", 133, 2]);
    expect(many(`${"a".repeat(66)}🏠${"a".repeat(66)}`)).toEqual(["unicode", 134, 3]);
  });
  it("takes Spanish as it comes: ñ é ü are GSM, á í ó ú are not", () => {
    expect(segmentsOf("mañana, ¿qué? güe").alphabet).toBe("gsm");
    expect(segmentsOf("está aquí").alphabet).toBe("unicode");
  });
  it("never falls as letters are added", () => {
    const letters = ["a", "€", "ж", "🏠", "\n", "é"];
    let seed = 7;
    const next = () => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed / 2147483648;
    };
    for (let n = 0; n < 10; n++) {
      let text = "";
      let before = 0;
      for (let k = 0; k < 330; k++) {
        text += letters[Math.floor(next() * (n % 2 ? 2 : letters.length))];
        const now = segmentsOf(text);
        expect(now.segments).toBeGreaterThanOrEqual(before);
        const part = now.alphabet === "gsm" ? 153 : 67;
        expect(now.segments).toBeGreaterThanOrEqual(now.segments > 1 ? Math.ceil(now.units / part) : 1);
        before = now.segments;
      }
    }
  });
});
