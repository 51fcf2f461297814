// The pages in a real browser, over a real server that real files are sent to by FTP.
//
//     node tests/web/pages.mjs PROGRAM NODE_MODULES PICTURES
//
// PROGRAM is the `reunite` to try, NODE_MODULES the folder where playwright-core and axe-core are, PICTURES a folder for
// pictures of every page (phone and desktop, light and dark). Exit code 0 if everything holds.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { desk } from "./desk.mjs";
import { outside } from "./outside.mjs";
import { plainly } from "./plainly.mjs";
import { operating } from "./operating.mjs";
import { sending } from "./sending.mjs";

const [program, modules, pictures] = process.argv.slice(2).map((path) => resolve(path));
const require = createRequire(join(modules, "any.js"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const fixtures = resolve(import.meta.dirname, "../../fixtures/originals");
const scratch = mkdtempSync(join(tmpdir(), "reunite-web-"));
const data = join(scratch, "data");
mkdirSync(pictures, { recursive: true });

const names = ["alps-dawn", "aurora", "autumn-lake", "balloons", "beach-palm", "birthday-cake", "butterfly", "canyon"];
const sent = names.slice(0, 3);

function reunite(words, input) {
  return execFileSync(program, ["--data", data, ...words], { input, encoding: "utf8", stdio: ["pipe", "pipe", "inherit"] });
}

// A shop with three customers: anna has lost eight pictures, bert one, carl three.
function prepare() {
  const thumbs = join(scratch, "thumbs");
  mkdirSync(thumbs);
  const rows = ["record,customer,filename,width,height,sha256,taken_at,thumbnail"];
  for (const [at, name] of [...names, "coffee", "harbour", "lavender", "pebbles"].entries()) {
    const customer = name === "coffee" ? "bert" : names.includes(name) ? "anna" : "carl";
    copyFileSync(join(fixtures, `${name}.jpg`), join(thumbs, `${name}.jpg`));
    const digest = createHash("sha256").update(readFileSync(join(fixtures, `${name}.jpg`))).digest("hex");
    rows.push(`order-${at}/1,${customer},${name}.jpg,,,${digest},2018-${String(at + 1).padStart(2, "0")}-15T10:00:00,${name}.jpg`);
  }
  writeFileSync(join(scratch, "records.csv"), rows.join("\n") + "\n");
  reunite(["import", join(scratch, "records.csv"), "--thumbs", thumbs]);
  reunite(["customer", "passwd", "anna"], "annas secret");
  reunite(["customer", "passwd", "carl"], "carls secret");
  reunite(["user", "add", "sue", "--role", "support"], "desk secret");
}

async function serve(web = "127.0.0.1:0", settings = {}) {
  const any = "127.0.0.1:0";
  const child = spawn(program, ["--data", data, "serve", "--ftp", any, "--sftp", any, "--web", web],
    { env: { ...process.env, REUNITE_WEB_EMBED_ORIGINS: "https://shop.example", REUNITE_WEB_TIME_ZONE: "Asia/Kathmandu", ...settings } });
  let said = "";
  child.stderr.on("data", (text) => (said += text));
  const ready = await new Promise((done, fail) => {
    let text = "";
    child.stdout.on("data", (some) => {
      text += some;
      if (text.includes("\n")) done(text);
    });
    child.on("exit", () => fail(new Error(`the server ended: ${said}`)));
  });
  const address = (kind) => ready.match(new RegExp(`${kind}=(\\S+)`))[1];
  return { child, ftp: address("ftp"), web: `http://${address("web")}`, token: said.match(/pages: (\S+)/)[1] };
}

prepare();
let server = await serve();
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP pictures.example.net 127.0.0.1"],
});

// A visitor of their own; whatever their browser complains of, and any request elsewhere, fails the run.
const complaints = [];
async function visitor(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(`${page.url()}: ${message.text()}`));
  page.on("pageerror", (error) => complaints.push(`${page.url()}: ${error}`));
  page.on("request", (request) => [server.web, server.web.replace("127.0.0.1", "[::1]"), server.outside].some((own) => request.url().startsWith(own)) || complaints.push(`foreign: ${request.url()}`));
  return page;
}

async function narrow_enough(page, name) {
  const wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
  assert.equal(wide, 0, `${name} scrolls sideways at ${page.viewportSize().width}`);
  const beyond = await page.evaluate(() => [...document.querySelectorAll(".desk a")].filter((link) => {
    const { left, right } = link.getBoundingClientRect();
    return left < 0 || right > document.documentElement.clientWidth;
  }).map((link) => link.textContent));
  assert.deepEqual(beyond, [], `${name} hides ways to other pages at ${page.viewportSize().width}`);
}

