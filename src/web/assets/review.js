// Keys for the review queue: s same, n not the same, k skip, u undo, f flicker, z zoom, and a number to choose among several
// pictures. Without script the same is done with the buttons; flicker and zoom need it.
"use strict";

const proposals = [...document.querySelectorAll(".proposal")];
let current = proposals[0];

function choose(proposal) {
  if (current) delete current.dataset.current;
  current = proposal;
  current.dataset.current = "";
  current.focus({ preventScroll: true });
  current.scrollIntoView({ block: "nearest" });
}

for (const proposal of proposals) {
  for (const [key, name] of [["f", "flicker"], ["z", "zoomed"]]) {
    const button = proposal.querySelector(`[data-key="${key}"]`);
    button.hidden = !proposal.querySelector(".sent");
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => button.setAttribute("aria-pressed", String(proposal.classList.toggle(name))));
  }
  proposal.addEventListener("focusin", () => proposal !== current && choose(proposal));
}

// The server draws the next page's pictures while a person looks at this one.
const next = document.querySelector("a[rel=next]");
if (next) fetch(next.href, { credentials: "same-origin" }).catch(() => {});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  if (/^[1-9]$/.test(event.key) && proposals[event.key - 1]) {
    choose(proposals[event.key - 1]);
    return;
  }
  if (!/^[snkufz]$/.test(event.key)) return;
  const target = current?.querySelector(`[data-key="${event.key}"]`) ?? document.querySelector(`[data-key="${event.key}"]`);
  if (!target || target.hidden) return;
  event.preventDefault();
  if (target.matches("form")) target.requestSubmit(target.querySelector("button"));
  else target.click();
});
