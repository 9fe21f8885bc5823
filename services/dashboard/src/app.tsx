import { QueryClientProvider, useQuery } from "@tanstack/react-query";
import type { ComponentChildren, FunctionComponent } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Link, Redirect, Route, Router, Switch, useLocation } from "wouter";
import { api, of } from "./api/client";
import { startLive, useLive } from "./api/live";
import { queries } from "./api/queries";
import s from "./app.module.css";
import { session } from "./auth/session";
import { define, language, say } from "./i18n";
import { when, whenInFull } from "./lib/time";
import { type Me, MeContext, useMe, zoneOf } from "./me";
import { home, PAGES, type Page, type RoleName } from "./routes";
import { Avatar, Button, Empty, Icon, Menu, ProblemNote, Skeleton, Toasts, Words } from "./ui";
import { useShortcuts } from "./ui/keys";

const words = define({
  en: {
    signIn: "Sign in",
    welcome: "Otto",
    signInLead: "See who called, who waits, and what came of it.",
    live: "Live",
    reconnecting: "Reconnecting",
    asOf: (t: string) => `As of ${t}`,
    starting: "Connecting",
    offline: (t: string) => `You are offline. What you see is from ${t}.`,
    skip: "Skip to the page",
    main: "Main",
    menu: "You",
    signOut: "Sign out",
    theme: (now: string) => `Theme: ${now}`,
    system: "system",
    light: "light",
    dark: "dark",
    nothing: "There is no such page.",
    home: "Go to the start",
    notYours: (who: string) => `This page is for ${who}.`,
    updated: "Otto was updated.",
    reload: "Reload",
    noCompany: "You belong to no company yet.",
    noCompanyHow: "A manager of your company can invite you.",
  },
  es: {
    signIn: "Iniciar sesión",
    welcome: "Otto",
    signInLead: "Vea quién llamó, quién espera y qué resultó.",
    live: "En vivo",
    reconnecting: "Reconectando",
    asOf: (t: string) => `A las ${t}`,
    starting: "Conectando",
    offline: (t: string) => `Sin conexión. Lo que ve es de ${t}.`,
    skip: "Ir a la página",
    main: "Principal",
    menu: "Usted",
    signOut: "Cerrar sesión",
    theme: (now: string) => `Tema: ${now}`,
    system: "sistema",
    light: "claro",
    dark: "oscuro",
    nothing: "No existe esa página.",
    home: "Ir al inicio",
    notYours: (who: string) => `Esta página es para ${who}.`,
    updated: "Otto se actualizó.",
    reload: "Recargar",
    noCompany: "Aún no pertenece a ninguna empresa.",
    noCompanyHow: "Un gerente de su empresa puede invitarle.",
  },
});
const ROLE_NAMES = {
  en: { csr: "CSRs", sales_rep: "sales reps", manager: "managers", executive: "executives" },
  es: { csr: "CSR", sales_rep: "vendedores", manager: "gerentes", executive: "ejecutivos" },
};

function LiveSign() {
  const w = say(words);
  const me = useMe();
  const { state, since } = useLive();
  const label =
    state === "live"
      ? w.live
      : state === "reconnecting"
        ? w.reconnecting
        : state === "polling"
          ? w.asOf(when(since, zoneOf(me)))
          : w.starting;
  return (
    <span class={s["live"]} data-state={state} title={whenInFull(since, zoneOf(me))}>
      <i />
      {label}
    </span>
  );
}

function setTheme(next: string): void {
  if (next === "system") {
    localStorage.removeItem("otto-theme");
    delete document.documentElement.dataset["theme"];
  } else {
    localStorage.setItem("otto-theme", next);
    document.documentElement.dataset["theme"] = next;
  }
}

function Rail({ role }: { role: string }) {
  const me = useMe();
  const w = say(words);
  const [path] = useLocation();
  const theme = document.documentElement.dataset["theme"] ?? "system";
  const themes = ["system", "light", "dark"] as const;
  const [, redraw] = useState(0);
  return (
    <aside class={s["rail"]} aria-label="Otto">
      <div class={s["org"]}>
        <i aria-hidden="true">{(me.company?.name ?? "O").slice(0, 1).toUpperCase()}</i>
        <b>
          <Words>{me.company?.name ?? "Otto"}</Words>
        </b>
      </div>
      <nav aria-label={w.main}>
        {PAGES.filter((p) => p.icon && p.roles.includes(role as RoleName)).map((p) => (
          <Link
            key={p.path}
            href={p.path}
            class={s["item"] ?? ""}
            aria-current={path === p.path || path.startsWith(`${p.path}/`) ? "page" : undefined}
            title={p.name[language()]}
          >
            <Icon name={p.icon!} />
            <span>{p.name[language()]}</span>
          </Link>
        ))}
      </nav>
      <div class={s["me"]}>
        <Avatar name={me.user.name} />
        <span>
          <Words>{me.user.name ?? me.user.id}</Words>
        </span>
        <Menu
          label={w.menu}
          items={[
            ...session.companies.filter((c) => c.id !== session.company).map((c) => ({ label: c.name, onPick: () => change(c.id) })),
            {
              label: w.theme(w[theme as "system"]),
              onPick: () => {
                setTheme(themes[(themes.indexOf(theme as "system") + 1) % 3]!);
                redraw((n) => n + 1);
              },
            },
            { label: w.signOut, onPick: () => void session.signOut().then(() => location.assign("/app/")) },
          ]}
        >
          <Icon name="more" />
        </Menu>
      </div>
    </aside>
  );
}

