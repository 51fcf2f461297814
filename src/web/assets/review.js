// Keys for the review queue: s same, n not the same, k skip, u undo, f flicker, z zoom (and arrows or the pointer, to look about), and a
// number to choose among several pictures. Without script the same is done with the buttons; flicker and zoom need it.
"use strict";

const zoom = 3;
const step = 0.15;

const proposals = [...document.querySelectorAll(".proposal")];
let current = proposals[0];

function choose(proposal) {
  if (current) delete current.dataset.current;
  current = proposal;
  current.dataset.current = "";
  current.focus({ preventScroll: true });
  current.scrollIntoView({ block: "nearest" });
}

// All parts of a proposal show the same place, which a pointer over any of them or the arrow keys move.
function show(proposal, x, y) {
  const within = (place) => Math.min(1, Math.max(0, place));
  const [across, down] = (proposal.place = [within(x), within(y)]);
  const times = proposal.classList.contains("zoomed") ? zoom : 1;
  for (const [at, part] of proposal.querySelectorAll(".cut").entries()) {
    const [width, height] = ["width", "height"].map((side) => Number(part.getAttribute(side)));
    const [left, top] = [(width - width / times) * across, (height - height / times) * down];
    part.setAttribute("viewBox", [at * width + left, top, width / times, height / times].join(" "));
  }
}

function follow(proposal, event) {
  if (!proposal.classList.contains("zoomed")) return;
  const part = event.currentTarget;
  const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(part.getScreenCTM().inverse());
  show(proposal, x / Number(part.getAttribute("width")), y / Number(part.getAttribute("height")));
}

for (const proposal of proposals) {
  show(proposal, 0.5, 0.5);
  for (const part of proposal.querySelectorAll("figure > svg")) part.addEventListener("pointermove", (event) => follow(proposal, event));
  for (const [key, name] of [["f", "flicker"], ["z", "zoomed"]]) {
    const button = proposal.querySelector(`[data-key="${key}"]`);
    button.hidden = !proposal.querySelector(".sent");
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", String(proposal.classList.toggle(name)));
      show(proposal, ...proposal.place);
    });
  }
  proposal.addEventListener("focusin", () => proposal !== current && choose(proposal));
}

// The server draws the next page's pictures while a person looks at this one.
const next = document.querySelector("a[rel=next]");
if (next) fetch(next.href, { credentials: "same-origin" }).catch(() => {});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.repeat && !event.key.startsWith("Arrow")) return;
  if (/^[1-9]$/.test(event.key) && proposals[event.key - 1]) {
    choose(proposals[event.key - 1]);
    return;
  }
  const moved = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
  if (moved && current?.classList.contains("zoomed")) {
    event.preventDefault();
    show(current, current.place[0] + moved[0], current.place[1] + moved[1]);
    return;
  }
  if (!/^[snkufz]$/.test(event.key)) return;
  const target = current?.querySelector(`[data-key="${event.key}"]`) ?? document.querySelector(`[data-key="${event.key}"]`);
  if (!target || target.hidden) return;
  event.preventDefault();
  if (target.matches("form")) target.requestSubmit(target.querySelector("button"));
  else target.click();
});
