export function nameOf(contact: { first_name?: string | null; last_name?: string | null } | null | undefined): string {
  return [contact?.first_name, contact?.last_name].filter(Boolean).join(" ");
}
