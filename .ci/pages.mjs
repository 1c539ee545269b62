// Loads pages from files in headless Chromium, light and dark, wide and narrow; see browser.mjs for what it minds.
//
//   node .ci/pages.mjs MODULES PICTURES PAGE...
//
// A picture of every view goes to PICTURES.
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { inBrowser, schemes, widths } from "./browser.mjs";

const [modules, pictures, ...pages] = process.argv.slice(2);
await inBrowser(modules, async look => {
  for (const path of pages) {
    const url = pathToFileURL(resolve(path)).href;
    const name = basename(path, ".html");
    for (const scheme of schemes)
      for (const width of widths)
        await look(url, {
          where: `${name}, ${scheme}, ${width} px`,
          scheme,
          width,
          picture: join(pictures, `${name}-${scheme}-${width}.png`),
          isOwn: other => other === url,
        });
  }
});
console.log(`${pages.length} pages in Chromium, light and dark, wide and narrow: no complaint`);
