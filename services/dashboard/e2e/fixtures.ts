import { execFile } from "node:child_process";
import { randomInt } from "node:crypto";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type APIRequestContext, test as base, expect, type Page, request } from "@playwright/test";

export { expect };

const run = promisify(execFile);
const repo = fileURLToPath(new URL("../../../", import.meta.url));
export const sandbox = process.env["OTTO_SANDBOX"] ?? "http://127.0.0.1:8090";

export type Role = "manager" | "csr" | "sales_rep" | "executive";
export interface Somebody {
  id: string;
  role: Role;
  name: string;
}

export function newNumber(): string {
  return `+1${randomInt(201, 989)}${randomInt(200, 999)}${String(randomInt(10_000)).padStart(4, "0")}`;
}

/** A company of its own for each file, with one person of each role; its calls and texts come as providers would post them. */
export class Company {
  readonly people: Record<Role, Somebody>;
  constructor(
    readonly id: string,
    readonly name: string,
    readonly number: string,
    people: Record<Role, Somebody>,
    private readonly asking: APIRequestContext,
  ) {
    this.people = people;
  }

  async token(role: Role): Promise<string> {
    const answer = await this.asking.post(`${sandbox}/sandbox/clerk/token`, {
      data: { role, user: this.people[role].id, company: this.id },
    });
    return (await answer.json()).token;
  }

  /** One of Otto's own routes, as a person of that role. */
  async ask(role: Role, method: string, path: string, data?: unknown): Promise<any> {
    const answer = await this.asking.fetch(path, {
      method,
      headers: { Authorization: `Bearer ${await this.token(role)}` },
      ...(data === undefined ? {} : { data }),
    });
    if (!answer.ok()) throw new Error(`${method} ${path}: ${answer.status()} ${await answer.text()}`);
    return answer.json();
  }

  /** deploy/place-call --to our number, with these words. */
  async call(...words: string[]): Promise<void> {
    await run(`${repo}deploy/place-call`, ["--to", this.number, ...words], { cwd: repo });
  }

  async text(...words: string[]): Promise<void> {
    await run(`${repo}deploy/place-text`, ["twilio", "--to", this.number, ...words], { cwd: repo });
  }

  /** Asks until it holds. */
  async until<T>(asked: () => Promise<T | undefined | false | null>, what: string, within = 30_000): Promise<T> {
    const end = Date.now() + within;
    for (;;) {
      const found = await asked();
      if (found) return found;
      if (Date.now() > end) throw new Error(`${what} did not come about within ${within} ms`);
      await new Promise((r) => setTimeout(r, 100));
    }
  }
}

async function makeCompany(asking: APIRequestContext, title: string): Promise<Company> {
  const mark = `${Date.now().toString(36)}${randomInt(1_000)}`;
  const name = `${title} ${mark}`;
  const number = newNumber();
  const people = Object.fromEntries(
    (["manager", "csr", "sales_rep", "executive"] as Role[]).map((role, n) => [
      role,
      { id: `user_${mark}_${role}`, role, name: `${["Dana", "Maria", "Bob", "Ann"][n]} ${mark}` },
    ]),
  ) as Record<Role, Somebody>;
  const first = await asking.post(`${sandbox}/sandbox/clerk/token`, { data: { role: "manager", user: people.manager.id } });
  const made = await asking.post("/api/v1/company", {
    headers: { Authorization: `Bearer ${(await first.json()).token}` },
    data: { name, phone_number: number, timezone: "America/Phoenix" },
  });
  if (!made.ok()) throw new Error(`no company: ${made.status()} ${await made.text()}`);
  const company = new Company((await made.json()).company_id, name, number, people, asking);
  const words: Record<Role, string> = { manager: "org:admin", csr: "org:csr", sales_rep: "org:sales_rep", executive: "org:executive" };
  await asking.post(`${sandbox}/sandbox/clerk/settings`, {
    data: { sends: true, otto_url: process.env["OTTO_URL"] ?? "http://127.0.0.1:8080" },
  });
  for (const p of Object.values(people)) {
    const [first_name, last_name] = p.name.split(" ");
    await asking.post(`${sandbox}/sandbox/clerk/member`, {
      data: { company: company.id, user: p.id, role: words[p.role], email: `${p.id}@roof.example`, first_name, last_name },
    });
  }
  await company.ask("manager", "POST", `/api/v1/company/set-callrail-api-key/${company.id}?api_key=YOUR_CALLRAIL_API_KEY`);
  await company.ask("manager", "POST", `/api/v1/company/set-callrail-account-id/${company.id}?account_id=ACC${mark}`);
  await company.until(async () => {
    try {
      await company.call("--missed");
      return (await company.ask("manager", "GET", "/api/v1/calls?limit=1")).data.total > 0;
    } catch {
      return false;
    }
  }, "the first call of a new company");
  return company;
}

/** Signs in as people do: the app's button, the sign-in page's button, back to where it was. */
export async function signIn(page: Page, company: Company, role: Role, path = "/app/"): Promise<void> {
  await page.goto(path);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page
    .locator("section", { has: page.getByRole("heading", { name: company.name }) })
    .getByRole("button", { name: company.people[role].name })
    .click();
  await expect(page.getByRole("navigation", { name: "Main" })).toBeVisible();
}

/** Dialogs, refused contents and requests to anybody else while a test ran. */
export function watchPage(page: Page): { trouble: string[] } {
  const trouble: string[] = [];
  page.on("dialog", (d) => {
    trouble.push(`dialog: ${d.message()}`);
    void d.dismiss();
  });
  page.on("console", (m) => {
    if (/Content Security Policy|Trusted/i.test(m.text())) trouble.push(m.text());
  });
  page.on("pageerror", (e) => trouble.push(String(e)));
  const ours = [new URL(process.env["OTTO_URL"] ?? "http://127.0.0.1:8080").origin, new URL(sandbox).origin];
  page.on("request", (r) => {
    if (!/^(data|blob):/.test(r.url()) && !ours.includes(new URL(r.url()).origin)) trouble.push(`request to ${r.url()}`);
  });
  return { trouble };
}

export const test = base.extend<object, { company: Company }>({
  company: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads what it wants from the pattern
    async ({}, use, info) => {
      const asking = await request.newContext({ baseURL: process.env["OTTO_URL"] ?? "http://127.0.0.1:8080" });
      await use(await makeCompany(asking, `Web ${info.workerIndex}`));
      await asking.dispose();
    },
    { scope: "worker" },
  ],
});
