import "./tokens.css";
import { render } from "preact";
import { App } from "./app";

const theme = localStorage.getItem("otto-theme");
if (theme === "light" || theme === "dark") document.documentElement.dataset["theme"] = theme;

render(<App />, document.getElementById("app")!);
