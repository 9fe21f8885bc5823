// What a first visit transfers, gzip, against its limits: 80 kB of JavaScript, 20 of CSS, 170 in all with the font; 40 of JavaScript for any other page.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const folder = process.argv[2];
const assets = join(folder, "assets");
const html = readFileSync(join(folder, "index.html"), "utf8");
const size = (name) => gzipSync(readFileSync(join(assets, name)), { level: 9 }).length;
const named = [...html.matchAll(/assets\/([\w.-]+\.(?:js|css))/g)].map((m) => m[1]);
const first = (end) => named.filter((n) => n.endsWith(end)).reduce((sum, n) => sum + size(n), 0);
const font = readdirSync(assets).find((n) => /inter-latin-wght.*\.woff2$/.test(n));
const others = readdirSync(assets).filter((n) => n.endsWith(".js") && !named.includes(n));
const largest = others.map((n) => [size(n), n]).sort((a, b) => b[0] - a[0])[0] ?? [0, "none"];
const lines = [
  ["first page, JavaScript", first(".js"), 80_000],
  ["first page, CSS", first(".css"), 20_000],
  [
    "first page, all with the font",
    first(".js") + first(".css") + gzipSync(html).length + (font ? statSync(join(assets, font)).size : 0),
    170_000,
  ],
  [`largest other (${largest[1]})`, largest[0], 40_000],
];
let over = false;
for (const [what, bytes, limit] of lines) {
  console.log(`${what}: ${(bytes / 1000).toFixed(1)} kB of ${limit / 1000}`);
  over ||= bytes > limit;
}
if (over) {
  console.error("size: over a limit");
  process.exit(1);
}
