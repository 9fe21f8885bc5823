import { useEffect } from "preact/hooks";
import { useLocation } from "wouter";
import { PAGES, type RoleName } from "../routes";

/** Off while somebody types, and when it was switched off. */
export function typing(e: KeyboardEvent): boolean {
  const at = e.target as HTMLElement | null;
  return (
    e.metaKey ||
    e.ctrlKey ||
    e.altKey ||
    Boolean(at?.closest("input, textarea, select, [contenteditable]")) ||
    document.documentElement.dataset["keys"] === "off"
  );
}

/** `g` then a page's letter goes there. */
export function useShortcuts(role: string): void {
  const [, go] = useLocation();
  useEffect(() => {
    let armed = 0;
    const press = (e: KeyboardEvent) => {
      if (typing(e)) return;
      const key = e.key.toLowerCase();
      if (armed && Date.now() - armed < 1500) {
        const page = PAGES.find((p) => p.key === key && p.roles.includes(role as RoleName));
        armed = 0;
        if (page) {
          e.preventDefault();
          go(page.path);
        }
      } else if (key === "g") armed = Date.now();
      else if (key === "/") {
        const find = document.querySelector<HTMLInputElement>("[data-find]");
        if (find) {
          e.preventDefault();
          find.focus();
        }
      }
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [go, role]);
}

/** Keys of a page: its own letters while nobody types. */
export function useKeys(keys: Record<string, (e: KeyboardEvent) => void>): void {
  useEffect(() => {
    const press = (e: KeyboardEvent) => {
      if (typing(e) || e.defaultPrevented) return;
      keys[e.key]?.(e);
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  });
}
