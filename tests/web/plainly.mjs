// What else people meet: pages without script, on paper, by the keyboard alone, with nothing on them, and what refuses something;
// and the announcement that pictures are going to be removed.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";

// Presses Tab through a page: what has the focus is seen, each thing once, and the first leads to the content.
async function by_keyboard(page, name) {
  await page.evaluate("document.activeElement.blur(); getSelection().removeAllRanges(); scrollTo(0, 0)");
  const seen = [];
  for (let presses = 0; presses < 200; presses++) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const one = document.activeElement;
      if (one === document.body || one.dataset.seen === "yes") return null;
      one.dataset.seen = "yes";
      // A file field lies over its label, which shows the focus.
      const lit = one.matches(".live .choice input") ? one.parentElement.querySelector("label") : one;
      const { width, height } = one.getBoundingClientRect();
      const style = getComputedStyle(lit);
      return { what: one.outerHTML.slice(0, 120), shown: width > 0 && height > 0 && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 };
    });
    if (!at) break;
    assert.ok(at.shown, `${name}: the focus is not seen on ${at.what}`);
    seen.push(at.what);
  }
  assert.match(seen[0], /class="skip"/, name);
  assert.ok(seen.length > 3, `${name}: ${seen.length} things have the focus`);
}

export async function plainly({ visitor, sign_in, looked_at, operator, reunite, restart, data, pictures, complaints, web }) {
  reunite(["customer", "enable", "anna"]);
  // Nothing came for long, as far as the catalogue knows: what is missing is announced to be removed, every page says the day, and
  // the customer asks for more time.
  const long_ago = "- 200 * 86400000000";
  const rows = `UPDATE records SET imported_at = imported_at ${long_ago}, wanted_since = NULL; UPDATE uploads SET received_at = received_at ${long_ago};`;
  execFileSync("/usr/bin/python3", ["-c", "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=10).executescript(sys.argv[2])",
    join(data, "catalogue.sqlite"), rows]);
  const server = await restart({ REUNITE_RETIRE_AFTER_DAYS: "100" });
  await operator.goto(server.token);
  const anna = await visitor();
  await sign_in(anna, "/sign-in", "anna", "annas secret");
  const home = anna.url();
  await anna.getByText(/removed on \d+ [A-Z][a-z]+ \d{4}/).waitFor({ timeout: 20_000 });
  await looked_at(anna, "announced");
  await operator.goto(`${web}/removed`);
  await operator.getByRole("heading", { name: "Announced" }).waitFor();
  await looked_at(operator, "announced-desk");
  await anna.getByRole("button", { name: "Keep looking" }).click();
  await anna.getByText(/We keep looking for \d+ pictures/).waitFor();
  await looked_at(anna, "kept");
  await anna.getByRole("button", { name: "Undo" }).click();
  await anna.getByText(/Taken back. That \d+ pictures will be removed is announced anew/).waitFor();

  // All that a search leaves, at once, and back.
  await anna.goto(`${home}/missing?words=butter`);
  await anna.getByText("None of these can be found any more?").click();
  await looked_at(anna, "none-of-these");
  await anna.getByRole("button", { name: "I have none of them" }).click();
  await anna.getByText("1 picture is no longer looked for.").waitFor();
  await anna.getByRole("button", { name: "Undo" }).click();
  await anna.getByText("1 picture is looked for again.").waitFor();

  await by_keyboard(anna, "missing");
  await anna.goto(home);
  await by_keyboard(anna, "customer");
  await operator.goto(`${web}/matches`);
  await by_keyboard(operator, "matches");

  // Nothing to show, and what is refused.
  for (const [page, path, name] of [
    [anna, `${home}/missing?words=nothing-is-called-that`, "missing-none"],
    [anna, `${home}/removed`, "removed-none"],
    [anna, `${home}/files?words=nothing`, "files-none"],
    [anna, `${home}/files`, "files-own"],
    [anna, `${home}/missing?from=yesterday`, "refused"],
    [anna, `${web}/no/such/page`, "no-such-page"],
    [operator, `${web}/matches?customer=nobody`, "matches-none"],
    [operator, `${web}/orders?words=nothing`, "orders-none"],
    [operator, `${web}/search?q=nothing-is-called-that`, "search-none"],
    [operator, `${web}/decisions?who=nobody`, "decisions-none"],
    [operator, `${web}/matches/print`, "matches-print"],
  ]) {
    await page.goto(path);
    await looked_at(page, name);
  }
  const wrong = await visitor();
  await sign_in(wrong, "/sign-in", "anna", "another");
  await wrong.getByRole("alert").waitFor();
  await looked_at(wrong, "sign-in-wrong");
  await wrong.goto(`${web}/embed/missing?key=spent`);
  await looked_at(wrong, "embedded-over");
  // The browser itself complains of answers that refuse, which these were asked for.
  complaints.splice(0, complaints.length, ...complaints.filter((text) => !/status of (400|403|404)/.test(text)));

  // On paper there is nothing to press, and nothing is cut off.
  for (const [page, path, name] of [[anna, home, "customer"], [anna, `${home}/missing`, "missing"], [operator, `${web}/matches`, "matches"],
    [operator, `${web}/matches/print`, "matches-print"], [operator, `${web}/orders`, "orders"]]) {
    await page.goto(path);
    await page.setViewportSize({ width: 720, height: 1000 });
    await page.emulateMedia({ media: "print", colorScheme: "light" });
    assert.equal(await page.locator("button:visible, input:visible, nav:visible").count(), 0, `${name}: paper has no buttons`);
    await page.screenshot({ path: join(pictures, `${name}-paper.png`), fullPage: true });
    await page.emulateMedia({ media: "screen" });
    await page.setViewportSize({ width: 1280, height: 900 });
  }

  // Without script the same is said, and the forms work.
  const plain = await visitor({ javaScriptEnabled: false });
  await sign_in(plain, "/sign-in", "anna", "annas secret");
  for (const [path, name] of [[home, "customer"], [`${home}/missing`, "missing"], [`${home}/connect`, "connect"]]) {
    await plain.goto(path);
    await plain.screenshot({ path: join(pictures, `${name}-no-script.png`), fullPage: true });
  }
  for (const page of [anna, wrong, plain]) await page.context().close();
}
