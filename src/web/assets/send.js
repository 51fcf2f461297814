// Sends files from a page, by tus: each goes on where it was after a cut connection, a reload or a restart of the server. Without
// this script the form of the page sends them in one piece.
"use strict";

const place = document.querySelector("#send");
const AT_ONCE = 3;
const TRIES_MAX = 8;
const QUIET_MS_MAX = 60_000;
// Files that systems put into folders for themselves.
const OF_SYSTEMS = /^(\.DS_Store|\._.*|Thumbs\.db|ehthumbs\.db|desktop\.ini|\.localized)$/i;

// What there is to send, in the order in which it was chosen: path, file, state (waiting, sending, done, here, failed), bytes sent.
const items = [];
const byPath = new Map();
let leftOut = 0;
let paused = false;
let signedOut = false;
let lost = false;
let wake = () => {};
let mark = place ? place.dataset.mark : "";

class Told extends Error {}     // The file cannot be sent as it is; the message says why.
class Again extends Error {}    // It may work in a moment.
class Stopped extends Error {}  // Somebody pressed pause, or left the file out.

// ---- talking to the server

function headers(more) {
  return { "Tus-Resumable": "1.0.0", "Reunite-Mark": mark, ...more };
}

function base64(text) {
  let letters = "";
  for (const byte of new TextEncoder().encode(text)) letters += String.fromCharCode(byte);
  return btoa(letters);
}

function sentence(text) {
  const said = text.trim();
  return said ? said[0].toUpperCase() + said.slice(1) + (/[.!?]$/.test(said) ? "" : ".") : "";
}

// What an answer means for a file, unless it is a good one.
function judge(status, text) {
  if (status >= 200 && status < 300) return null;
  if (status === 0) return new Again("lost");
  if (status === 401 || status === 403) {
    signedOut = true;
    pause();
    return new Stopped();
  }
  if ([404, 408, 409, 410, 423, 425, 429, 500, 502, 503, 504].includes(status)) return Object.assign(new Again(sentence(text)), { status });
  return new Told(sentence(text) || `The server does not take it (${status}).`);
}

async function ask(item, method, address, more) {
  const stop = new AbortController();
  item.stop = () => stop.abort();
  const timer = setTimeout(item.stop, QUIET_MS_MAX);
  let answer;
  try {
    answer = await fetch(address, { method, headers: headers(more), signal: stop.signal, credentials: "same-origin", redirect: "manual" });
  } catch {
    throw item.state === "sending" ? new Again("lost") : new Stopped();
  } finally {
    clearTimeout(timer);
  }
  const fault = judge(answer.type === "opaqueredirect" ? 401 : answer.status, method === "HEAD" ? "" : await answer.text());
  if (fault) throw fault;
  return answer;
}

// The rest of a file in one request, since only XMLHttpRequest tells how far it is.
function bring(item, offset) {
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    let quiet;
    const watch = () => {
      clearTimeout(quiet);
      quiet = setTimeout(() => request.abort(), QUIET_MS_MAX);
    };
    item.stop = () => request.abort();
    request.open("PATCH", item.address);
    for (const [name, value] of Object.entries(headers({ "Upload-Offset": offset, "Content-Type": "application/offset+octet-stream" }))) {
      request.setRequestHeader(name, value);
    }
    request.upload.onprogress = (event) => {
      watch();
      lost = false;
      item.sent = offset + event.loaded;
      paintSoon();
    };
    request.onloadend = () => {
      clearTimeout(quiet);
      if (item.state !== "sending") return fail(new Stopped());
      const fault = judge(request.status, request.responseText);
      if (fault) return fail(fault);
      const here = Number(request.getResponseHeader("Upload-Offset"));
      if (here === item.file.size) done();
      else fail(new Again("lost"));
    };
    watch();
    request.send(item.file.slice(offset));
  });
}

// ---- one file

async function start(item) {
  const about = [`filename ${base64(item.path)}`, `lastModified ${base64(String(item.file.lastModified))}`, "resume"];
  const answer = await ask(item, "POST", place.dataset.address, { "Upload-Length": item.file.size, "Upload-Metadata": about.join(",") });
  item.address = answer.headers.get("Location");
  return Number(answer.headers.get("Upload-Offset"));
}

