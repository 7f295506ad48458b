"use strict";
// What the page does beyond being read. Without scripts all of it can still be read.
const say = document.getElementById("said");

function make(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// Puts buttons into the row of tools of a figure, which is made when it is first wanted.
function tools(figure, buttons) {
  let row = figure.querySelector(":scope > .tools");
  if (!row) {
    row = make("div", { class: "tools" });
    figure.append(row);
  }
  row.append(...buttons.filter(Boolean));
}
