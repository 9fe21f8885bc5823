// How many texts a text is: 160 letters of GSM-7 go into one and 153 into each of several, of any other alphabet 70 and 67.

const BASIC =
  "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
const EXTENDED = "\f^{}\\[~]|€";
const basic = new Set(BASIC);
const extended = new Set(EXTENDED);

export interface Segments {
  alphabet: "gsm" | "unicode";
  /** Septets, or UTF-16 units. */
  units: number;
  segments: number;
}

/** What one letter takes; undefined: GSM-7 has it not. */
function septets(letter: string): number | undefined {
  return basic.has(letter) ? 1 : extended.has(letter) ? 2 : undefined;
}

/** A letter is never cut in two: what does not fit any more goes into the next. */
function packed(sizes: number[], whole: number, part: number): { units: number; segments: number } {
  const units = sizes.reduce((a, b) => a + b, 0);
  if (units <= whole) return { units, segments: units === 0 ? 0 : 1 };
  let segments = 1;
  let used = 0;
  for (const size of sizes) {
    if (used + size > part) {
      segments += 1;
      used = 0;
    }
    used += size;
  }
  return { units, segments };
}

export function segmentsOf(text: string): Segments {
  const letters = [...text];
  const sizes = letters.map(septets);
  if (sizes.every((s) => s !== undefined)) return { alphabet: "gsm", ...packed(sizes as number[], 160, 153) };
  return {
    alphabet: "unicode",
    ...packed(
      letters.map((l) => l.length),
      70,
      67,
    ),
  };
}