async function once(item) {
  let offset;
  if (item.address) {
    offset = Number((await ask(item, "HEAD", item.address)).headers.get("Upload-Offset"));
  } else {
    offset = await start(item);
    if (offset === item.file.size && offset > 0) {
      item.sent = offset;
      return "here";
    }
  }
  item.sent = offset;
  if (offset < item.file.size) await bring(item, offset);
  item.sent = item.file.size;
  return "done";
}

// A file that was moved or changed since it was chosen fails like a connection does.
async function readable(item) {
  try {
    await item.file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

function pauseFor(seconds) {
  return new Promise((done) => {
    const timer = setTimeout(done, 1000 * seconds);
    const before = wake;
    wake = () => {
      clearTimeout(timer);
      before();
      done();
    };
  });
}

async function send(item) {
  let tries = 0;
  while (item.state === "sending") {
    const before = item.sent;
    try {
      item.state = await once(item);
      lost = false;
      return;
    } catch (fault) {
      if (item.state !== "sending") return;
      if (fault instanceof Stopped) {
        item.state = "waiting";
        return;
      }
      if (!(fault instanceof Again)) {
        item.state = "failed";
        item.error = fault instanceof Told ? fault.message : "This page has met a fault of its own; load it again.";
        return;
      }
      if (!(await readable(item))) {
        item.state = "failed";
        item.error = "It can no longer be read here: it was changed, moved or taken away. Choose it again.";
        return;
      }
      if (fault.status === 404 || fault.status === 410) item.address = null;
      lost = fault.message === "lost";
      tries = item.sent > before || lost ? 0 : tries + 1;
      item.waits = (item.waits || 0) + 1;
      if (tries >= TRIES_MAX) {
        item.state = "failed";
        item.error = fault.message || "The server did not take it, several times.";
        return;
      }
      paintSoon();
      await pauseFor(Math.min(15, 2 ** Math.min(item.waits - 1, 4)));
    }
  }
}

function pump() {
  let room = AT_ONCE - items.filter((item) => item.running).length;
  for (const item of items) {
    if (room <= 0 || paused) break;
    if (item.state !== "waiting" || item.running) continue;
    Object.assign(item, { state: "sending", running: true, waits: 0 });
    room -= 1;
    send(item).finally(() => {
      item.running = false;
      pump();
    });
  }
  paintSoon();
}

function pause() {
  paused = true;
  for (const item of items) {
    if (item.state !== "sending") continue;
    item.state = "waiting";
    if (item.stop) item.stop();
  }
  wake();
  wake = () => {};
  paintSoon();
}

async function goOn() {
  if (signedOut) {
    // Another sign-in has another mark.
    const answer = await fetch(location.href, { credentials: "same-origin" });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("#send");
    if (!fresh) return;
    mark = fresh.dataset.mark;
    signedOut = false;
  }
  paused = false;
  pump();
}

function again(item) {
  Object.assign(item, { state: "waiting", error: "" });
  pump();
}

function leaveOut(item) {
  const address = item.address;
  item.state = "left";
  if (item.stop) item.stop();
  items.splice(items.indexOf(item), 1);
  byPath.delete(item.path);
  if (address) fetch(address, { method: "DELETE", headers: headers({}), credentials: "same-origin" }).catch(() => {});
  pump();
}

// ---- choosing

function add(file, path) {
  if (OF_SYSTEMS.test(file.name)) {
    leftOut += 1;
    return;
  }
  const whole = place.dataset.folder ? `${place.dataset.folder}/${path}` : path;
  const before = byPath.get(whole);
  const item = { path: whole, shown: path, file, state: "waiting", sent: 0, error: "", address: null };
  if (before) {
    const same = before.file.size === file.size && before.file.lastModified === file.lastModified;
    // Chosen once more: what failed gets another try, what changed is sent anew.
    if (same && before.state !== "failed") return;
    if (before.running) return;
    items.splice(items.indexOf(before), 1);
  }
  byPath.set(whole, item);
  items.push(item);
}

function entriesOf(folder) {
  const reader = folder.createReader();
  const all = [];
  // It gives a hundred at a time.
  return new Promise((done, fail) => {
    const more = () => reader.readEntries((some) => {
      if (some.length === 0) return done(all);
      all.push(...some);
      more();
    }, fail);
    more();
  });
}

async function walk(entry) {
  const path = entry.fullPath.replace(/^\//, "");
  try {
    if (entry.isDirectory) {
      const children = await entriesOf(entry);
      for (const child of children.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }))) await walk(child);
    } else {
      add(await new Promise((done, fail) => entry.file(done, fail)), path);
    }
  } catch {
    const item = { path, shown: path, file: new File([], path), state: "failed", sent: 0, error: "It cannot be read here.", address: null };
    byPath.set(path, item);
    items.push(item);
  }
  paintSoon();
}

