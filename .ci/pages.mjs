// Loads pages in headless Chromium, light and dark, wide and narrow, and fails when one of them complains, asks for
// anything from a network, is wider than the window, or is hard to read for somebody (axe).
//
//   node .ci/pages.mjs MODULES PICTURES PAGE...
//
// MODULES has puppeteer-core and axe-core; a picture of every view goes to PICTURES. A page is a file, or the address of
// a server on this host, which it may ask for more.
import { createRequire } from "node:module";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, pictures, ...pages] = process.argv.slice(2);
const require = createRequire(join(resolve(modules), "node_modules", "x"));
const puppeteer = require("puppeteer-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const profile = mkdtempSync(join(tmpdir(), "pages-"));
const browser = await puppeteer.launch({
  executablePath: "/usr/bin/chromium",
  userDataDir: profile,
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
  ],
});
const widths = [1400, 400];
let failures = 0;
const fail = (where, what) => { failures += 1; console.error(`${where}: ${what}`); };

// Colours differ with the scheme, hardly anything else with the width: once for each scheme is enough.
async function check(page, where) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => axe.run({ resultTypes: ["violations"] }));
  for (const { id, help, nodes } of violations) fail(where, `${id}: ${help}: ${nodes[0].html.slice(0, 200)}`);
}

async function look(path, scheme, width) {
  const isServed = /^https?:/.test(path);
  const url = isServed ? new URL(path).href : pathToFileURL(resolve(path)).href;
  const name = isServed ? new URL(url).host.replace(/\W/g, "-") : basename(path, ".html");
  const where = `${name}, ${scheme}, ${width} px`;
  const isOwn = other => isServed ? new URL(other).origin === new URL(url).origin : other === url;
  const page = await browser.newPage();
  await page.setBypassCSP(true);
  page.on("console", message => fail(where, `console: ${message.text()}`));
  page.on("pageerror", error => fail(where, error.message));
  page.on("request", request => { if (!isOwn(request.url())) fail(where, `asks for ${request.url()}`); });
  await page.setViewport({ width, height: 900 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.goto(url, { waitUntil: "load" });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  if (wide > width) fail(where, `is ${wide} px wide`);
  if (width === widths[0]) await check(page, where);
  await page.screenshot({ path: join(pictures, `${name}-${scheme}-${width}.png`), fullPage: true });
  await page.close();
}

try {
  for (const path of pages)
    for (const scheme of ["light", "dark"])
      for (const width of widths) await look(path, scheme, width);
} finally {
  await browser.close();
  rmSync(profile, { recursive: true, force: true });
}
if (failures > 0) process.exit(1);
console.log(`${pages.length} pages in Chromium, light and dark, wide and narrow: no complaint`);
