import type { Membership, Person, SignIn } from "./session";

interface Told {
  user: Person;
  companies: Membership[];
  active: string | null;
}

/** The sandbox's page with a button a person; it walks the way that Clerk's does: away, back with a code, a session that the other origin keeps. */
export class SandboxSignIn implements SignIn {
  readonly #base: string;
  constructor(base: string) {
    this.#base = base;
  }

  async begin() {
    const here = new URL(location.href);
    const code = here.searchParams.get("code");
    if (code) {
      here.searchParams.delete("code");
      history.replaceState(history.state, "", here.pathname + here.search + here.hash);
    }
    const answer = await this.#ask("session", code ? { code } : undefined);
    if (!answer.ok) return null;
    const told = (await answer.json()) as Told;
    return { person: told.user, companies: told.companies, active: told.active };
  }

  async fetchToken(company: string | null) {
    const answer = await this.#ask("token", { company });
    if (!answer.ok) throw new Error("the sign-in has ended");
    const { token, expires_in } = (await answer.json()) as { token: string; expires_in: number };
    return { token, lastsMs: expires_in * 1000 };
  }

  go(): void {
    location.assign(`${this.#base}/sign-in?return=${encodeURIComponent(location.href)}`);
  }

  async end(): Promise<void> {
    await fetch(`${this.#base}/sign-in/session`, { method: "DELETE", credentials: "include" });
  }

  #ask(what: string, body?: unknown): Promise<Response> {
    return fetch(`${this.#base}/sign-in/${what}`, {
      credentials: "include",
      ...(body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }),
    });
  }
}