function change(company: string): void {
  sessionStorage.setItem("otto-company", company);
  location.assign("/app/");
}

/** The head of each page: its name, and what stands beside it. */
export function Shell({ children, role }: { children: ComponentChildren; role: string }) {
  const w = say(words);
  const [online, setOnline] = useState(navigator.onLine);
  const me = useMe();
  const [went, setWent] = useState(0);
  useEffect(() => {
    const see = () => {
      setOnline(navigator.onLine);
      setWent(Date.now());
    };
    addEventListener("online", see);
    addEventListener("offline", see);
    return () => {
      removeEventListener("online", see);
      removeEventListener("offline", see);
    };
  }, []);
  useShortcuts(role);
  return (
    <div class={s["shell"]}>
      <a class={s["skip"]} href="#page">
        {w.skip}
      </a>
      <Rail role={role} />
      <header class={s["top"]}>
        <div id="page-head" style={{ display: "contents" }} />
        <LiveSign />
      </header>
      <main id="page" class={s["main"]} tabIndex={-1}>
        {!online && <p class={s["offline"]}>{w.offline(when(went, zoneOf(me)))}</p>}
        {children}
      </main>
      <Toasts />
    </div>
  );
}

const loaded = new Map<Page, FunctionComponent<any>>();

/** A page's own chunk; one that is gone was of a former build. */
function Screen({ page, params, role }: { page: Page; params: Record<string, string | undefined>; role: string }) {
  const w = say(words);
  const [View, setView] = useState<FunctionComponent<any> | undefined>(() => loaded.get(page));
  const [gone, setGone] = useState(false);
  useEffect(() => {
    if (loaded.has(page)) {
      setView(() => loaded.get(page));
      return;
    }
    setView(undefined);
    page.load().then(
      (m) => {
        loaded.set(page, m.default);
        setView(() => m.default);
      },
      () => setGone(true),
    );
  }, [page]);
  if (!page.roles.includes(role as RoleName))
    return <Empty title={w.notYours(page.roles.map((r) => ROLE_NAMES[language()][r]).join(", "))} />;
  if (gone)
    return (
      <Empty title={w.updated}>
        <Button look="primary" onClick={() => location.reload()}>
          {w.reload}
        </Button>
      </Empty>
    );
  return View ? <View params={params} /> : <Skeleton />;
}

function SignedIn() {
  const w = say(words);
  const me = useQuery({
    queryKey: ["me"],
    queryFn: async () => ((await of((api.GET as any)("/api/v1/me", {}))) as { data: Me }).data,
    staleTime: 60_000,
  });
  useEffect(() => startLive(), []);
  if (me.isError) return <ProblemNote error={me.error} retry={() => void me.refetch()} />;
  if (!me.data) return <Skeleton />;
  if (!me.data.company) return <Empty title={w.noCompany}>{w.noCompanyHow}</Empty>;
  const role = me.data.user.role ?? "";
  return (
    <MeContext.Provider value={me.data}>
      <Shell role={role}>
        <Switch>
          <Route path="/">
            <Redirect to={home(role)} replace />
          </Route>
          {PAGES.map((p) => (
            <Route key={p.path} path={p.path}>
              {(params: Record<string, string | undefined>) => <Screen page={p} params={params} role={role} />}
            </Route>
          ))}
          <Route>
            <Empty title={w.nothing}>
              <Link href="/" class="link">
                {w.home}
              </Link>
            </Empty>
          </Route>
        </Switch>
      </Shell>
    </MeContext.Provider>
  );
}

export function App() {
  const w = say(words);
  const [state, setState] = useState<"asking" | "in" | "out" | "broken">("asking");
  const [why, setWhy] = useState<unknown>();
  useEffect(() => {
    session.start().then(
      (found) => {
        const chosen = sessionStorage.getItem("otto-company");
        if (chosen && session.companies.some((c) => c.id === chosen)) session.switchTo(chosen);
        setState(found ? "in" : "out");
      },
      (e) => {
        setWhy(e);
        setState("broken");
      },
    );
  }, []);
  if (state === "asking") return null;
  if (state === "broken") return <ProblemNote error={why} retry={() => location.reload()} />;
  if (state === "out")
    return (
      <main class={s["gate"]}>
        <div>
          <h1>{w.welcome}</h1>
          <p class="soft">{w.signInLead}</p>
          <Button look="primary" big onClick={() => session.signIn()}>
            {w.signIn}
          </Button>
        </div>
      </main>
    );
  return (
    <QueryClientProvider client={queries}>
      <Router base="/app">
        <SignedIn />
      </Router>
    </QueryClientProvider>
  );
}
