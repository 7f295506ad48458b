// --- the index ---

for (const nav of document.querySelectorAll("nav.index")) {
  const items = Array.from(nav.querySelectorAll("li"));
  const field = make("input", { type: "search", id: "find", autocomplete: "off", placeholder: "name, kind or file" });
  const row = make("p", { class: "find" }, make("label", { for: "find" }, "Find a report"), field);
  const none = make("p", { class: "small", hidden: "" }, "No report has these words.");
  nav.prepend(row);
  nav.append(none);
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = items.filter((item) => {
      const text = `${item.textContent} ${item.dataset.words || ""}`.toLowerCase();
      item.hidden = !words.every((word) => text.includes(word));
      return !item.hidden;
    });
    none.hidden = found.length > 0;
    say.textContent = `${found.length} of ${items.length} reports`;
  });
  field.addEventListener("keydown", (event) => {
    const first = items.find((item) => !item.hidden);
    if (event.key === "Enter" && first) first.querySelector("a").click();
  });
}

// --- rows of a table by what they hold ---

// A list of the values of a column that has few; choosing one leaves the other rows out.
function chooser(table, column, name, chosen) {
  const cells = Array.from(table.tBodies[0].rows).map((row) => row.cells[column].textContent.trim());
  const values = Array.from(new Set(cells)).filter(Boolean);
  if (values.length < 2) return null;
  values.sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const select = make("select", {}, make("option", { value: "" }, "all"));
  select.append(...values.map((value) => make("option", { value }, value)));
  select.addEventListener("change", () => {
    chosen.set(column, select.value);
    let count = 0;
    for (const row of table.tBodies[0].rows) {
      row.hidden = Array.from(chosen).some(([at, value]) => value && row.cells[at].textContent.trim() !== value);
      count += row.hidden ? 0 : 1;
    }
    say.textContent = `${count} of ${cells.length} rows`;
  });
  return make("label", { class: "choose" }, `${name} `, select);
}

for (const table of document.querySelectorAll("table.list")) {
  const heads = Array.from(table.tHead.rows[0].cells);
  const chosen = new Map();
  const choosers = heads.map((head, i) => {
    if (!head.classList.contains("choice")) return null;
    return chooser(table, i, (head.dataset.name || head.textContent).trim(), chosen);
  });
  if (choosers.some(Boolean)) {
    const row = make("div", { class: "tools choosers" }, ...choosers.filter(Boolean));
    table.closest(".box").before(row);
  }
}
