import { useQuery } from "@tanstack/react-query";
import { api, of } from "./client";

/** Colleagues by their id; who is not known yet has no name. */
export function usePeople(): (id: string | null | undefined) => string | undefined {
  const found = useQuery({
    queryKey: ["user", "people"],
    staleTime: 5 * 60_000,
    queryFn: async ({ signal }) => {
      const answer = (await of((api.GET as any)("/api/v1/people", { signal }))) as {
        data: { items: { id: string; name: string | null }[] };
      };
      return new Map(answer.data.items.map((p) => [p.id, p.name ?? undefined]));
    },
  });
  return (id) => (id ? found.data?.get(id) : undefined);
}
