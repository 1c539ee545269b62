// Loads the live page in headless Chromium while a subscriber runs, light and dark, wide and narrow, and fails when its figures
// stand still; see browser.mjs for what else it minds.
//
//   node .ci/live.mjs MODULES PICTURES URL
//
// A picture of every view goes to PICTURES.
import { join } from "node:path";
import { fail, inBrowser, schemes, widths } from "./browser.mjs";

const [modules, pictures, url] = process.argv.slice(2);
const leastRows = { lines: 2, latency: 8, queues: 1, instruments: 5 };

const text = (page, id) => page.$eval(`#${id}`, element => element.textContent);

async function changes(page, id, from) {
  const differs = (id, from) => document.getElementById(id).textContent !== from;
  await page.waitForFunction(differs, { timeout: 30_000, polling: 200 }, id, from);
}

async function isLive(page, where) {
  await changes(page, "now", "");
  for (const id of ["now", "latency"]) await changes(page, id, await text(page, id));
  const state = await text(page, "state");
  if (state !== "live") fail(where, `it is not live: ${state}`);
  for (const [id, rows] of Object.entries(leastRows)) {
    const found = await page.$$eval(`#${id} tbody tr`, all => all.length);
    if (found < rows) fail(where, `${id}: ${found} rows, expected ${rows}`);
  }
}

await inBrowser(modules, async look => {
  for (const scheme of schemes)
    for (const width of widths) {
      const where = `${scheme}, ${width} px`;
      await look(url, {
        where,
        scheme,
        width,
        picture: join(pictures, `live-${scheme}-${width}.png`),
        isOwn: other => other.startsWith(url),
        use: page => isLive(page, where),
      });
    }
});
console.log("the live page in Chromium, light and dark, wide and narrow: no complaint");
