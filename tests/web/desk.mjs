// Sue at the desk: finds the record of a file that matched nothing, takes that back, searches, and looks at what was given up.
import assert from "node:assert/strict";

export async function desk({ sue, looked_at, reunite, send, web }) {
  const standing = () => reunite(["report", "matches", "--format", "csv"]).includes("stag.jpg");
  const until = async (what, holds) => {
    for (let tries = 0; !holds(); tries++) {
      assert.ok(tries < 240, what);
      await sue.waitForTimeout(250);
    }
  };
  send("stag.jpg", "Odd things/stag.jpg");
  await until("the stag is not decided", () => reunite(["report", "unmatched", "--format", "csv"]).includes("stag.jpg"));
  await sue.getByRole("link", { name: "Files", exact: true }).click();
  await sue.getByRole("link", { name: "Odd things/stag.jpg" }).waitFor();
  await looked_at(sue, "files");
  // What is damaged and like nothing that is missing says so, here and to whom it belongs.
  const cut = "Odd things/half sent.jpg", changed = "Odd things/altered.png";
  send("../malformed/truncated-50.jpg", cut);
  send("../malformed/bad-crc.png", changed);
  await until("the damaged ones are not told", () => reunite(["report", "files", "--format", "csv"]).split(",damaged,").length === 3);
  await sue.reload();
  assert.equal(await sue.getByText("half sent").count(), 0, "it is not among those that belong to nothing");
  await sue.getByLabel("State").selectOption("could not be used");
  await sue.getByRole("button", { name: "Show" }).click();
  const line = (name) => sue.locator(".files-received li", { hasText: name });
  assert.match(await line(cut).textContent(), /could not be used: the file is cut off: its end is missing/);
  assert.match(await line(changed).textContent(), /could not be used: the file is damaged: a check sum in it is wrong/);
  await looked_at(sue, "files-damaged");
  await sue.getByRole("link", { name: cut }).click();
  await sue.getByText("could not be used: the file is cut off").waitFor();
  await looked_at(sue, "upload-damaged");
  await sue.getByRole("link", { name: "anna", exact: true }).click();
  await sue.getByText("The file is cut off: its end is missing. If there is another copy of it").waitFor();
  await looked_at(sue, "customer-damaged");
  await sue.getByRole("link", { name: "Files", exact: true }).click();
  await sue.getByRole("link", { name: "Odd things/stag.jpg" }).click();
  const seen = await sue.evaluate(async () => {
    const image = document.querySelector(".lone img");
    await image.decode();
    const bytes = new Uint8Array(await (await fetch(image.src)).arrayBuffer());
    return { width: image.naturalWidth, start: [...bytes.slice(0, 2)] };
  });
  assert.ok(seen.width >= 300, "the file is seen");
  assert.deepEqual(seen.start, [0xff, 0xd8]);
  await looked_at(sue, "upload");
  await sue.getByLabel("Record or file name").fill("canyon");
  await sue.getByRole("button", { name: "Show" }).click();
  await sue.getByLabel(/It is this one/).check();
  await sue.getByLabel("Why").fill("the customer said so by phone");
  await looked_at(sue, "upload-chosen");
  await sue.getByRole("button", { name: "Put the file on this record" }).click();
  await sue.getByText("Noted: it is put on the record.").waitFor();
  await until("the stag is not put back", standing);
  await sue.getByRole("link", { name: "Decisions" }).click();
  await sue.getByText("the customer said so by phone").waitFor();
  await looked_at(sue, "decisions");
  await sue.getByRole("link", { name: "everything that happened" }).click();
  await sue.getByText(/the customer said so by phone/).first().waitFor();
  // Times are those of the shop's clock, which is a quarter of an hour away from every whole hour.
  const clock = (ago) => new Intl.DateTimeFormat("en-GB", { timeZone: "Asia/Kathmandu", hour: "2-digit", minute: "2-digit" }).format(Date.now() - ago * 60_000);
  const newest = await sue.locator(".log .facts").first().textContent();
  assert.ok([0, 1, 2, 3, 4].some((ago) => newest.includes(`, ${clock(ago)} `)), `${newest} is not by the clock of the shop`);
  await looked_at(sue, "log");
  await sue.goBack();
  await sue.getByRole("button", { name: /Undo the decision about order-7\/1/ }).click();
  await sue.getByText("Taken back, as if it had not been said.").waitFor();
  await until("the stag stays", () => !standing());
  await sue.getByRole("link", { name: "Search" }).click();
  await sue.getByLabel(/Record, file name/).fill("canyon");
  await sue.getByRole("button", { name: "Search" }).click();
  await sue.getByRole("heading", { name: "Records" }).waitFor();
  await looked_at(sue, "search");
  await sue.getByRole("link", { name: /Open.*canyon/ }).click();
  await sue.getByText("put the file on the record by hand").waitFor();
  await sue.locator(".history").getByRole("link", { name: "Odd things/stag.jpg" }).first().waitFor();
  await looked_at(sue, "record-history");
  reunite(["retire", "order-6/1", "--why", "removed on request"]);
  await sue.getByRole("link", { name: "Removed", exact: true }).click();
  await sue.getByText("removed on request").waitFor();
  await looked_at(sue, "given-up");
  await sue.getByRole("button", { name: /Look for it again/ }).click();
  await sue.getByText("It is looked for again.").waitFor();
  await looked_at(sue, "given-up-restored");
  await sue.getByRole("button", { name: "Undo" }).click();
  await sue.getByText("Taken back: nobody looks for it any more.").waitFor();
  await sue.getByRole("button", { name: /Look for it again/ }).click();
  await sue.getByText("It is looked for again.").waitFor();
  await sue.goto(web);
}
