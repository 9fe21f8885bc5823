// Compiles only if contract.d.ts, which is made of the contract, says what a caller may rely on.
import createClient from "openapi-fetch";
import type { components, operations, paths } from "./contract";

type Schemas = components["schemas"];
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function holds<_ extends true>(): void {}

type Calls = operations["listCalls"]["responses"][200]["content"]["application/json"];
holds<Equal<Calls, Schemas["CallList"]>>();
holds<Equal<Calls["data"]["items"][number], Schemas["CallItem"]>>(); // not optional, not never
holds<Equal<Calls["data"]["next_cursor"], string | null>>();
holds<Equal<Schemas["CallItem"]["status"], "ringing" | "in_progress" | "completed" | "missed" | "voicemail" | "failed">>();
holds<Equal<Schemas["CallItem"]["contact"]["first_name"], string | null>>();
holds<Equal<Schemas["AnalysisCorrection"]["booking_status"], Schemas["BookingStatus"] | null | undefined>>();
holds<Equal<Schemas["FullAnalysis"]["call_id"], number>>();

export async function missedCalls(baseUrl: string): Promise<string[]> {
  const api = createClient<paths>({ baseUrl });
  const { data, error } = await api.GET("/api/v1/calls", { params: { query: { status: ["missed"], limit: 50 } } });
  if (error) throw new Error(error.detail);
  return data.data.items.map((call) => `${call.call_id} ${call.contact.primary_phone ?? ""} ${call.lead.status}`);
}

export async function misspelt(baseUrl: string): Promise<void> {
  const api = createClient<paths>({ baseUrl });
  // @ts-expect-error there is no such status
  await api.GET("/api/v1/calls", { params: { query: { status: ["mised"] } } });
  // @ts-expect-error there is no such path
  await api.GET("/api/v1/cals");
  // @ts-expect-error a task has no colour
  await api.POST("/api/v1/tasks", { body: { description: "Call back", colour: "red" } });
  await api.PATCH("/api/v1/leads/{lead_id}", { params: { path: { lead_id: "x" } }, body: { status: "nurturing", assigned_rep_id: null } });
}