async function looked_at(page, name) {
  for (const [width, colorScheme] of [[390, "light"], [390, "dark"], [1280, "light"], [1280, "dark"]]) {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme });
    const faults = await page.evaluate(`${axe}; axe.run().then((found) => found.violations.map((v) => v.id + " " + v.nodes[0].html))`);
    assert.deepEqual(faults, [], `${name}, ${width}, ${colorScheme}`);
    await narrow_enough(page, name);
    await page.screenshot({ path: join(pictures, `${name}-${width}-${colorScheme}.png`), fullPage: true });
  }
  // What 1280 and 640 pixels are at 200 % and at 400 %.
  for (const width of [640, 360, 320]) {
    await page.setViewportSize({ width, height: 900 });
    await narrow_enough(page, name);
  }
  await page.setViewportSize({ width: 1280, height: 900 });
}

// Two pictures come back made anew, so that a person has to decide; sue does it with the keys.
async function review(sue) {
  for (const name of ["balloons", "beach-palm"]) {
    const [again, levels] = [join(scratch, `${name}-again.jpg`), join(scratch, "levels.ppm")];
    execFileSync("djpeg", ["-outfile", levels, join(fixtures, `${name}.jpg`)]);
    execFileSync("cjpeg", ["-quality", "40", "-outfile", again, levels]);
    execFileSync("curl", ["--silent", "--show-error", "--fail", "--user", "anna:annas secret", "--upload-file", again, `ftp://${server.ftp}/`]);
  }
  for (let tries = 0; !["balloons", "beach-palm"].every((name) => reunite(["review", "list", "--format", "csv"]).includes(`${name}-again.jpg`)); tries++) {
    assert.ok(tries < 120, "the two are not asked about");
    await sue.waitForTimeout(500);
  }
  await sue.getByRole("link", { name: "Review" }).click();
  await sue.getByText("balloons-again.jpg").waitFor();
  const shown = await sue.evaluate(async () => {
    const answer = await fetch(document.querySelector(".sent image").getAttribute("href"));
    const bitmap = await createImageBitmap(await answer.blob());
    return { type: answer.headers.get("content-type"), parts: bitmap.width / Number(document.querySelector(".sent svg").getAttribute("width")) };
  });
  assert.deepEqual(shown, { type: "image/png", parts: 3 });
  // From the question to its record and back, and to the file.
  await sue.getByRole("link", { name: "order-3/1" }).click();
  await sue.getByText("A likely file waits for a person").waitFor();
  await looked_at(sue, "record-asked");
  await sue.getByRole("link", { name: "balloons-again.jpg" }).first().click();
  await sue.getByText("a person decides").waitFor();
  await sue.goBack();
  await sue.getByRole("link", { name: "Compare and answer" }).click();
  await sue.getByText("balloons-again.jpg").waitFor();
  await looked_at(sue, "review");
  await sue.keyboard.press("f");
  const places = await sue.evaluate(() => [".kept svg", ".sent svg"].map((part) => {
    const { x, y, width, height } = document.querySelector(part).getBoundingClientRect();
    return [x, y, width, height];
  }));
  assert.deepEqual(places[0], places[1], "flicker lays one over the other");
  await sue.screenshot({ path: join(pictures, "review-flicker.png") });
  await sue.keyboard.press("f");
  // Zoom shows the same third of all parts where they were, side by side; pointer and arrows move it.
  const parts = () => sue.evaluate(() => [...document.querySelectorAll("[data-current] figure > svg")].map((part) => {
    const { x, y } = part.getBoundingClientRect();
    const [left, top, wide, high] = part.firstElementChild.getAttribute("viewBox").split(" ").map(Number);
    const [width, height] = ["width", "height"].map((side) => Number(part.getAttribute(side)));
    return { x, y, seen: [(left % width) / width, top / height, wide / width, high / height].map((of) => Math.round(of * 1000)) };
  }));
  await sue.setViewportSize({ width: 1280, height: 850 });
  const before = await parts();
  assert.deepEqual(before.map((part) => part.seen), Array(3).fill([0, 0, 1000, 1000]));
  await sue.keyboard.press("z");
  const zoomed = await parts();
  assert.deepEqual(zoomed.map((part) => part.seen), Array(3).fill([333, 333, 333, 333]));
  assert.deepEqual(zoomed.map(({ x, y }) => [x, y]), before.map(({ x, y }) => [x, y]), "the parts stay side by side");
  await sue.screenshot({ path: join(pictures, "review-zoomed.png") });
  await sue.locator("[data-current] .kept svg").first().hover({ position: { x: 2, y: 2 } });
  assert.ok((await parts()).every(({ seen }) => seen[0] < 20 && seen[1] < 20), "the pointer moves all");
  await sue.keyboard.press("ArrowDown");
  const down = await parts();
  assert.ok(down.every(({ seen }) => seen[1] > 80 && seen[1] === down[0].seen[1]), "arrows move all");
  // The answers are in sight, upright pictures and phones included, wherever the page is scrolled to.
  for (const [width, height] of [[1280, 850], [1280, 600], [390, 740], [360, 640]]) {
    await sue.setViewportSize({ width, height });
    await sue.evaluate(() => scrollTo(0, 0));
    const bar = await sue.locator("[data-current] .answers").evaluate((bar) => bar.getBoundingClientRect().bottom);
    assert.ok(bar <= height + 1, `the answers end at ${bar} of ${height}`);
    await sue.screenshot({ path: join(pictures, `review-first-screen-${width}-${height}.png`) });
  }
  await sue.setViewportSize({ width: 1280, height: 900 });
  await sue.keyboard.press("k");
  await sue.getByText("beach-palm-again.jpg").waitFor();
  // Behind the last one nothing begins anew without a word.
  await sue.keyboard.press("k");
  await sue.getByText("You have seen all of them. 2 that were skipped are left.").waitFor();
  await looked_at(sue, "review-end");
  await sue.keyboard.press("k");
  await sue.getByText("balloons-again.jpg").waitFor();
  await sue.keyboard.press("k");
  await sue.getByText("beach-palm-again.jpg").waitFor();
  await sue.keyboard.press("n");
  await sue.getByText("it is not the picture").waitFor();
  await sue.keyboard.press("u");
  await sue.getByText("Taken back").waitFor();
  await sue.getByText("2 left").waitFor();
  assert.match(await sue.locator(".reasons").textContent(), /pixels/, "the evidence is there again");
  await sue.keyboard.press("s");
  await sue.getByText("it goes back to its record").waitFor();
  for (let tries = 0; !reunite(["report", "matches", "--format", "csv"]).includes("sue"); tries++) {
    assert.ok(tries < 120, "sue's answer was not carried out");
    await sue.waitForTimeout(500);
  }
  // What was put back by an answer leaves again when the answer is taken back, and the question is what it was.
  await sue.keyboard.press("u");
  await sue.getByText("Taken back").waitFor();
  const evidence = await sue.locator(".reasons").textContent();
  assert.ok(/pixels/.test(evidence) && !/person/.test(evidence), `the evidence is ${evidence}`);
  for (let tries = 0; reunite(["report", "matches", "--format", "csv"]).includes("sue"); tries++) {
    assert.ok(tries < 120, "the picture stayed");
    await sue.waitForTimeout(500);
  }
}