async function dropped(transfer) {
  const entries = [...transfer.items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry());
  for (const entry of entries) {
    if (entry) await walk(entry);
    pump();
  }
}

function chosen(input) {
  for (const file of input.files) add(file, file.webkitRelativePath || file.name);
  input.value = "";
  pump();
}

// ---- what is seen

const numbers = new Intl.NumberFormat("en");

function size(bytes) {
  if (bytes === 1) return "1 byte";
  let value = bytes;
  for (const unit of ["bytes", "kB", "MB", "GB"]) {
    if (value < 999.5) return `${value.toFixed(value < 9.95 && unit !== "bytes" ? 1 : 0)} ${unit}`;
    value /= 1000;
  }
  return `${value.toFixed(1)} TB`;
}

function counted(count, one, many) {
  return `${numbers.format(count)} ${count === 1 ? one : many}`;
}

let painting = null;
let announced = { at: 0, text: "" };
const pace = [];

function paintSoon() {
  if (painting === null) painting = setTimeout(paint, 200);
}

function left(sent, whole) {
  const now = performance.now();
  pace.push([now, sent]);
  while (pace.length > 2 && now - pace[0][0] > 15_000) pace.shift();
  const [from, before] = pace[0];
  if (now - from < 4000 || sent <= before || paused || lost) return "";
  const seconds = ((whole - sent) * (now - from)) / (sent - before) / 1000;
  if (seconds < 60) return "less than a minute left";
  if (seconds < 5400) return `about ${counted(Math.round(seconds / 60), "minute", "minutes")} left`;
  return `about ${counted(Math.round(seconds / 3600), "hour", "hours")} left`;
}

function button(text, label, act) {
  const made = document.createElement("button");
  Object.assign(made, { type: "button", className: "plain", textContent: text });
  made.setAttribute("aria-label", label);
  made.addEventListener("click", act);
  return made;
}

function row(item) {
  if (!item.row) {
    item.row = document.createElement("li");
    item.row.innerHTML = '<p class="path"></p><p class="state"></p><progress max="1" value="0"></progress><p class="row-acts"></p>';
    item.row.querySelector(".path").textContent = item.shown;
    item.row.querySelector("progress").setAttribute("aria-label", item.shown);
    item.row.querySelector(".row-acts").append(
      button("Try again", `Try again: ${item.shown}`, () => again(item)),
      button("Leave out", `Leave out: ${item.shown}`, () => leaveOut(item)));
  }
  const whole = item.file.size;
  const said = { waiting: `waits, ${size(whole)}`, sending: `${size(item.sent)} of ${size(whole)}`, done: `received, ${size(whole)}`,
    here: "was here already", failed: item.error }[item.state];
  const state = item.row.querySelector(".state");
  if (state.textContent !== said) state.textContent = said;
  item.row.className = item.state;
  const bar = item.row.querySelector("progress");
  bar.hidden = item.state !== "sending";
  bar.value = whole ? item.sent / whole : 0;
  const [retry, out] = item.row.querySelectorAll("button");
  retry.hidden = item.state !== "failed";
  out.hidden = !["failed", "waiting", "sending"].includes(item.state);
  return item.row;
}

// What an earlier visit left half done and was chosen again is told among the files, and no longer as missing its end.
function paintUnfinished() {
  const box = place.querySelector(".unfinished");
  if (!box) return;
  const lines = [...box.querySelectorAll("li")];
  for (const line of lines) {
    const item = byPath.get(line.querySelector(".path").textContent);
    line.hidden = Boolean(item) && !["failed", "left"].includes(item.state);
  }
  const open = lines.filter((line) => !line.hidden).length;
  box.hidden = open === 0;
  box.querySelector(".count").textContent = open === 1 ? "One file is not here to its end" : `${numbers.format(open)} files are not here to their end`;
}

