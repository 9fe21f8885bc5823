/** (520) 555-0148 for North America, abroad with + and groups; what is no number as it stands. */
export function phone(e164: string | null | undefined): string {
  if (!e164) return "";
  const american = /^\+1(\d{3})(\d{3})(\d{4})$/.exec(e164);
  if (american) return `(${american[1]}) ${american[2]}-${american[3]}`;
  return e164;
}
