// The pages as people elsewhere reach them: inside TLS, under a name. What a phone reads there is read by zbar, and an operator signs in
// with the code that an authenticator app would show (oathtool).
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";

// What a reader of QR codes makes of a picture.
function read(picture) {
  return execFileSync("zbarimg", ["--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", picture], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
}

export async function outside({ visitor, looked_at, reunite, restart, program, data, pictures, scratch }) {
  const port = (server) => new URL(server.web).port;
  const before = await restart();
  const outside = `https://pictures.example.net:${port(before)}`;
  const server = await restart({ REUNITE_WEB_TLS: "true", REUNITE_WEB_PUBLIC_ADDRESS: outside });
  server.outside = outside;

  reunite(["customer", "enable", "anna"]);
  const anna = await visitor({ ignoreHTTPSErrors: true, deviceScaleFactor: 2 });
  await anna.goto(`${outside}/sign-in?name=anna`);
  assert.equal(await anna.getByLabel("Name").inputValue(), "anna");
  await anna.getByLabel("Password").fill("annas secret");
  await anna.getByRole("button", { name: "Sign in" }).click();
  const cookies = await anna.context().cookies();
  assert.deepEqual(cookies.map(({ name, secure, httpOnly }) => [name.slice(0, 7), secure, httpOnly]), [["__Host-", true, true]]);
  await anna.goto(`${anna.url()}/connect`);
  for (const colorScheme of ["light", "dark"]) {
    await anna.emulateMedia({ colorScheme });
    for (const code of await anna.locator(".codes li").all()) {
      const picture = join(scratch, "code.png");
      await code.locator("svg").screenshot({ path: picture });
      assert.equal(read(picture), await code.locator(".path").textContent());
    }
  }
  assert.equal(await anna.locator(".codes li").count(), 2);
  await looked_at(anna, "connect-outside");

  // The square in the terminal, as letters in a page, tells the app the secret.
  reunite(["user", "add", "olga", "--role", "operator"], "machine secret");
  const shown = execFileSync("script", ["--quiet", "--return", "--command", `'${program}' --data '${data}' user totp olga`, "/dev/null"],
    { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  // Black on white, as the terminal is told to draw it.
  const square = [...shown.matchAll(/\x1b\[30;107m(.*?)\x1b\[0m/g)].map(([, line]) => line).join("\n");
  const terminal = await visitor({ deviceScaleFactor: 2 });
  await terminal.setContent(`<body style="background:#000"><pre style="background:#fff;color:#000;font:20px/23px 'DejaVu Sans Mono';width:max-content"></pre>`);
  await terminal.locator("pre").evaluate((pre, text) => (pre.textContent = text), square);
  const picture = join(scratch, "totp.png");
  await terminal.locator("pre").screenshot({ path: picture });
  const address = new URL(read(picture));
  assert.equal(address.protocol, "otpauth:");
  const code = () => execFileSync("oathtool", ["--totp", "--base32", address.searchParams.get("secret")], { encoding: "utf8" }).trim();
  const olga = await visitor({ ignoreHTTPSErrors: true });
  const sign_in = async (said) => {
    await olga.goto(`${outside}/sign-in/staff`);
    await olga.getByLabel("Name").fill("olga");
    await olga.getByLabel("Password").fill("machine secret");
    await olga.getByLabel(/Code of your app/).fill(said);
    await looked_at(olga, "sign-in-staff");
    await olga.getByRole("button", { name: "Sign in" }).click();
  };
  await sign_in(code());
  await olga.getByRole("link", { name: "Status" }).click();
  await olga.getByRole("heading", { name: "Everything works" }).waitFor();
  for (const page of [anna, terminal, olga]) await page.context().close();
}
