// --- maps ---

// The rows of values of a table, without its names; and the names of its columns.
const rowsOf = (table) => Array.from(table.tBodies[0].rows);
const valuesOf = (row) => Array.from(row.cells).filter((cell) => cell.tagName === "TD" && !cell.classList.contains("blank"));
const namesOf = (table) => Array.from(table.tHead.rows[table.tHead.rows.length - 1].cells).slice(1);
const nameOf = (row) => row.querySelector("th[scope=row]");

// The column of a cell: names and brackets stand before the values.
function columnOf(table, cell) {
  const row = cell.parentElement;
  return cell.cellIndex - (row.cells.length - namesOf(table).length);
}

const valueOf = (cell) => Number((cell.dataset.v || cell.textContent).replace("−", "-"));

function words(table, cell) {
  const row = nameOf(cell.parentElement).textContent;
  const column = namesOf(table)[columnOf(table, cell)].textContent;
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
  nameOf(cell.parentElement).classList.add("on");
  namesOf(table)[columnOf(table, cell)].classList.add("on");
  read.textContent = words(table, cell);
}

function target(table, cell, event) {
  const rows = rowsOf(table);
  const place = [cell.parentElement.sectionRowIndex, columnOf(table, cell)];
  const [last, width] = [rows.length - 1, namesOf(table).length - 1];
  const whole = event.ctrlKey || event.metaKey;
  const moves = {
    ArrowUp: [place[0] - 1, place[1]], ArrowDown: [place[0] + 1, place[1]],
    ArrowLeft: [place[0], place[1] - 1], ArrowRight: [place[0], place[1] + 1],
    PageUp: [place[0] - 10, place[1]], PageDown: [place[0] + 10, place[1]],
    Home: [whole ? 0 : place[0], 0], End: [whole ? last : place[0], width],
  };
  const to = moves[event.key];
  if (!to) return null;
  const within = (value, high) => Math.min(Math.max(value, 0), high);
  return valuesOf(rows[within(to[0], last)])[within(to[1], width)];
}

function focus(table, cell) {
  for (const old of table.querySelectorAll("td[tabindex]")) old.removeAttribute("tabindex");
  cell.tabIndex = 0;
  // Names stay in sight, and nothing that has the focus lies under them.
  const first = valuesOf(rowsOf(table)[0])[0];
  table.parentElement.style.scrollPadding = `${first.offsetTop}px 0 0 ${first.offsetLeft}px`;
  cell.focus();
}

// Colours over the range of the measure, or over the values of this map.
function recolour(table, low, high) {
  const letter = table.dataset.colours;
  for (const row of rowsOf(table)) {
    for (const cell of valuesOf(row)) {
      if (cell.classList.contains("none")) continue;
      let share = Math.min(Math.max((valueOf(cell) - low) / (high - low), 0), 1);
      if ("reversed" in table.dataset) share = 1 - share;
      const kept = Array.from(cell.classList).filter((name) => !/^[qd]\d+$/.test(name));
      cell.className = [`${letter}${Math.round(100 * share)}`, ...kept].join(" ");
    }
  }
  const ends = table.closest("figure").querySelectorAll(".legend .end");
  const texts = [low, high].map((end) => (Number.isInteger(end) ? String(end) : end.toFixed(2)).replace("-", "−"));
  if ("reversed" in table.dataset) texts.reverse();
  ends.forEach((end, i) => { end.textContent = texts[i]; });
}

function extremes(table) {
  const all = rowsOf(table).flatMap(valuesOf).filter((cell) => !cell.classList.contains("none")).map(valueOf);
  const [low, high] = [all.reduce((a, b) => Math.min(a, b), Infinity), all.reduce((a, b) => Math.max(a, b), -Infinity)];
  // Colours of either sign keep 0 in the middle.
  const reach = Math.max(-low, high);
  return table.dataset.colours === "d" ? [-reach, reach] : [low, high];
}

