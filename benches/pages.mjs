// First paint in Chromium, and Lighthouse, over the pages of a running server; called by pages.py.
//
//     node benches/pages.mjs NODE_MODULES ADDRESS CUSTOMER_COOKIE SUPPORT_COOKIE OPERATOR_COOKIE
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, address, customer, support, operator] = process.argv.slice(2);
const require = createRequire(join(resolve(modules), "any.js"));
const { chromium } = require("playwright-core");
const { default: lighthouse, desktopConfig } = await import(pathToFileURL(require.resolve("lighthouse")));

const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--remote-debugging-port=0"];
const pages = [
  [customer, "/customers/1"], [customer, "/customers/1/missing"], [customer, "/customers/1/returned"],
  [customer, "/customers/1/files"], [customer, "/customers/1/connect"], [customer, "/sign-in"],
  [support, "/"], [support, "/matches"], [support, "/review"], [support, "/files"], [support, "/orders"],
  [support, "/removed"], [support, "/decisions"], [support, "/search?q=0000499"], [operator, "/status"],
];

const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

const server = await chromium.launchServer({ executablePath: "/usr/bin/chromium", args });
const browser = await chromium.connect(server.wsEndpoint());
for (const [cookie, path] of pages.slice(0, 2)) {
  const paints = [];
  for (let time = 0; time < 9; time++) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    const [name, value] = cookie.split("=");
    await context.addCookies([{ name, value, url: address }]);
    const page = await context.newPage();
    await page.goto(address + path);
    const paint = () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime;
    await page.waitForFunction(paint);
    paints.push(await page.evaluate(paint));
    await context.close();
  }
  console.log(`${path}: first paint after ${median(paints).toFixed(0)} ms (a browser that knows nothing of the page yet)`);
}
await browser.close();
await server.close();

// Lighthouse wants a browser of its own, by its port.
const port = 9300 + (process.pid % 600);
const own = await chromium.launch({ executablePath: "/usr/bin/chromium", args: [...args.slice(0, -1), `--remote-debugging-port=${port}`] });
for (const [cookie, path] of pages) {
  for (const device of ["mobile", "desktop"]) {
    const result = await lighthouse(address + path, {
      port, logLevel: "error", output: "json", onlyCategories: ["accessibility", "best-practices", "performance"],
      extraHeaders: { Cookie: cookie },
    }, device === "desktop" ? desktopConfig : undefined);
    const { categories, audits } = result.lhr;
    const score = (name) => Math.round(categories[name].score * 100);
    const failed = ["accessibility", "best-practices"].flatMap((name) => categories[name].auditRefs)
      .filter(({ id, weight }) => weight > 0 && audits[id].score !== null && audits[id].score < 1)
      .map(({ id }) => `${id} (${JSON.stringify(audits[id].details?.items?.slice(0, 2) ?? "").slice(0, 300)})`);
    console.log(`${path} ${device}: accessibility ${score("accessibility")}, best practices ${score("best-practices")}, ` +
      `performance ${score("performance")}${failed.length ? `; fails ${failed.join(", ")}` : ""}`);
  }
}
await own.close();
