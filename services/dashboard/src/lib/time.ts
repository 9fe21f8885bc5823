// Times are the company's, whatever the device's zone is, and go by the server's clock. Date's local getters are never used.

let skew = 0; // server's clock less ours, ms

export function serverSays(timestamp: string | undefined): void {
  const at = timestamp ? Date.parse(timestamp) : Number.NaN;
  if (!Number.isNaN(at)) skew = at - Date.now();
}

export function now(): number {
  return Date.now() + skew;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function format(zone: string, locale: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${zone}|${locale}|${JSON.stringify(options)}`;
  let made = formats.get(key);
  if (!made) {
    made = new Intl.DateTimeFormat(locale, { timeZone: zone, ...options });
    formats.set(key, made);
  }
  return made;
}

/** 2026-11-24: the day that a moment is in, in a zone. */
export function dayOf(at: number, zone: string): string {
  const p = Object.fromEntries(
    format(zone, "en-US", { year: "numeric", month: "2-digit", day: "2-digit" })
      .formatToParts(at)
      .map((x) => [x.type, x.value]),
  );
  return `${p["year"]}-${p["month"]}-${p["day"]}`;
}

/** A day so many days later; days are counted, never hours. */
export function addDays(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * 86_400_000).toISOString().slice(0, 10);
}

/** Monday is 0. */
export function weekday(day: string): number {
  return (new Date(`${day}T00:00:00Z`).getUTCDay() + 6) % 7;
}

/** How far the zone is from UTC at a moment, in ms. */
function offsetAt(at: number, zone: string): number {
  const parts = format(zone, "en-US", {
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
    hourCycle: "h23",
  }).formatToParts(at);
  const n = (type: string) => Number(parts.find((p) => p.type === type)?.value ?? 0);
  return Date.UTC(n("year"), n("month") - 1, n("day"), n("hour"), n("minute"), n("second")) - Math.floor(at / 1000) * 1000;
}

/** The moment at which a clock in the zone shows this; of an hour that comes twice the first, of one that is skipped the moment after. */
export function momentOf(day: string, minutes: number, zone: string): number {
  const wall = Date.parse(`${day}T00:00:00Z`) + minutes * 60_000;
  const before = wall - offsetAt(wall - 86_400_000, zone);
  const after = wall - offsetAt(wall + 86_400_000, zone);
  const fits = [Math.min(before, after), Math.max(before, after)].find((at) => at + offsetAt(at, zone) === wall);
  return fits ?? Math.max(before, after);
}

/** Minutes after midnight that a clock in the zone shows. */
export function minutesOf(at: number, zone: string): number {
  const local = at + offsetAt(at, zone);
  return Math.floor((local - Math.floor(local / 86_400_000) * 86_400_000) / 60_000);
}

/** "9:41 AM" today, "Fri 6:48 PM" this week, "Nov 12, 2026" before. */
export function when(at: string | number | null | undefined, zone: string, locale = "en-US"): string {
  if (at === null || at === undefined || at === "") return "";
  const moment = typeof at === "number" ? at : Date.parse(at);
  if (Number.isNaN(moment)) return "";
  const today = dayOf(now(), zone);
  const day = dayOf(moment, zone);
  const clock = format(zone, locale, { hour: "numeric", minute: "2-digit" }).format(moment);
  if (day === today) return clock;
  if (day > addDays(today, -7) && day < addDays(today, 7)) return `${format(zone, locale, { weekday: "short" }).format(moment)} ${clock}`;
  return format(zone, locale, { month: "short", day: "numeric", year: "numeric" }).format(moment);
}

/** In full, for titles: "Tuesday, November 24, 2026 at 9:41 AM MST". */
export function whenInFull(at: string | number, zone: string, locale = "en-US"): string {
  const moment = typeof at === "number" ? at : Date.parse(at);
  return Number.isNaN(moment) ? "" : format(zone, locale, { dateStyle: "full", timeStyle: "short" }).format(moment);
}

/** A day as people say it: "Tue, Nov 24". */
export function sayDay(
  day: string,
  locale = "en-US",
  options: Intl.DateTimeFormatOptions = { weekday: "short", month: "short", day: "numeric" },
): string {
  return format("UTC", locale, options).format(Date.parse(`${day}T12:00:00Z`));
}

/** 183 s as "3:03", 4000 s as "1:06:40". */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || seconds < 0) return "–";
  const whole = Math.floor(seconds);
  const s = String(whole % 60).padStart(2, "0");
  const m = Math.floor(whole / 60) % 60;
  const h = Math.floor(whole / 3600);
  return h > 0 ? `${h}:${String(m).padStart(2, "0")}:${s}` : `${m}:${s}`;
}

/** "12 min", "3 h", "2 days": how long something waits. */
export function span(ms: number): string {
  const minutes = Math.max(0, Math.round(ms / 60_000));
  if (minutes < 90) return `${minutes} min`;
  if (minutes < 48 * 60) return `${Math.round(minutes / 60)} h`;
  return `${Math.round(minutes / 1440)} days`;
}
