/** Control and bidirectional characters are no words: they are left out where people's text is shown. */
const UNSEEN = /(?![\t\n])[\p{Cc}\p{Cf}]/gu;

export function shown(text: string | null | undefined): string {
  return (text ?? "").replace(UNSEEN, "");
}

/** "Maria Lopez" as "ML"; a number or nothing as "#". */
export function initials(name: string | null | undefined): string {
  const words = shown(name).trim().split(/\s+/).filter(Boolean);
  const first = words[0]?.match(/\p{L}/u)?.[0];
  const last = words.length > 1 ? words.at(-1)?.match(/\p{L}/u)?.[0] : undefined;
  return first ? (first + (last ?? "")).toUpperCase() : "#";
}
