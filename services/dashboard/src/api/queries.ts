import { keepPreviousData, QueryClient, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { api, of, Problem } from "./client";
import type { paths } from "./schema";

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      gcTime: 5 * 60_000,
      refetchOnWindowFocus: false, // the live stream says what is old
      retry: (n, error) => n < 2 && error instanceof Problem && (error.status === 0 || error.status === 429 || error.status >= 502),
      retryDelay: (n, error) => (error instanceof Problem && error.retryAfter ? error.retryAfter * 1000 : 500 * 2 ** n),
    },
    mutations: { retry: false },
  },
});

/** Paths that answer pages. */
export type ListPath = {
  [P in keyof paths]: paths[P] extends { get: { responses: { 200: { content: { "application/json": { data: { items: unknown[] } } } } } } }
    ? P
    : never;
}[keyof paths] &
  string;
type PageOf<P extends ListPath> = paths[P] extends { get: { responses: { 200: { content: { "application/json": { data: infer D } } } } } }
  ? D
  : never;
export type ItemOf<P extends ListPath> = PageOf<P> extends { items: (infer I)[] } ? I : never;

interface PageLike {
  items: unknown[];
  total?: number;
  total_is_lower_bound?: boolean;
  next_cursor?: string | null;
}

/** A list, page after page by cursor. The first element of its key is the noun that the live stream names. */
export function useList<P extends ListPath>(
  kind: string,
  path: P,
  query: Record<string, unknown>,
  options: { enabled?: boolean; limit?: number; params?: Record<string, string> } = {},
) {
  const limit = options.limit ?? 50;
  const found = useInfiniteQuery({
    queryKey: [kind, "list", path, options.params ?? {}, query],
    enabled: options.enabled ?? true,
    initialPageParam: "" as string,
    queryFn: async ({ pageParam, signal }) => {
      const asked = { ...query, limit, ...(pageParam ? { cursor: pageParam } : {}) };
      const answer = (await of((api.GET as any)(path, { params: { query: asked, path: options.params ?? {} }, signal }))) as {
        data: PageLike;
      };
      return answer.data;
    },
    getNextPageParam: (last) => last.next_cursor || undefined,
    placeholderData: keepPreviousData, // a changed filter dims the old rows until the new ones come
  });
  const pages = found.data?.pages ?? [];
  return {
    ...found,
    items: pages.flatMap((p) => p.items) as ItemOf<P>[],
    total: pages[0]?.total,
    atLeast: pages[0]?.total_is_lower_bound ?? false,
  };
}

/** One thing, by its id. */
export function useOne<T>(kind: string, path: keyof paths, params: Record<string, string | number>, enabled = true) {
  return useQuery({
    queryKey: [kind, "one", path, params],
    enabled,
    queryFn: async ({ signal }) => ((await of((api.GET as any)(path, { params: { path: params }, signal }))) as { data: T }).data,
  });
}

/** Figures and other answers that take a query. */
export function useAnswer<T>(kind: string, path: keyof paths, query: Record<string, unknown> = {}, enabled = true) {
  return useQuery({
    queryKey: [kind, "answer", path, query],
    enabled,
    queryFn: async ({ signal }) => ((await of((api.GET as any)(path, { params: { query }, signal }))) as { data: T }).data,
    placeholderData: keepPreviousData,
  });
}