function colourButton(table) {
  const whole = [Number(table.dataset.low), Number(table.dataset.high)];
  const own = extremes(table);
  if (!(own[0] < own[1]) || whole.every((end, i) => end === own[i])) return null;
  const text = (range) => range.map((end) => String(Number(end.toFixed(2))).replace("-", "−")).join(" to ");
  const button = make("button", { type: "button" }, `Colours over the values, ${text(own)}`);
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", () => {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    recolour(table, ...(on ? own : whole));
    say.textContent = `colours from ${text(on ? own : whole)}`;
  });
  return button;
}

// Cells as wide as this have room for their values: of large maps with all digits, of small ones with two.
const [LEGIBLE, TWO_DIGITS] = [50, 28];

// Larger and smaller cells, in steps, and as large as shows the whole map; what is in the middle stays there.
function zooming(table) {
  let zoom = 1;
  const box = table.parentElement;
  const first = valuesOf(rowsOf(table)[0])[0];
  const names = () => [first.offsetLeft, first.offsetTop];
  const cells = () => [table.offsetWidth, table.offsetHeight].map((size, i) => size - names()[i]);
  const free = () => [box.clientWidth, box.clientHeight].map((size, i) => size - names()[i]);
  const middle = () => free().map((size, i) => Math.min(size, cells()[i]) / 2);
  const set = (to) => {
    const [before, old] = [middle(), cells()];
    const at = [box.scrollLeft + before[0], box.scrollTop + before[1]];
    zoom = Math.min(Math.max(to, 0.1), 8);
    table.style.setProperty("--zoom", zoom);
    table.classList.toggle("legible", first.offsetWidth >= LEGIBLE);
    table.classList.toggle("bare", first.offsetWidth < TWO_DIGITS);
    const [now, half] = [cells(), middle()];
    box.scrollLeft = at[0] * now[0] / old[0] - half[0];
    box.scrollTop = at[1] * now[1] / old[1] - half[1];
    if (table.contains(document.activeElement)) focus(table, document.activeElement);
    say.textContent = `${Math.round(100 * zoom)} %`;
  };
  const high = () => parseFloat(getComputedStyle(box).maxHeight) - names()[1];
  const whole = () => Math.min(free()[0] / cells()[0], high() / cells()[1]);
  // Names grow with the cells, and pixels are whole: it takes a few turns.
  const fit = () => {
    for (let turn = 0; turn < 8 && Math.abs(whole() - 1) > 0.005; turn++) set(zoom * whole());
    if (whole() < 1) set(zoom * whole());
  };
  return { smaller: () => set(zoom / 1.5), larger: () => set(zoom * 1.5), fit };
}

function zoomButtons(table, size) {
  const choices = [["−", "Smaller", size.smaller], ["+", "Larger", size.larger]];
  if (table.matches(".dense, .tiny")) choices.push(["Fit", "The whole map", size.fit]);
  return choices.map(([sign, name, act]) => {
    const button = make("button", { type: "button", title: name, "aria-label": name }, sign);
    button.addEventListener("click", act);
    return button;
  });
}

for (const table of document.querySelectorAll("table.heat")) {
  const read = document.getElementById(`${table.id}-read`);
  read.textContent = "Point at a cell, or move with the arrow keys, to read its value; + and − make cells larger and smaller.";
  table.setAttribute("role", "grid");
  table.setAttribute("aria-readonly", "true");
  valuesOf(rowsOf(table)[0])[0].tabIndex = 0;
  const size = zooming(table);
  const keys = { "+": size.larger, "=": size.larger, "-": size.smaller, "−": size.smaller };
  const over = (event) => {
    const cell = event.target.closest("td:not(.blank)");
    if (cell && table.contains(cell)) point(table, cell, read);
  };
  table.addEventListener("pointerover", over);
  table.addEventListener("focusin", over);
  table.addEventListener("click", (event) => {
    const cell = event.target.closest("td:not(.blank)");
    if (cell) focus(table, cell);
  });
  table.addEventListener("keydown", (event) => {
    const cell = event.target.closest("td");
    const resize = !event.ctrlKey && !event.metaKey && keys[event.key];
    const next = cell && target(table, cell, event);
    if (!next && !resize) return;
    event.preventDefault();
    if (next) focus(table, next);
    else resize();
  });
  tools(table.closest("figure"), [colourButton(table), ...zoomButtons(table, size)]);
}