function paint() {
  painting = null;
  const panel = place.querySelector(".progress");
  panel.hidden = items.length === 0 && leftOut === 0;
  const of = (...states) => items.filter((item) => states.includes(item.state));
  const ended = of("done", "here");
  const failed = of("failed");
  const open = of("waiting", "sending");
  const whole = items.reduce((sum, item) => sum + item.file.size, 0);
  const sent = items.reduce((sum, item) => sum + (item.state === "failed" ? 0 : item.sent), 0);
  const here = of("here").length;
  const parts = [];
  if (items.length && open.length === 0 && failed.length === 0) parts.push(items.length === 1 ? "The file is received" : `All ${numbers.format(items.length)} files are received`);
  else parts.push(`${numbers.format(ended.length)} of ${counted(items.length, "file", "files")} received`, `${size(sent)} of ${size(whole)}`);
  if (here) parts.push(`${numbers.format(here)} ${here === 1 ? "was" : "were"} here already`);
  if (failed.length) parts.push(`${numbers.format(failed.length)} not sent`);
  if (leftOut) parts.push(`${counted(leftOut, "system file", "system files")} left out`);
  const time = open.length ? left(sent, whole) : "";
  place.querySelector(".told").textContent = [...parts, time].filter(Boolean).join(" · ");
  place.querySelector("progress.all").value = whole ? sent / whole : ended.length ? 1 : 0;
  place.classList.toggle("over", items.length > 0 && open.length === 0);

  const hint = place.querySelector(".hint");
  hint.textContent = signedOut ? "You were signed out. Sign in again in another tab, then press Go on."
    : paused && open.length ? "Paused. What was sent is kept."
    : lost && open.length ? "The connection is lost. It goes on by itself as soon as it is back."
    : open.length ? "You can go on looking at your pictures: links open in a tab of their own while this goes on." : "";
  hint.hidden = !hint.textContent;
  const act = place.querySelector(".pause");
  act.hidden = open.length === 0;
  act.textContent = paused ? "Go on" : "Pause";

  paintUnfinished();

  const first = open.filter((item) => item.state === "sending").concat(open.filter((item) => item.state === "waiting").slice(0, 4));
  const shown = [...failed.slice(0, 100), ...first, ...ended.slice(-5).reverse()];
  const list = place.querySelector(".queue");
  const rows = shown.map(row);
  if (rows.length !== list.children.length || rows.some((made, at) => list.children[at] !== made)) {
    const focused = document.activeElement;
    list.replaceChildren(...rows);
    if (list.contains(focused)) focused.focus({ preventScroll: true });
  }
  const more = items.length - shown.length;
  place.querySelector(".rest").textContent = more > 0 ? `and ${counted(more, "more file", "more files")}, waiting or received` : "";

  // In a screen reader: what changed, and not more often than one can listen to.
  const said = [parts.join(", "), hint.hidden ? "" : hint.textContent].filter(Boolean).join(". ");
  const over = open.length === 0 || paused || lost || signedOut;
  if (said !== announced.text && (over || performance.now() - announced.at > 10_000)) {
    announced = { at: performance.now(), text: said };
    place.querySelector("[role=status].hidden").textContent = said;
  }
  if (open.length && !paused && !lost) paintSoon();
}

function busy() {
  return items.some((item) => item.state === "sending" || (item.state === "waiting" && !paused));
}

function prepare() {
  const form = place.querySelector(".drop");
  form.classList.add("live");
  form.querySelector("button[type=submit]").remove();
  const invite = document.createElement("p");
  invite.className = "target";
  invite.textContent = place.dataset.folder ? "Drop the picture here, or" : "Drop a folder anywhere on this page, or";
  form.querySelector(".choices").before(invite);
  for (const input of form.querySelectorAll("input[type=file]")) {
    input.addEventListener("change", () => chosen(input));
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  place.querySelector(".pause").addEventListener("click", () => (paused ? goOn().catch(() => {}) : pause()));

  const brings = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
  let over = 0;
  const show = () => place.classList.toggle("aimed", over > 0);
  document.addEventListener("dragenter", (event) => brings(event) && (over++, show()));
  document.addEventListener("dragleave", (event) => brings(event) && (over--, show()));
  document.addEventListener("dragover", (event) => brings(event) && event.preventDefault());
  document.addEventListener("drop", (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    over = 0;
    show();
    dropped(event.dataTransfer).catch(() => {});
  });
  window.addEventListener("online", () => wake());
  window.addEventListener("beforeunload", (event) => busy() && event.preventDefault());
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    if (link && busy()) Object.assign(link, { target: "_blank", rel: "noopener" });
  });
}

if (place) prepare();
