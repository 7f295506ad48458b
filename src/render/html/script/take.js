// --- taking figures away ---

// A file of its own for each figure: the section's name and the place of the figure in it.
function fileOf(figure) {
  const section = figure.closest("section.report") || document.body;
  const place = Array.from(section.querySelectorAll("figure")).indexOf(figure) + 1;
  return `${section.id || "page"}-${place}`;
}

function save(name, blob) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  say.textContent = `saved ${name}`;
}

const quoted = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const plain = (text) => text.trim().replaceAll("−", "-").replaceAll("\u00a0", " ");

function saveCsv(figure, rows) {
  const text = rows.map((row) => row.map((value) => quoted(String(value))).join(",")).join("\r\n");
  save(`${fileOf(figure)}.csv`, new Blob([`${text}\r\n`], { type: "text/csv" }));
}

// The value of a cell with all its digits, and what stands beside it.
function partsOf(cell) {
  const note = cell.querySelector(".note");
  const beside = note ? note.dataset.s || plain(note.textContent) : "";
  if (cell.dataset.s !== undefined) return [cell.dataset.s, beside];
  const text = Array.from(cell.childNodes).filter((node) => node !== note).map((node) => node.textContent).join("");
  const words = cell.querySelector(".code") ? text.trim() : plain(text);
  return [cell.classList.contains("gone") ? "" : words, beside];
}

function tableRows(table) {
  const heads = Array.from(table.tHead.rows[0].cells);
  const parts = Array.from(table.tBodies[0].rows).map((row) => Array.from(row.cells).map(partsOf));
  const shown = heads.map((_, i) => i).filter((i) => !heads[i].classList.contains("sight"));
  const noted = new Set(shown.filter((i) => parts.some((row) => row[i][1])));
  const spread = (i, value, beside) => (noted.has(i) ? [value, beside] : [value]);
  const name = (i) => (heads[i].dataset.id || heads[i].dataset.name || heads[i].textContent).trim();
  const head = shown.flatMap((i) => spread(i, name(i), heads[i].dataset.beside || `${name(i)}, beside it`));
  const number = (i, beside) => (heads[i].dataset.beside ? beside.replace(/^±\s*/, "") : beside);
  return [apart(head), ...parts.map((row) => shown.flatMap((i) => spread(i, row[i][0], number(i, row[i][1]))))];
}

// Names of columns, those that are there twice with that of the column before them.
function apart(names) {
  const twice = (name) => names.filter((other) => other === name).length > 1;
  return names.map((name, i) => (i > 0 && twice(name) ? `${names[i - 1]}, ${name}` : name));
}

function mapRows(table) {
  const head = [`${table.dataset.rows} / ${table.dataset.columns}`, ...namesOf(table).map((th) => th.textContent)];
  const value = (cell) => (cell.classList.contains("none") ? "" : plain(cell.dataset.s || cell.dataset.v || cell.textContent));
  const row = (tr) => [nameOf(tr).textContent, ...valuesOf(tr).map(value)];
  return [head, ...rowsOf(table).map(row)];
}

function plotRows(plot) {
  const ends = plot.querySelector("circle[data-low]") ? ["low", "high"] : [];
  const rows = [["series", "x", "y", ...ends, "what it is"]];
  for (const mark of plot.querySelectorAll("circle[data-x]")) {
    const { series } = mark.parentElement.dataset;
    const interval = ends.map((end) => mark.dataset[end] || "");
    rows.push([series, mark.dataset.x, mark.dataset.y, ...interval, mark.querySelector("title").textContent]);
  }
  return rows;
}

// --- drawings ---

const SVG = document.createRange().createContextualFragment("<svg></svg>").firstChild.namespaceURI;

