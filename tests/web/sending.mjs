// Carl drops a folder into his page. The line to the server is slow, breaks, is paused; the page is loaded anew; the server is
// killed. In the end everything is there once, byte for byte, and his pictures are back.
import assert from "node:assert/strict";
import { randomBytes, createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, connect } from "node:net";
import { join } from "node:path";

// A line that can be slow and can be cut: at the same port as the server, under the other name of this machine.
async function line(port) {
  const state = { bytes_a_second: Infinity, open: true, sockets: new Set() };
  const proxy = createServer((near) => {
    if (!state.open) return near.destroy();
    const far = connect(port, "127.0.0.1");
    for (const socket of [near, far]) {
      state.sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        state.sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    far.on("data", (some) => near.write(some));
    near.on("data", (some) => {
      far.write(some);
      if (state.bytes_a_second === Infinity) return;
      near.pause();
      setTimeout(() => near.resume(), (1000 * some.length) / state.bytes_a_second);
    });
  });
  await new Promise((done) => proxy.listen(port, "::1", done));
  return {
    slow: (bytes) => (state.bytes_a_second = bytes),
    cut: () => {
      state.open = false;
      for (const socket of state.sockets) socket.destroy();
    },
    mend: () => (state.open = true),
    close: () => {
      for (const socket of state.sockets) socket.destroy();
      proxy.close();
    },
  };
}

async function until(what, holds) {
  for (let tries = 0; !(await holds()); tries++) {
    assert.ok(tries < 240, what);
    await new Promise((done) => setTimeout(done, 250));
  }
}

// A folder as it is dropped from a file manager.
async function drop(page, folder) {
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files: [folder], dragOperationsMask: 1 };
  const box = await page.locator("#send").boundingBox();
  const at = { x: box.x + box.width / 2, y: box.y + 20, data };
  for (const type of ["dragEnter", "dragOver", "drop"]) await session.send("Input.dispatchDragEvent", { type, ...at });
}

