import "./tokens.css";
import { render } from "preact";
import { App } from "./app";

const theme = localStorage.getItem("otto-theme");
if (theme === "light" || theme === "dark") document.documentElement.dataset["theme"] = theme;

const at = document.getElementById("app")!;
if (import.meta.env.DEV && location.pathname === "/app/_ui") void import("./screens/ui/page").then((m) => render(<m.default />, at));
else render(<App />, at);