function draw(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

const paperOf = () => getComputedStyle(document.documentElement).backgroundColor;
const inkOf = () => getComputedStyle(document.body).color;
const pen = document.createElement("canvas").getContext("2d");
const FONT = "DejaVu Sans, Verdana, Arial, sans-serif";

function widthOf(text, size) {
  pen.font = `${size}px ${FONT}`;
  return pen.measureText(text).width;
}

function sheet(width, height) {
  const size = { width: Math.ceil(width), height: Math.ceil(height) };
  const box = `0 0 ${size.width} ${size.height}`;
  const root = draw("svg", { xmlns: SVG, ...size, viewBox: box, "font-family": FONT });
  root.append(draw("rect", { ...size, fill: paperOf() }));
  return root;
}

// A text in lines no wider than a limit.
function lines(text, size, limit) {
  const all = [""];
  for (const word of text.trim().split(/\s+/)) {
    const longer = `${all[all.length - 1]} ${word}`.trim();
    if (widthOf(longer, size) <= limit || !all[all.length - 1]) all[all.length - 1] = longer;
    else all.push(word);
  }
  return all;
}

const KEPT = ["fill", "stroke", "stroke-width", "stroke-dasharray", "paint-order", "font-size"];

function withStyles(from, to) {
  const style = getComputedStyle(from);
  for (const key of KEPT) to.setAttribute(key, style.getPropertyValue(key));
  to.removeAttribute("class");
  Array.from(from.children).forEach((child, i) => {
    if (child.tagName !== "title") withStyles(child, to.children[i]);
  });
}

// A plot with its legend and its caption.
function plotDrawing(figure) {
  const plot = figure.querySelector("svg.plot");
  const { width, height } = plot.viewBox.baseVal;
  const keys = Array.from(figure.querySelectorAll(".legend > span"));
  const caption = lines(figure.querySelector("figcaption").textContent, 11, width - 20);
  const root = sheet(width, height + 18 * keys.length + 16 * caption.length + 20);
  const copy = plot.cloneNode(true);
  withStyles(plot, copy);
  for (const [key, value] of Object.entries({ width, height, "font-family": FONT })) copy.setAttribute(key, value);
  root.append(copy);
  keys.forEach((key, i) => {
    const sign = key.querySelector("svg");
    const drawn = sign.cloneNode(true);
    withStyles(sign, drawn);
    drawn.setAttribute("x", 14);
    drawn.setAttribute("y", height + 18 * i);
    root.append(drawn, draw("text", { x: 56, y: height + 18 * i + 10, "font-size": 11, fill: inkOf() }, key.textContent));
  });
  caption.forEach((line, i) => {
    const y = height + 18 * keys.length + 16 * (i + 1);
    root.append(draw("text", { x: 14, y, "font-size": 11, fill: inkOf() }, line));
  });
  return root;
}

// A map as it stands in its table: names, brackets, colours, values where there is room, and the scale.
function mapDrawing(figure) {
  const table = figure.querySelector("table.heat");
  const rows = rowsOf(table);
  const heads = namesOf(table);
  const roomy = table.classList.contains("roomy");
  const side = roomy ? 34 : heads.length > 120 ? 8 : 14;
  const font = roomy ? 11 : Math.min(side - 2, 10);
  const longest = (cells) => Math.max(...cells.map((cell) => widthOf(cell.textContent, font))) + 12;
  const stages = { rows: table.querySelectorAll("th.stage"), columns: table.querySelectorAll("tr.stages th") };
  const left = longest(rows.map(nameOf)) + (stages.rows.length ? 22 : 0) + 24;
  const caption = lines(figure.querySelector(".caption").textContent, 12, Math.max(420, side * heads.length));
  const top = 16 * caption.length + longest(heads) + (stages.columns.length ? 22 : 0) + 32;
  const [width, height] = [side * heads.length, side * rows.length];
  const root = sheet(Math.max(left + width + 20, 460), top + height + 60);
  const ink = inkOf();
  const text = (x, y, words, more) => root.append(draw("text", { x, y, "font-size": font, fill: ink, ...more }, words));
  caption.forEach((line, i) => text(14, 16 * (i + 1) + 4, line, { "font-size": 12 }));
  text(left + width / 2, 16 * caption.length + 20, `→ ${table.dataset.columns}`, { "text-anchor": "middle" });
  text(12, top + height / 2, `↓ ${table.dataset.rows}`, { "text-anchor": "middle", transform: `rotate(-90 12 ${top + height / 2})` });
  heads.forEach((head, j) => {
    const x = left + side * (j + 0.5) + font / 3;
    text(x, top - 6, head.textContent, { transform: `rotate(-90 ${x} ${top - 6})` });
  });
  rows.forEach((row, i) => {
    const y = top + side * i;
    text(left - 6, y + side / 2 + font / 3, nameOf(row).textContent, { "text-anchor": "end" });
    valuesOf(row).forEach((cell, j) => {
      const style = getComputedStyle(cell);
      const none = cell.classList.contains("none");
      const x = left + side * j;
      const fill = none ? "none" : style.backgroundColor;
      const box = draw("rect", { x, y, width: side, height: side, fill, "shape-rendering": "crispEdges" });
      box.append(draw("title", {}, words(table, cell)));
      root.append(box);
      const within = { "text-anchor": "middle", fill: none ? ink : style.color };
      if (roomy || none) text(x + side / 2, y + side / 2 + font / 3, cell.textContent, within);
      if (cell.classList.contains("best")) {
        const frame = { x: x + 1.5, y: y + 1.5, width: side - 3, height: side - 3, fill: "none" };
        root.append(draw("rect", { ...frame, stroke: "#000", "stroke-width": 3 }));
        root.append(draw("rect", { ...frame, stroke: "#fff", "stroke-width": 1.2 }));
      }
    });
  });
  // Between stages.
  const across = heads.map((head, j) => [head, left + side * j]).filter(([head]) => head.classList.contains("g"));
  const down = rows.map((row, i) => [row, top + side * i]).filter(([row]) => row.classList.contains("g"));
  const borders = across.map(([, x]) => `M${x} ${top}v${height}`) + down.map(([, y]) => `M${left} ${y}h${width}`);
  root.append(draw("path", { d: borders.replaceAll(",", ""), stroke: paperOf(), "stroke-width": 2, fill: "none" }));
  let at = 0;
  for (const run of table.querySelectorAll("tr.stages > :not(:first-child)")) {
    const [from, to] = [left + side * at, left + side * (at + run.colSpan)];
    const y = top - longest(heads) - 4;
    if (run.tagName === "TH") {
      root.append(draw("path", { d: `M${from + 2} ${y}H${to - 2}`, stroke: ink, fill: "none" }));
      text((from + to) / 2, y - 4, run.textContent, { "text-anchor": "middle" });
    }
    at += run.colSpan;
  }
  for (const run of stages.rows) {
    const i = rows.indexOf(run.parentElement);
    const [from, to] = [top + side * i, top + side * (i + run.rowSpan)];
    const x = 34;
    root.append(draw("path", { d: `M${x} ${from + 2}V${to - 2}`, stroke: ink, fill: "none" }));
    const middle = (from + to) / 2;
    text(x - 4, middle, run.textContent, { "text-anchor": "middle", transform: `rotate(-90 ${x - 4} ${middle})` });
  }
  const bar = figure.querySelector(".legend svg");
  const ends = Array.from(figure.querySelectorAll(".legend .end")).map((end) => end.textContent);
  const copy = bar.cloneNode(true);
  copy.setAttribute("x", left);
  copy.setAttribute("y", top + height + 30);
  root.append(copy);
  text(left, top + height + 22, `${table.dataset.label}: ${ends[0]} to ${ends[1]}`);
  return root;
}

const source = (root) => new XMLSerializer().serializeToString(root);

function saveSvg(figure, root) {
  save(`${fileOf(figure)}.svg`, new Blob([source(root)], { type: "image/svg+xml" }));
}

function savePng(figure, root) {
  const [width, height] = ["width", "height"].map((key) => Number(root.getAttribute(key)));
  const scale = Math.min(2, 16000 / Math.max(width, height));
  const image = new Image();
  image.addEventListener("load", () => {
    const canvas = make("canvas", { width: Math.round(scale * width), height: Math.round(scale * height) });
    const context = canvas.getContext("2d");
    context.scale(scale, scale);
    context.drawImage(image, 0, 0, width, height);
    canvas.toBlob((blob) => save(`${fileOf(figure)}.png`, blob), "image/png");
  });
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(source(root))}`;
}

function saveButton(kind, what, saved) {
  const button = make("button", { type: "button", "aria-label": `Save ${what} as ${kind}` }, kind);
  button.addEventListener("click", saved);
  return button;
}

function drawnButtons(figure, what, rows, drawing) {
  return [
    saveButton("CSV", what, () => saveCsv(figure, rows())),
    saveButton("SVG", what, () => saveSvg(figure, drawing(figure))),
    saveButton("PNG", what, () => savePng(figure, drawing(figure))),
  ];
}

for (const figure of document.querySelectorAll("figure")) {
  const [list, map, plot] = ["table.list", "table.heat", "svg.plot"].map((name) => figure.querySelector(name));
  if (list) tools(figure, [saveButton("CSV", "the table", () => saveCsv(figure, tableRows(list)))]);
  if (map) tools(figure, drawnButtons(figure, "the map", () => mapRows(map), mapDrawing));
  if (plot) tools(figure, drawnButtons(figure, "the plot", () => plotRows(plot), plotDrawing));
}

// --- pictures ---

const ENDINGS = { "image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/svg+xml": "svg" };

function pictureButtons(figure) {
  const image = figure.querySelector("img.picture");
  const box = image.closest(".box");
  const kind = image.src.slice(5, image.src.indexOf(";"));
  const saved = make("a", { class: "button", href: image.src, download: `${fileOf(figure)}.${ENDINGS[kind] || "bin"}` }, "Save the picture");
  let zoom = 0;
  const set = (to) => {
    const fit = box.clientWidth / image.naturalWidth;
    zoom = Math.min(Math.max(to, Math.min(fit, 1)), 4);
    image.classList.add("zoomed");
    image.style.width = `${Math.round(zoom * image.naturalWidth)}px`;
    say.textContent = `${Math.round(100 * zoom)} %`;
  };
  const now = () => image.clientWidth / image.naturalWidth;
  const choices = [
    ["−", "Smaller", () => set(now() / 1.5)],
    ["+", "Larger", () => set(now() * 1.5)],
    ["Fit", "As wide as the page", () => { image.classList.remove("zoomed"); image.style.width = ""; }],
  ];
  const buttons = choices.map(([sign, name, act]) => {
    const button = make("button", { type: "button", title: name, "aria-label": name }, sign);
    button.addEventListener("click", act);
    return button;
  });
  return [saved, ...buttons];
}

for (const image of document.querySelectorAll("img.picture")) {
  const figure = image.closest("figure");
  tools(figure, pictureButtons(figure));
}

// --- commands ---

for (const command of document.querySelectorAll("pre.command")) {
  const button = make("button", { type: "button" }, "Copy the command");
  button.addEventListener("click", async () => {
    const text = command.textContent.replace(/^\$ /, "");
    try {
      await navigator.clipboard.writeText(text);
      say.textContent = "copied";
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(command);
      button.textContent = "Selected: copy it with Ctrl+C";
    }
  });
  const row = make("div", { class: "tools" }, button);
  command.after(row);
}
