import { SandboxSignIn } from "./sandbox";

export interface Membership {
  id: string;
  name: string;
  role: string;
}

export interface Person {
  id: string;
  name: string;
  email: string | null;
}

/** Who signs people in. Tokens live in its closure and nowhere else. */
export interface SignIn {
  /** Whoever is signed in already, or has just come back from the sign-in page. */
  begin(): Promise<{ person: Person; companies: Membership[]; active: string | null } | null>;
  /** A token of a minute or so, for a company. */
  fetchToken(company: string | null): Promise<{ token: string; lastsMs: number }>;
  /** Leaves the page; comes back to where it was. */
  go(): void;
  end(): Promise<void>;
}

export interface Config {
  issuer: string;
  sign_in: string;
  publishable_key: string;
  build: string;
}

export function config(): Config {
  const text = document.querySelector<HTMLMetaElement>('meta[name="otto-config"]')?.content ?? "";
  const none: Config = { issuer: "", sign_in: import.meta.env["VITE_SIGN_IN"] ?? "", publishable_key: "", build: "development" };
  try {
    return { ...none, ...JSON.parse(text) };
  } catch {
    return none;
  }
}

async function adapter(c: Config): Promise<SignIn> {
  if (c.publishable_key) return (await import("./clerk")).clerkSignIn(c);
  return new SandboxSignIn(c.sign_in);
}

/** Renewed so long before it ends. */
const EARLY_MS = 15_000;

export class Session {
  #signIn: SignIn | undefined;
  #token: { token: string; until: number } | undefined;
  #asking: Promise<string> | undefined;
  person: Person | null = null;
  companies: Membership[] = [];
  company: string | null = null;
  readonly onEnd = new Set<() => void>();

  async start(): Promise<boolean> {
    this.#signIn = await adapter(config());
    const found = await this.#signIn.begin();
    if (!found) return false;
    this.person = found.person;
    this.companies = found.companies;
    this.company = found.active ?? found.companies[0]?.id ?? null;
    return true;
  }

  /** A token that lasts a while still; `fresh`: another than the one that was refused. */
  async token(fresh = false): Promise<string> {
    if (!fresh && this.#token && this.#token.until - EARLY_MS > Date.now()) return this.#token.token;
    this.#asking ??= this.#signIn!.fetchToken(this.company)
      .then(({ token, lastsMs }) => {
        this.#token = { token, until: Date.now() + lastsMs };
        return token;
      })
      .finally(() => {
        this.#asking = undefined;
      });
    return this.#asking;
  }

  get role(): string {
    return this.companies.find((c) => c.id === this.company)?.role ?? "";
  }

  switchTo(company: string): void {
    this.company = company;
    this.#token = undefined;
  }

  signIn(): void {
    this.#signIn?.go();
  }

  async signOut(): Promise<void> {
    this.#token = undefined;
    await this.#signIn?.end();
    this.person = null;
    for (const f of this.onEnd) f();
  }
}

export const session = new Session();
