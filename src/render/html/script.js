"use strict";
// What the page does beyond being read: tables are sorted, and matrices say the value of a cell.
const say = document.getElementById("said");

// --- tables ---

const kept = new Map();

function keyOf(row, column) {
  const cell = row.cells[column];
  if (cell.classList.contains("n") || cell.classList.contains("gone")) {
    return cell.dataset.s === undefined ? null : Number(cell.dataset.s);
  }
  return cell.textContent.trim();
}

function compare(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a === "number" && typeof b === "number") return sign * (a - b);
  return sign * String(a).localeCompare(String(b), "en", { numeric: true });
}

function sort(table, header, column) {
  const body = table.tBodies[0];
  if (!kept.has(table)) kept.set(table, Array.from(body.rows));
  const first = header.classList.contains("n") ? "descending" : "ascending";
  const second = first === "ascending" ? "descending" : "ascending";
  const now = header.getAttribute("aria-sort");
  const next = now === "none" ? first : now === first ? second : "none";
  for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
  header.setAttribute("aria-sort", next);
  const rows = Array.from(kept.get(table));
  if (next !== "none") {
    const sign = next === "ascending" ? 1 : -1;
    rows.sort((a, b) => compare(keyOf(a, column), keyOf(b, column), sign));
  }
  body.append(...rows);
  const name = header.textContent.trim();
  say.textContent = next === "none" ? "in the order of the report" : `sorted by ${name}, ${next}`;
}

for (const table of document.querySelectorAll("table.sortable")) {
  Array.from(table.tHead.rows[0].cells).forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...header.childNodes);
    header.append(button);
    header.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => sort(table, header, column));
  });
}

// --- matrices ---

function words(table, cell) {
  const row = cell.parentElement.cells[0].textContent;
  const column = table.tHead.rows[0].cells[cell.cellIndex].textContent;
  const why = cell.dataset.n && document.getElementById(`${table.id}-n${cell.dataset.n}`);
  const value = cell.dataset.v || cell.textContent;
  const shown = cell.classList.contains("none")
    ? `no value${why ? ` (${why.textContent})` : ""}`
    : `${table.dataset.label} ${value}`;
  const best = cell.classList.contains("best") ? `, ${table.dataset.mark}` : "";
  return `${table.dataset.rows} ${row} × ${table.dataset.columns} ${column}: ${shown}${best}`;
}

function point(table, cell, read) {
  for (const old of table.querySelectorAll(".on")) old.classList.remove("on");
  cell.parentElement.cells[0].classList.add("on");
  table.tHead.rows[0].cells[cell.cellIndex].classList.add("on");
  read.textContent = words(table, cell);
}

function target(table, cell, event) {
  const rows = table.tBodies[0].rows;
  const place = [cell.parentElement.sectionRowIndex, cell.cellIndex];
  const [last, width] = [rows.length - 1, cell.parentElement.cells.length - 1];
  const whole = event.ctrlKey || event.metaKey;
  const moves = {
    ArrowUp: [place[0] - 1, place[1]], ArrowDown: [place[0] + 1, place[1]],
    ArrowLeft: [place[0], place[1] - 1], ArrowRight: [place[0], place[1] + 1],
    PageUp: [place[0] - 10, place[1]], PageDown: [place[0] + 10, place[1]],
    Home: [whole ? 0 : place[0], 1], End: [whole ? last : place[0], width],
  };
  const to = moves[event.key];
  if (!to) return null;
  const within = (value, low, high) => Math.min(Math.max(value, low), high);
  return rows[within(to[0], 0, last)].cells[within(to[1], 1, width)];
}

function focus(table, cell) {
  for (const old of table.querySelectorAll("td[tabindex]")) old.removeAttribute("tabindex");
  cell.tabIndex = 0;
  cell.focus();
}

for (const table of document.querySelectorAll("table.heat")) {
  const read = document.getElementById(`${table.id}-read`);
  read.textContent = "Point at a cell, or move with the arrow keys, to read its value.";
  table.setAttribute("role", "grid");
  table.setAttribute("aria-readonly", "true");
  table.tBodies[0].rows[0].cells[1].tabIndex = 0;
  const over = (event) => {
    const cell = event.target.closest("td");
    if (cell && table.contains(cell)) point(table, cell, read);
  };
  table.addEventListener("pointerover", over);
  table.addEventListener("focusin", over);
  table.addEventListener("click", (event) => {
    const cell = event.target.closest("td");
    if (cell) focus(table, cell);
  });
  table.addEventListener("keydown", (event) => {
    const cell = event.target.closest("td");
    const next = cell && target(table, cell, event);
    if (!next) return;
    event.preventDefault();
    focus(table, next);
  });
}

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
