import { useEffect, useState } from "preact/hooks";

/** A phone's width. */
export function useNarrow(): boolean {
  const [narrow, set] = useState(() => matchMedia("(max-width: 640px)").matches);
  useEffect(() => {
    const m = matchMedia("(max-width: 640px)");
    const see = () => set(m.matches);
    m.addEventListener("change", see);
    return () => m.removeEventListener("change", see);
  }, []);
  return narrow;
}
