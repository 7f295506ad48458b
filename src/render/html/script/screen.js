// --- print ---

addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details:not([open])")) {
    details.open = true;
    details.dataset.opened = "";
  }
});
addEventListener("afterprint", () => {
  for (const details of document.querySelectorAll("details[data-opened]")) {
    details.open = false;
    delete details.dataset.opened;
  }
});

// --- what is wider than the screen ---

// A line above what can be scrolled sideways says so.
const watch = new ResizeObserver((entries) => entries.forEach((entry) => hint(entry.target.closest(".box"))));

function hint(box) {
  const wide = box.scrollWidth > box.clientWidth + 1;
  const said = box.previousElementSibling;
  const there = said && said.classList.contains("hint");
  if (wide && !there) box.before(make("p", { class: "hint", "aria-hidden": "true" }, "Scroll sideways for more →"));
  if (there) said.hidden = !wide;
}

for (const box of document.querySelectorAll(".box")) {
  watch.observe(box);
  if (box.firstElementChild) watch.observe(box.firstElementChild);
}
