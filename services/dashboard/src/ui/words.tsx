import type { Tone } from ".";
import { Tag } from ".";

/** Colour means that something happened; words say it beside. */
const TONES: Record<string, Tone> = {
  booked: "good",
  won: "good",
  completed: undefined,
  missed: "bad",
  failed: "bad",
  lost: "bad",
  voicemail: "plum",
  not_booked: "warn",
  hot: "warn",
  overdue: "bad",
  open: undefined,
  scheduled: "blue",
  confirmed: "good",
  cancelled: undefined,
  no_show: "bad",
  ringing: "blue",
  in_progress: "blue",
  qualified_booked: "good",
  qualified_unbooked: "warn",
  closed_won: "good",
  closed_lost: "bad",
};

/** A word of the contract in people's words; one that is not known stays as it came. */
export function WordTag({ word, names }: { word: string | null | undefined; names: Record<string, unknown> }) {
  if (!word) return null;
  const said = names[word];
  return <Tag tone={TONES[word]}>{typeof said === "string" ? said : word.replaceAll("_", " ")}</Tag>;
}