async function sign_in(page, path, name, password) {
  await page.goto((page.web ?? server.web) + path);
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

async function story() {
  const anna = await visitor();
  await anna.goto(server.web);
  assert.equal(new URL(anna.url()).pathname, "/sign-in");
  await looked_at(anna, "sign-in");
  await sign_in(anna, "/sign-in", "anna", "annas secret");
  const home = anna.url();
  await anna.getByRole("heading", { name: "None of 8 pictures are back yet" }).waitFor();
  await looked_at(anna, "customer-before");

  // The numbers move while files come in, and nobody asks for the page again.
  await anna.evaluate("window.same = true");
  for (const name of sent) {
    execFileSync("curl", ["--silent", "--show-error", "--fail", "--ftp-create-dirs", "--user", "anna:annas secret", "--upload-file",
      join(fixtures, `${name}.jpg`), `ftp://${server.ftp}/Holiday/${name} (1).jpg`.replaceAll(" ", "%20")]);
  }
  writeFileSync(join(scratch, "broken.jpg"), "no picture");
  execFileSync("curl", ["--silent", "--fail", "--user", "anna:annas secret", "--upload-file", join(scratch, "broken.jpg"), `ftp://${server.ftp}/`]);
  await anna.getByRole("heading", { name: "3 of 8 pictures are back" }).waitFor({ timeout: 60_000 });
  await anna.getByText("broken.jpg").waitFor({ timeout: 60_000 });
  assert.equal(await anna.evaluate("window.same"), true, "the page was loaded anew");
  await anna.getByText("Holiday/alps-dawn (1).jpg").waitFor();
  await looked_at(anna, "customer");

  await anna.goto(`${home}/missing`);
  await anna.getByLabel("Name").fill("BUTTER");
  await anna.getByRole("button", { name: "Show" }).click();
  assert.equal(await anna.locator(".card").count(), 1);
  await looked_at(anna, "missing");
  // One that is gone: chosen, given up, taken back, given up for good.
  await anna.locator(".card").getByLabel("I don't have it").check();
  await anna.getByRole("button", { name: "Stop looking" }).click();
  await anna.getByText("1 picture is no longer looked for.").waitFor();
  assert.equal(await anna.locator(".card").count(), 4);
  await anna.getByRole("button", { name: "Undo" }).click();
  await anna.getByText("1 picture is looked for again.").waitFor();
  assert.equal(await anna.locator(".card").count(), 5);
  await anna.getByLabel("I don't have it").last().check();
  await looked_at(anna, "missing-chosen");
  await anna.getByRole("button", { name: "Stop looking" }).click();
  await anna.goto(home);
  await anna.getByRole("heading", { name: "3 of 7 pictures are back" }).waitFor();
  await anna.getByRole("link", { name: "Show them, or look for them again" }).click();
  await looked_at(anna, "removed");
  await anna.getByLabel("Look for it again").check();
  await anna.getByRole("button", { name: "Look for these" }).click();
  for (const list of ["returned", "problems"]) {
    await anna.goto(`${home}/${list}`);
    await looked_at(anna, list);
  }
  const report = await Promise.all([anna.waitForEvent("download"), anna.getByRole("link", { name: "CSV" }).click()]);
  assert.match(readFileSync(await report[0].path(), "utf8"), /broken\.jpg/);
  await anna.goto(`${home}/connect`);
  await anna.getByText(/^SHA256:[A-Za-z0-9+/]{43}$/).first().waitFor();
  await anna.getByText(/^([0-9a-f]{2}:){31}[0-9a-f]{2}$/).waitFor();
  await looked_at(anna, "connect");
  const file = await Promise.all([anna.waitForEvent("download"), anna.getByRole("link", { name: "For FileZilla" }).click()]);
  assert.match(readFileSync(await file[0].path(), "utf8"), /<User>anna<\/User>/);

  // A link in a mail: looking at it uses nothing up, pressing its button opens the page once.
  const link = reunite(["customer", "link", "anna"]).trim().replace(/^http:\/\/[^/]+/, server.web);
  const mail = await visitor({ javaScriptEnabled: false });
  await mail.goto(link);
  await mail.goto(link);
  await looked_at_plain(mail, "link");
  await mail.getByRole("button", { name: "Open my page" }).click();
  assert.equal(mail.url(), home);
  const late = await visitor();
  await late.goto(link);
  await late.getByRole("button", { name: "Open my page" }).click();
  await late.getByRole("heading", { name: "This link does not open anything" }).waitFor();
  complaints.splice(0, complaints.length, ...complaints.filter((text) => !/status of 403/.test(text)));

  const sue = await visitor();
  await sign_in(sue, "/sign-in/staff", "sue", "desk secret");
  await sue.getByRole("link", { name: "bert" }).waitFor();
  await looked_at(sue, "customers");
  await sue.getByRole("link", { name: "Matches" }).click();
  await sue.getByLabel("State").selectOption("came back");
  await sue.getByRole("button", { name: "Show" }).click();
  assert.equal(await sue.locator("tbody tr").count(), 3);
  await looked_at(sue, "matches");
  await review(sue);
  const send = (name, to) => execFileSync("curl", ["--silent", "--show-error", "--fail", "--ftp-create-dirs", "--user", "anna:annas secret",
    "--upload-file", join(fixtures, name), `ftp://${server.ftp}/${to.replaceAll(" ", "%20")}`]);
  await desk({ sue, looked_at, reunite, send, web: server.web });

  reunite(["customer", "disable", "anna"]);
  await mail.goto(home);
  assert.equal(new URL(mail.url()).pathname, "/sign-in", "a disabled account is signed out");
  await sue.getByRole("button", { name: "Sign out" }).click();
  await sue.goto(server.web);
  assert.equal(new URL(sue.url()).pathname, "/sign-in");

  // The server is killed and begun again at the same place; a page that is open goes on by itself.
  const restart = async (settings) => {
    const ended = new Promise((done) => server.child.once("exit", done));
    server.child.kill("SIGKILL");
    await ended;
    server = await serve(new URL(server.web).host, settings);
    return server;
  };
  await sending({ visitor, sign_in, looked_at, reunite, restart, complaints, scratch, fixtures, web: server.web });

  const operator = await visitor();
  await operator.goto(server.token);
  await operator.getByText("operator on this machine").waitFor();
  assert.ok(!operator.url().includes("token"));
  await operating({ visitor, looked_at, reunite, operator, scratch, web: server.web });
  await plainly({ visitor, sign_in, looked_at, operator, reunite, restart, data, pictures, complaints, web: server.web });
  await outside({ visitor, looked_at, reunite, restart, program, data, pictures, scratch });
  assert.deepEqual(complaints, []);
}

// Without script there is no axe either.
async function looked_at_plain(page, name) {
  await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
}

try {
  await story();
  console.log("the pages hold");
} finally {
  await browser.close();
  server.child.kill("SIGTERM");
  await new Promise((done) => server.child.once("exit", done));
  rmSync(scratch, { recursive: true });
}
