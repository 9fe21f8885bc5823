import createClient, { type Middleware } from "openapi-fetch";
import { session } from "../auth/session";
import { serverSays } from "../lib/time";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

/** What an answer that is no success says, for people: the cause, and the fields that are wrong. */
export class Problem extends Error {
  readonly status: number;
  readonly title: string;
  readonly requestId: string;
  readonly fields: Record<string, string>;
  readonly retryAfter: number | undefined;
  readonly kind: string;
  constructor(status: number, body: unknown, headers: Headers) {
    const said = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
    const text = (name: string) => (typeof said[name] === "string" ? (said[name] as string) : "");
    super(text("detail") || text("title") || (status === 0 ? "Otto cannot be reached." : `Otto answered ${status}.`));
    this.status = status;
    this.title = text("title");
    this.kind = text("type").split("/").at(-1) ?? "";
    this.requestId = text("request_id") || (headers.get("X-Request-Id") ?? "");
    const errors = Array.isArray(said["errors"]) ? (said["errors"] as { field?: string; message?: string }[]) : [];
    this.fields = Object.fromEntries(errors.map((e) => [e.field ?? "", e.message ?? ""]));
    const after = Number(headers.get("Retry-After"));
    this.retryAfter = Number.isFinite(after) && after > 0 ? after : undefined;
  }
}

const bearer: Middleware = {
  async onRequest({ request }) {
    request.headers.set("Authorization", `Bearer ${await session.token()}`);
    return request;
  },
};

/** A token that was refused is renewed once; who is still refused has been signed out. */
async function withFreshToken(request: Request): Promise<Response> {
  const again = request.clone();
  let answer: Response;
  try {
    answer = await fetch(request);
  } catch {
    throw new Problem(0, {}, new Headers());
  }
  if (answer.status !== 401) return answer;
  let token: string;
  try {
    token = await session.token(true);
  } catch {
    session.signIn();
    throw new Problem(401, { detail: "Your sign-in has ended." }, answer.headers);
  }
  again.headers.set("Authorization", `Bearer ${token}`);
  return fetch(again);
}

export const api = createClient<paths>({ baseUrl: "/", fetch: withFreshToken });
api.use(bearer);

type Answer<T> = { data?: T; error?: unknown; response: Response };

/** What was asked for, or the problem thrown. */
export async function of<T>(asked: Promise<Answer<T>>): Promise<NonNullable<T>> {
  const { data, error, response } = await asked;
  if (!response.ok || data === undefined || data === null) throw new Problem(response.status, error, response.headers);
  serverSays((data as { meta?: { timestamp?: string } }).meta?.timestamp);
  return data as NonNullable<T>;
}

/** For a write: the key under which a repeat is the same write. Made when its form opens. */
export function idempotencyKey(): string {
  return crypto.randomUUID();
}
