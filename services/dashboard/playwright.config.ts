import { defineConfig } from "@playwright/test";

// Against a running stack: tests/run web makes one; OTTO_URL, OTTO_SANDBOX and OTTO_RUN_DIR name another.
export default defineConfig({
  testDir: "e2e",
  timeout: 60_000,
  expect: { timeout: 10_000 },
  fullyParallel: false,
  workers: 1,
  retries: 0,
  reporter: [["list"]],
  outputDir: process.env["OTTO_WEB_RESULTS"] ?? "test-results",
  use: {
    baseURL: process.env["OTTO_URL"] ?? "http://127.0.0.1:8080",
    viewport: { width: 1440, height: 900 },
    locale: "en-US",
    timezoneId: "Europe/Zurich", // not the company's: what shows the device's zone is wrong
    screenshot: "only-on-failure",
    trace: "retain-on-failure",
    launchOptions: { executablePath: process.env["OTTO_CHROMIUM"] ?? "/usr/bin/chromium", args: ["--no-sandbox"] },
  },
});
