/** "Maria Lopez" of a contact; nothing if nobody said it. */
export function nameOf(contact: { first_name?: string | null; last_name?: string | null } | null | undefined): string {
  return [contact?.first_name, contact?.last_name].filter(Boolean).join(" ");
}

/** A street with its city, or what there is of it. */
export function placeOf(contact: { address?: string | null; city?: string | null; state?: string | null }): string {
  const street = contact.address ?? "";
  // a street that names the city already says it once
  const rest = [contact.city, contact.state].filter(
    (p): p is string => Boolean(p) && !street.toLowerCase().includes((p as string).toLowerCase()),
  );
  return [street, ...rest].filter(Boolean).join(", ");
}
