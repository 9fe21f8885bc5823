import { api, idempotencyKey, of } from "./client";

/** A write. Its key is made where its form opens, so that a repeat is the same write. */
export async function write<T>(
  method: "POST" | "PATCH" | "PUT" | "DELETE",
  path: string,
  given: { path?: Record<string, string | number>; body?: unknown; key?: string } = {},
): Promise<T> {
  const answer = (await of(
    (api as any)[method](path, {
      params: { path: given.path ?? {}, header: { "Idempotency-Key": given.key ?? idempotencyKey() } },
      ...(given.body === undefined ? {} : { body: given.body }),
    }),
  )) as { data: T };
  return answer.data;
}
