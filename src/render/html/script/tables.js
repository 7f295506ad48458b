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
  const name = header.dataset.name || header.textContent.trim();
  say.textContent = next === "none" ? "in the order of the report" : `sorted by ${name}, ${next}`;
}

for (const table of document.querySelectorAll("table.sortable")) {
  Array.from(table.tHead.rows[0].cells).forEach((header, column) => {
    if (header.classList.contains("sight")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...header.childNodes);
    header.append(button);
    header.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => sort(table, header, column));
  });
}
