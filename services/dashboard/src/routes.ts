import type { FunctionComponent } from "preact";
import type { IconName } from "./ui/icon";

export type RoleName = "csr" | "sales_rep" | "manager" | "executive";

/** A page: where, what it is called, who may, and how it is got. The file of each screen is a chunk of its own. */
export interface Page {
  path: string;
  /** In the rail; none: reached from elsewhere. */
  icon?: IconName;
  key?: string;
  name: { en: string; es: string };
  roles: RoleName[];
  load: () => Promise<{ default: FunctionComponent<any> }>;
}

const OFFICE: RoleName[] = ["csr", "manager", "executive"];
const LEADS: RoleName[] = ["manager", "executive"];
const ALL: RoleName[] = ["csr", "sales_rep", "manager", "executive"];

export const PAGES: Page[] = [
  { path: "/work", icon: "work", key: "w", name: { en: "Work", es: "Trabajo" }, roles: OFFICE, load: () => import("./screens/work/page") },
  { path: "/calls", icon: "call", key: "c", name: { en: "Calls", es: "Llamadas" }, roles: ALL, load: () => import("./screens/calls/list") },
  { path: "/calls/:id", name: { en: "Call", es: "Llamada" }, roles: ALL, load: () => import("./screens/calls/call") },
  {
    path: "/texts",
    icon: "text",
    key: "t",
    name: { en: "Texts", es: "Mensajes" },
    roles: ALL,
    load: () => import("./screens/texts/texts"),
  },
  { path: "/texts/:contact", name: { en: "Texts", es: "Mensajes" }, roles: ALL, load: () => import("./screens/texts/texts") },
  {
    path: "/people",
    icon: "people",
    key: "p",
    name: { en: "People", es: "Personas" },
    roles: ALL,
    load: () => import("./screens/people/list"),
  },
  { path: "/people/:contact", name: { en: "Person", es: "Persona" }, roles: ALL, load: () => import("./screens/people/card") },
  { path: "/tasks", icon: "tasks", key: "k", name: { en: "Tasks", es: "Tareas" }, roles: ALL, load: () => import("./screens/tasks/list") },
  {
    path: "/calendar",
    icon: "calendar",
    key: "k",
    name: { en: "Calendar", es: "Calendario" },
    roles: ALL,
    load: () => import("./screens/calendar/page"),
  },
  {
    path: "/calendar/day/:date",
    name: { en: "Calendar", es: "Calendario" },
    roles: ALL,
    load: () => import("./screens/calendar/page").then((m) => ({ default: m.Day })),
  },
  {
    path: "/calendar/week/:date",
    name: { en: "Calendar", es: "Calendario" },
    roles: ALL,
    load: () => import("./screens/calendar/page").then((m) => ({ default: m.Week })),
  },
  {
    path: "/figures",
    icon: "figures",
    key: "f",
    name: { en: "Figures", es: "Cifras" },
    roles: OFFICE,
    load: () => import("./screens/figures/company"),
  },
  { path: "/figures/calls", name: { en: "Calls", es: "Llamadas" }, roles: OFFICE, load: () => import("./screens/figures/calls") },
  { path: "/figures/visits", name: { en: "Visits", es: "Visitas" }, roles: LEADS, load: () => import("./screens/figures/visits") },
  { path: "/figures/people", name: { en: "People", es: "Personas" }, roles: LEADS, load: () => import("./screens/figures/people") },
  { path: "/figures/:key", name: { en: "Figure", es: "Cifra" }, roles: OFFICE, load: () => import("./screens/figures/figure") },
];

/** Where /app/ leads. */
export function home(role: string): string {
  const wanted = role === "executive" ? "/figures" : role === "sales_rep" ? "/today" : "/work";
  return PAGES.some((p) => p.path === wanted) ? wanted : "/calls";
}

export { OFFICE };
