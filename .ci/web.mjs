// Loads the live page in headless Chromium while a subscriber runs, light and dark, wide and narrow, and fails when its figures
// stand still, it complains, asks another server for anything, is wider than the window, or is hard to read for somebody (axe).
//
//   node .ci/web.mjs MODULES PICTURES URL
//
// MODULES has puppeteer-core and axe-core; a picture of every view goes to PICTURES.
import { createRequire } from "node:module";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const [modules, pictures, url] = process.argv.slice(2);
const require = createRequire(join(resolve(modules), "node_modules", "x"));
const puppeteer = require("puppeteer-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const profile = mkdtempSync(join(tmpdir(), "web-"));
const browser = await puppeteer.launch({
  executablePath: "/usr/bin/chromium",
  userDataDir: profile,
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
  ],
});
let failures = 0;
const fail = (where, what) => { failures += 1; console.error(`${where}: ${what}`); };

const text = (page, id) => page.$eval(`#${id}`, (element) => element.textContent);

async function changes(page, id, from) {
  const differs = (id, from) => document.getElementById(id).textContent !== from;
  await page.waitForFunction(differs, { timeout: 30_000, polling: 200 }, id, from);
}

async function look(scheme, width) {
  const where = `${scheme}, ${width} px`;
  const page = await browser.newPage();
  page.on("console", (message) => fail(where, `console: ${message.text()}`));
  page.on("pageerror", (error) => fail(where, error.message));
  page.on("request", (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith("data:")) fail(where, `asks for ${request.url()}`);
  });
  await page.setViewport({ width, height: 900 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.goto(url, { waitUntil: "load" });
  await changes(page, "now", "");
  for (const id of ["now", "latency"]) await changes(page, id, await text(page, id));
  if (await text(page, "state") !== "live") fail(where, `it is not live: ${await text(page, "state")}`);
  for (const [id, rows] of [["lines", 2], ["latency", 8], ["queues", 1], ["instruments", 5]]) {
    const found = await page.$$eval(`#${id} tbody tr`, (all) => all.length);
    if (found < rows) fail(where, `${id}: ${found} rows, expected ${rows}`);
  }
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  if (wide > width) fail(where, `is ${wide} px wide`);
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => axe.run());
  for (const { id, help, nodes } of violations) fail(where, `${id}: ${help}: ${nodes[0].html.slice(0, 200)}`);
  await page.screenshot({ path: join(pictures, `live-${scheme}-${width}.png`), fullPage: true });
  await page.close();
}

try {
  for (const scheme of ["light", "dark"])
    for (const width of [1400, 400]) await look(scheme, width);
} finally {
  await browser.close();
  rmSync(profile, { recursive: true, force: true });
}
if (failures > 0) process.exit(1);
console.log("the live page in Chromium, light and dark, wide and narrow: no complaint");
