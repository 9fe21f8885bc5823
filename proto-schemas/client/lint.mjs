// node lint.mjs openapi.json: Redocly's strictest rules, where a warning counts as an error. Each finding is a line; the exit code is 1 if there is any.
import { readFileSync } from "node:fs";
import { createConfig, lintFromString } from "@redocly/openapi-core";

const config = await createConfig({
  extends: ["recommended-strict"],
  rules: {
    "info-license": "off", // Otto has none yet
    "no-path-trailing-slash": "off", // /company/ is posted to as it was published
    "operation-2xx-response": "off", // a link to a file is a success too
    "rule/operation-succeeds": { subject: { type: "Responses" }, assertions: { requireAny: ["200", "201", "202", "204", "302"] }, severity: "error" },
    "operation-4xx-response": "off", // /openapi.json and /docs take nothing that could be wrong
  },
});
const file = process.argv[2];
const problems = await lintFromString({ source: readFileSync(file, "utf8"), absoluteRef: file, config });
for (const p of problems) console.log(`${p.severity} ${p.ruleId} ${p.location[0]?.pointer ?? ""}: ${p.message}`);
process.exit(problems.length ? 1 : 0);
