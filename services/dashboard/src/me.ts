import { createContext } from "preact";
import { useContext } from "preact/hooks";

/** Who is signed in, and where. */
export interface Me {
  user: { id: string; name: string | null; email: string | null; role: string | null };
  company: { id: string; name: string; timezone: string; hours: unknown; texting_numbers: string[] } | null;
  features?: Record<string, boolean>;
}

export const MeContext = createContext<Me>({ user: { id: "", name: null, email: null, role: null }, company: null });

export const useMe = (): Me => useContext(MeContext);
export const zoneOf = (me: Me): string => me.company?.timezone ?? "America/New_York";
export const useZone = (): string => zoneOf(useMe());