export async function sending({ visitor, sign_in, looked_at, reunite, restart, complaints, scratch, fixtures, web }) {
  const album = join(scratch, "Album");
  mkdirSync(join(album, "zz deep/er"), { recursive: true });
  const sent = new Map();
  const put = (path, bytes) => {
    writeFileSync(join(album, path), bytes);
    sent.set(`Album/${path}`, createHash("sha256").update(bytes).digest("hex"));
  };
  for (let at = 0; at < 300; at++) put(`note ${String(at).padStart(3, "0")}.txt`, `note ${at}`);
  put("zz deep/er/käse 😀 'x'.jpg", readFileSync(join(fixtures, "harbour.jpg")));
  put("zz deep/large.bin", randomBytes(12_000_000));
  put("zz deep/also large.bin", randomBytes(12_000_000));
  writeFileSync(join(album, "zz deep/.DS_Store"), "of the system");

  const wire = await line(Number(new URL(web).port));
  try {
    const carl = await visitor();
    carl.web = web.replace("127.0.0.1", "[::1]");
    await sign_in(carl, "/sign-in", "carl", "carls secret");
    await carl.getByRole("heading", { name: "None of 3 pictures are back yet" }).waitFor();
    await looked_at(carl, "sending-before");
    const told = () => carl.locator(".told").textContent();
    const received = async () => Number((await told()).match(/^(\d+) of/)?.[1] ?? 0);

    wire.slow(2_000_000);
    await drop(carl, album);
    await until("nothing was sent", async () => (await received()) > 20);
    assert.match(await told(), /of 303 files received/);
    assert.match(await told(), /1 system file left out/);
    await looked_at(carl, "sending");

    // The line breaks, and nobody has to do anything.
    wire.cut();
    await carl.locator(".hint", { hasText: "The connection is lost." }).waitFor();
    await looked_at(carl, "sending-lost");
    wire.mend();
    await carl.locator(".hint", { hasText: "The connection is lost." }).waitFor({ state: "hidden", timeout: 60_000 });

    await carl.getByRole("button", { name: "Pause" }).click();
    await carl.locator(".hint", { hasText: "Paused. What was sent is kept." }).waitFor();
    await carl.waitForTimeout(500);
    const before = await told();
    await carl.waitForTimeout(1000);
    assert.equal(await told(), before, "a pause is a pause");
    await carl.getByRole("button", { name: "Go on" }).click();

    // A large file is under way when the page is loaded anew.
    const large = carl.locator(".queue li.sending").filter({ hasText: "large.bin" });
    await until("no large file is under way", async () => (await large.count()) > 0 && /^[1-9.]+ MB of/.test(await large.first().locator(".state").textContent()));
    carl.on("dialog", (dialog) => dialog.accept());
    await carl.reload();
    await carl.getByText(/not here to (its|their) end/).waitFor();
    await looked_at(carl, "sending-unfinished");
    await carl.locator("#send-folder").setInputFiles(album);
    await until("it did not go on", async () => /were here already/.test(await told()));

    // And once more when the server is killed.
    await until("no large file is under way", async () => (await large.count()) > 0);
    await restart();
    wire.slow(Infinity);
    await carl.locator(".told", { hasText: "All 303 files are received" }).waitFor({ timeout: 90_000 });
    assert.equal(await carl.locator(".unfinished").isVisible(), false, "what is received is still said to lack its end");
    await looked_at(carl, "sending-done");

    // One picture for itself: by the script, and by a form without any.
    await carl.getByRole("link", { name: /Upload this one.*lavender/ }).click();
    await carl.getByRole("heading", { name: "lavender.jpg" }).waitFor();
    await looked_at(carl, "record");
    await carl.locator("#send-files").setInputFiles(join(fixtures, "lavender.jpg"));
    await carl.getByText("This picture is back").waitFor({ timeout: 60_000 });
    const plain = await visitor({ javaScriptEnabled: false });
    await sign_in(plain, "/sign-in", "carl", "carls secret");
    await plain.getByRole("link", { name: /Upload this one.*pebbles/ }).click();
    await plain.getByLabel("Choose the picture").setInputFiles(join(fixtures, "pebbles.jpg"));
    await plain.getByRole("button", { name: "Send" }).click();
    await plain.getByText("1 file is received.").waitFor();
    await until("pebbles is not back", async () => {
      await plain.reload();
      return (await plain.getByText("This picture is back").count()) > 0;
    });
    await plain.goto(web);
    await plain.getByLabel("Choose files").setInputFiles([join(fixtures, "stag.jpg"), join(fixtures, "coffee.jpg")]);
    await plain.getByRole("button", { name: "Send" }).click();
    await plain.getByText("2 files are received.").waitFor();

    await carl.goto(carl.web);
    await carl.getByRole("heading", { name: "All 3 pictures are back" }).waitFor({ timeout: 60_000 });
    for (const page of [carl, plain]) await page.context().close();
  } finally {
    wire.close();
  }

  // Everything once, byte for byte, under its own name.
  const rows = JSON.parse(reunite(["report", "files", "--customer", "carl", "--format", "json"]));
  const found = rows.filter((row) => row.path.startsWith("Album/"));
  assert.deepEqual(new Map(found.map((row) => [row.path, row.sha256])), new Map([...sent].sort()), "other files than were sent");
  assert.equal(found.length, sent.size, "something was sent twice");
  assert.ok(rows.some((row) => row.path === "Sent for order-10-1/lavender.jpg"), "the folder is named for the record");
  assert.ok(rows.some((row) => row.path === "Sent for order-11-1/pebbles.jpg"));
  // What a browser says of a line that we have cut ourselves; 409 is the answer to a piece whose beginning had come in before the
  // cut, upon which the page asks how far the file is and goes on from there.
  const ours = /ERR_(CONNECTION|EMPTY_RESPONSE|NETWORK|INCOMPLETE|SOCKET|FAILED)|status of (423|400|409|503)/;
  complaints.splice(0, complaints.length, ...complaints.filter((text) => !ours.test(text)));
}
