import { api, Problem } from "./client";

/** A list as a file, with whether it was too long to have all of it: same filters, same order. It comes through the client, since a link could carry no token. */
export async function saveCsv(path: string, query: Record<string, unknown>, name: string): Promise<"saved" | "more" | "unknown"> {
  const { data, error, response } = (await (api.GET as any)(path, {
    params: { query },
    headers: { Accept: "text/csv" },
    parseAs: "blob",
  })) as { data?: Blob; error?: unknown; response: Response };
  if (!response.ok || !data) throw new Problem(response.status, error, response.headers);
  if (!(response.headers.get("Content-Type") ?? "").startsWith("text/csv")) return "unknown"; // a server that cannot yet
  const url = URL.createObjectURL(data);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
  return response.headers.get("X-More-Rows") === "true" ? "more" : "saved";
}
