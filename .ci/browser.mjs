// What .ci/pages.mjs and .ci/live.mjs have in common: a headless Chromium whose pages may not complain, ask anybody else for
// anything, be wider than the window, or be hard to read for somebody (axe).
import { createRequire } from "node:module";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export const schemes = ["light", "dark"];
export const widths = [1400, 400];

let failures = 0;
export const fail = (where, what) => { failures += 1; console.error(`${where}: ${what}`); };

// Runs `body` with a function that opens a page, in a browser from the folder MODULES, which has puppeteer-core and axe-core.
// Ends the process with a failure when there was one.
export async function inBrowser(modules, body) {
  const require = createRequire(join(resolve(modules), "node_modules", "x"));
  const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
  const profile = mkdtempSync(join(tmpdir(), "pages-"));
  const browser = await require("puppeteer-core").launch({
    executablePath: "/usr/bin/chromium",
    userDataDir: profile,
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync",
    ],
  });
  try {
    await body((url, options) => look(browser, axe, url, options));
  } finally {
    await browser.close();
    rmSync(profile, { recursive: true, force: true });
  }
  if (failures > 0) process.exit(1);
}

// Opens `url`, lets `use` do more with the page, checks it, and leaves a picture. It may ask what `isOwn` says for more.
async function look(browser, axe, url, { where, scheme, width, picture, isOwn, use = async () => {} }) {
  const page = await browser.newPage();
  await page.setBypassCSP(true);
  page.on("console", message => fail(where, `console: ${message.text()}`));
  page.on("pageerror", error => fail(where, error.message));
  page.on("request", request => {
    const asked = request.url();
    if (!isOwn(asked) && !asked.startsWith("data:")) fail(where, `asks for ${asked}`);
  });
  await page.setViewport({ width, height: 900 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.goto(url, { waitUntil: "load" });
  await use(page);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  if (wide > width) fail(where, `is ${wide} px wide`);
  // Colours differ with the scheme, hardly anything else with the width: once for each scheme is enough.
  if (width === widths[0]) {
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => axe.run({ resultTypes: ["violations"] }));
    for (const { id, help, nodes } of violations) fail(where, `${id}: ${help}: ${nodes[0].html.slice(0, 200)}`);
  }
  await page.screenshot({ path: picture, fullPage: true });
  await page.close();
}
