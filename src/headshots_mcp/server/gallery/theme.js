// How the host wants the page to look: its colours, fonts and sizes, the room it leaves, touch.

import { $, root } from "./dom.js";
import { object, text } from "./tasks.js";

// The property that takes a variable of each kind (MCP Apps, "Current Standardized Variables").
const PROPERTIES = [
  [/^--color-/, "color"],
  [/^--font-(sans|mono)$/, "font-family"],
  [/^--font-weight-/, "font-weight"],
  [/^--font-.+-size$/, "font-size"],
  [/^--font-.+-line-height$/, "line-height"],
  [/^--border-radius-/, "border-radius"],
  [/^--border-width-/, "border-width"],
  [/^--shadow-/, "box-shadow"],
];
// Valid in any property, but useless in a variable.
const EMPTY_HANDED = /\b(var|env)\(|^\s*(inherit|initial|unset|revert|revert-layer)\s*$/i;

export function style(name, value) {
  if (value) root.style.setProperty(name, value);
  else root.style.removeProperty(name);
}

// Follows the host's context; where a field is missing, null or invalid, the page keeps its own look.
export function dress(context) {
  const { theme, styles, safeAreaInsets, deviceCapabilities } = context;
  style("color-scheme", theme === "light" || theme === "dark" ? theme : "");
  for (const [name, value] of Object.entries(object(object(styles).variables))) {
    const property = PROPERTIES.find(([pattern]) => pattern.test(name))?.[1];
    if (property) style(name, parses(property, text(value)) ? value : "");
  }
  const fonts = text(object(object(styles).css).fonts);
  const sheet = $("fonts");
  if (fonts !== sheet.textContent) sheet.textContent = fonts;
  for (const side of ["top", "right", "bottom", "left"])
    style(`--${side}`, `${length(object(safeAreaInsets)[side])}px`);
  root.classList.toggle("touch", object(deviceCapabilities).touch === true);
}

const parses = (property, value) => !EMPTY_HANDED.test(value) && CSS.supports(property, value);

const length = (given) => Math.min(Math.max(Number(given) || 0, 0), 200);
