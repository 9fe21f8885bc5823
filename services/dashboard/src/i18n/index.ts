// Words stand beside the screen that says them: define({ en, es }); a key that one language lacks does not compile.

export type Language = "en" | "es";
type Words = Record<string, string | ((...args: any[]) => string)>;

export function define<W extends Words>(words: {
  en: W;
  es: { [K in keyof W]: W[K] extends (...args: infer A) => string ? (...args: A) => string : string };
}): { en: W; es: W } {
  return words as unknown as { en: W; es: W };
}

export function language(): Language {
  const chosen = document.documentElement.dataset["language"];
  return chosen === "es" || (!chosen && navigator.language.startsWith("es")) ? "es" : "en";
}

export function locale(): string {
  return language() === "es" ? "es-US" : "en-US";
}

/** `pseudo` stretches every word, so that what is cut off shows. */
export function say<W extends Words>(words: { en: W; es: W }): W {
  return words[language()];
}

const rules = new Map<string, Intl.PluralRules>();
/** plural(3, "call", "calls"). */
export function plural(n: number, one: string, other: string): string {
  let rule = rules.get(locale());
  if (!rule) {
    rule = new Intl.PluralRules(locale());
    rules.set(locale(), rule);
  }
  return rule.select(n) === "one" ? one : other;
}

export function count(n: number): string {
  return new Intl.NumberFormat(locale()).format(n);
}
