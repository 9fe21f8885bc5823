import { define } from "../i18n";

export const words = define({
  en: { table: "As table", drawing: "As chart", open: "Enter opens them" },
  es: { table: "Como tabla", drawing: "Como gráfico", open: "Intro las abre" },
});
