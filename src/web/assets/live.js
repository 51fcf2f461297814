// Keeps an open page up to date: fetches the same address again and swaps its content in when it changed. Where the page
// has a line of events it asks when that says so, else every few seconds. Pages work without it. Nothing moves while a
// person fills in a form, reads with the keyboard inside the content or has left the tab.
"use strict";

const content = document.querySelector("main[data-live]");
let due = false;
let running = false;

function focusAgain(address) {
  for (const link of content.querySelectorAll("a")) {
    if (link.getAttribute("href") === address) {
      link.focus({ preventScroll: true });
      return;
    }
  }
}

// What is to be swapped: the marked parts of a page that has such, so that what stands between them goes on, else all of it.
function changed(fresh) {
  const parts = [...content.querySelectorAll("[data-part]")];
  const pairs = parts.map((part) => [part, fresh.querySelector(`[data-part="${part.dataset.part}"]`)]);
  const all = parts.length > 0 ? pairs.filter(([, made]) => made) : [[content, fresh]];
  return all.filter(([old, made]) => old.innerHTML !== made.innerHTML);
}

async function refresh() {
  if (document.hidden) {
    due = true;
    return;
  }
  due = false;
  const answer = await fetch(location.href, { credentials: "same-origin" });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main[data-live]");
  if (!fresh) return;
  content.dataset.live = fresh.dataset.live;
  const parts = changed(fresh);
  if (parts.length === 0) return;
  const active = document.activeElement;
  // What somebody has chosen must not be forgotten under their hands.
  const choosing = parts.some(([old]) => old.querySelector("input:checked"));
  if (choosing || !getSelection().isCollapsed || parts.some(([old]) => old.contains(active) && active.matches("input, select, textarea"))) {
    due = true;
    return;
  }
  const focused = content.contains(active) ? active.getAttribute("href") : null;
  for (const [old, made] of parts) old.replaceChildren(...made.childNodes);
  if (focused) focusAgain(focused);
}

// One at a time, and at most one a second however much happens.
async function soon() {
  due = true;
  if (running) return;
  running = true;
  while (due && !document.hidden) {
    due = false;
    await refresh().catch(() => {});
    await new Promise((done) => setTimeout(done, 1000));
  }
  running = false;
}

function again() {
  setTimeout(() => refresh().catch(() => {}).then(again), 1000 * Number(content.dataset.live));
}

if (content && content.dataset.events) {
  new EventSource(content.dataset.events).addEventListener("change", soon);
  document.addEventListener("visibilitychange", () => {
    if (due) soon();
  });
} else if (content) {
  again();
}
