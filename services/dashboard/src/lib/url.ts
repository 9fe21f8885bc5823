import { useCallback, useMemo } from "preact/hooks";
import { useLocation, useSearch } from "wouter";

// The address is the state of a page: what is not in a page's codec is dropped, what is no value of it is as absent.

export interface Field<T> {
  read(text: string): T | undefined;
  write(value: T): string;
}
type Fields = Record<string, Field<any>>;
export type State<F extends Fields> = { [K in keyof F]?: F[K] extends Field<infer T> ? T : never };

export const text = (most = 200): Field<string> => ({ read: (t) => (t && t.length <= most ? t : undefined), write: (v) => v });
export const oneOf = <const V extends readonly string[]>(values: V): Field<V[number]> => ({
  read: (t) => (values.includes(t) ? (t as V[number]) : undefined),
  write: (v) => v,
});
/** Any of some words, with commas between; one that is none of them makes it no value. */
export const anyOf = <const V extends readonly string[]>(values: V): Field<string> => ({
  read: (t) => (t.split(",").every((v) => values.includes(v)) ? t : undefined),
  write: (v) => v,
});
export const day = (): Field<string> => ({
  read: (t) => (/^\d{4}-\d{2}-\d{2}$/.test(t) && t > "1999-12-31" && t < "2100-01-01" && !Number.isNaN(Date.parse(t)) ? t : undefined),
  write: (v) => v,
});
export const flag = (): Field<boolean> => ({
  read: (t) => (t === "true" ? true : t === "false" ? false : undefined),
  write: (v) => String(v),
});
export const seconds = (): Field<number> => ({
  read: (t) => (/^\d{1,6}(\.\d{1,3})?$/.test(t) ? Number(t) : undefined),
  write: (v) => String(v),
});

export function read<F extends Fields>(fields: F, search: string): State<F> {
  const given = new URLSearchParams(search);
  const state: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields)) {
    const value = given.get(name);
    const known = value === null ? undefined : field.read(value);
    if (known !== undefined) state[name] = known;
  }
  return state as State<F>;
}

export function write<F extends Fields>(fields: F, state: State<F>): string {
  const out = new URLSearchParams();
  for (const [name, field] of Object.entries(fields)) {
    const value = (state as Record<string, unknown>)[name];
    if (value !== undefined && value !== null && value !== "") out.set(name, field.write(value));
  }
  const made = out.toString();
  return made ? `?${made}` : "";
}

/** The page's state, and how to change a part of it: a filter replaces the entry of the history, `push` adds one. */
export function useUrl<F extends Fields>(fields: F): [State<F>, (part: State<F>, how?: "push") => void] {
  const search = useSearch();
  const [path, go] = useLocation();
  const state = useMemo(() => read(fields, search), [fields, search]);
  const set = useCallback(
    (part: State<F>, how?: "push") => go(path + write(fields, { ...read(fields, location.search), ...part }), { replace: how !== "push" }),
    [fields, path, go],
  );
  return [state, set];
}
