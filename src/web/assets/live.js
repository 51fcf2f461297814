// Keeps an open page up to date: fetches the same address again and swaps its content in when it changed. Pages work
// without it. Nothing moves while a person reads with the keyboard inside the content or has left the tab.
"use strict";

const content = document.querySelector("main[data-live]");

function focusAgain(address) {
  for (const link of content.querySelectorAll("a")) {
    if (link.getAttribute("href") === address) {
      link.focus({ preventScroll: true });
      return;
    }
  }
}

async function refresh() {
  if (document.hidden) return;
  const answer = await fetch(location.href, { credentials: "same-origin" });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main[data-live]");
  if (!fresh) return;
  content.dataset.live = fresh.dataset.live;
  if (fresh.innerHTML === content.innerHTML) return;
  if (!getSelection().isCollapsed) return;
  const focused = content.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  content.replaceChildren(...fresh.childNodes);
  if (focused) focusAgain(focused);
}

function again() {
  setTimeout(() => refresh().catch(() => {}).then(again), 1000 * Number(content.dataset.live));
}

if (content) again();
