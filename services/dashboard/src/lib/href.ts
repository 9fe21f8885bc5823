/** The only addresses that a link may have: ours, and https, tel, mailto. Undefined: no link. */
export function safeHref(address: string | null | undefined): string | undefined {
  if (!address) return undefined;
  if (address.startsWith("/") && !address.startsWith("//")) return address;
  try {
    const url = new URL(address);
    return ["https:", "tel:", "mailto:"].includes(url.protocol) ? url.href : undefined;
  } catch {
    return undefined;
  }
}
