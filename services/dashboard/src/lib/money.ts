/** Whole dollars from a thousand on, cents below. */
export function money(cents: number | null | undefined, locale = "en-US", currency = "USD"): string {
  if (cents === null || cents === undefined) return "–";
  return new Intl.NumberFormat(locale, {
    style: "currency",
    currency,
    maximumFractionDigits: Math.abs(cents) >= 100_000 || cents % 100 === 0 ? 0 : 2,
  }).format(cents / 100);
}

/** A rate as per cent; without a base it is none. */
export function percent(rate: number | null | undefined, locale = "en-US"): string {
  return rate === null || rate === undefined
    ? "–"
    : new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 0 }).format(rate);
}
