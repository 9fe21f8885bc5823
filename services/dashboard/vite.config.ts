import prefresh from "@prefresh/vite";
import { defineConfig } from "vitest/config";

const otto = process.env["OTTO_URL"] ?? "http://127.0.0.1:8080";

export default defineConfig({
  base: "/app/",
  plugins: [prefresh() as never], // its types are of another copy of vite's
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  resolve: { alias: { react: "preact/compat", "react-dom": "preact/compat", "react/jsx-runtime": "preact/jsx-runtime" } },
  build: {
    outDir: process.env["OTTO_DASHBOARD_OUT"] ?? "dist",
    emptyOutDir: true,
    target: "es2023",
    cssMinify: "lightningcss",
    assetsInlineLimit: 0, // the policy takes no data: but pictures
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  css: { transformer: "lightningcss" },
  server: { port: 5173, strictPort: true, proxy: { "/api": otto, "/media": otto } },
  test: { include: ["src/**/*.test.ts"], testTimeout: 30_000 },
});
