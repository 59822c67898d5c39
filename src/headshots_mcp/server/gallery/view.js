// The page in the chat: a section for each task, with its pictures or what stands in their way.

import { $, box, button, copy, make, root, small } from "./dom.js";
import { openLink, pictureBytes } from "./host.js";
import { fit } from "./layout.js";
import { isChosen } from "./model.js";
import { age, isStuck, oneLine, tasks, text } from "./tasks.js";
import { follow, isViewing, mark, show } from "./viewer.js";
import { duration, language, templateName, words } from "./words.js";

export const FEW = 12; // tasks that are shown at once
const ROOM = 500; // pixels that a page may take in a chat
const WIDE = 640; // a page so wide shows a task's name beside its pictures
const NAME = 216; // pixels that it takes there
const TONES = {
  asking: "info",
  pending: "info",
  processing: "info",
  stuck: "warning",
  succeeded: "success",
  failed: "danger",
};

const blocked = new Set();
let all = false;

document.addEventListener("securitypolicyviolation", ({ blockedURI }) => blocked.add(blockedURI));

export const stateOf = (task) => (isStuck(task) ? "stuck" : task.status);

export function showAll() {
  all = true;
}

// Brings the page up to date; what did not change stays, with its pictures and the focus.
export function draw() {
  const seen = [...tasks.values()].slice(0, all ? Infinity : FEW);
  $("tasks").classList.toggle("alone", tasks.size === 1);
  $("more").hidden = seen.length === tasks.size;
  $("more").textContent = words.showAll(tasks.size);
  for (const [index, task] of seen.entries()) {
    const old = $("tasks").children[index];
    const key = JSON.stringify([language, task, stateOf(task), running(task)]);
    if (old?.key === key) continue;
    const focused = old?.contains(document.activeElement) && !isViewing();
    const made = Object.assign(section(task), { key });
    if (old) {
      old.replaceWith(made);
      follow(old, made);
    } else $("tasks").append(made);
    if (focused) made.focus();
  }
  arrange();
}

function section(task) {
  const state = stateOf(task);
  const tone = TONES[state] ?? "warning";
  const badge = make("span", { className: `badge ${tone}` }, words[state]);
  const name = make("h2", {}, templateName(task.template));
  const about = box("about", name, badge, make("code", { className: "small", title: task.id }, task.id));
  return make("section", { className: "task", tabIndex: -1 }, about, box("outcome", ...outcome(task, state, tone)));
}

function outcome(task, state, tone) {
  const { error, pictures } = task;
  const shown = pictures.map((picture) => thumbnail(task, picture));
  const grid = shown.length > 0 && box("pictures", box("grid", ...shown), box("missing"));
  switch (state) {
    case "asking":
      return [box("track")];
    case "pending":
    case "processing":
      return [grid, box("track"), small([running(task), words.usually].filter(Boolean).join(words.between))];
    case "stuck":
      return [grid, small(running(task) + words.between + words.usually)];
    case "succeeded":
      return [grid || small(words.none)];
    case "not_found":
      return [small(words.checkId)];
    case "unavailable":
      return [reason(error, tone) || (!$("note").textContent && small(words.unanswered)), reference(error)];
    default:
      return [grid, reason(error, tone), reference(error)];
  }
}

function running(task) {
  const passed = age(task);
  if (passed === undefined) return "";
  return passed < 60_000 ? words.justStarted : words.running(duration(passed));
}

function reason({ message, code }, tone) {
  const said = [message, code && `(${code})`].filter(Boolean).join(" ");
  return said && make("p", { className: `reason ${tone}` }, said);
}

function reference({ trace }) {
  const copied = async () => {
    await copy(trace).then(
      () => {
        press.textContent = words.copied;
      },
      () => complain(trace),
    );
  };
  const press = button(words.copy, copied);
  return trace && box("reference small", words.reference, make("code", {}, trace), press);
}

// A picture that does not load is asked for once through the host, and only then given up.
function thumbnail(task, picture) {
  const { number, url } = picture;
  const alt = `${words.picture(number, task.count)}, ${templateName(task.template)}`;
  const image = make("img", { alt, src: url, loading: "lazy" });
  const made = button(image, () => show(made));
  Object.assign(made, { className: "picture", task, picture });
  if (isChosen(task, picture)) mark(made);
  const giveUp = () => {
    giveLink(made);
    arrange();
  };
  image.onerror = () => {
    image.onerror = giveUp;
    pictureBytes(task.id, number).then(({ mimeType, blob }) => {
      image.src = `data:${mimeType};base64,${blob}`;
    }, giveUp);
  };
  return made;
}

// Puts a link in the place of a picture that cannot be shown, below the others.
function giveLink(thumbnail) {
  const { number, url } = thumbnail.picture;
  const onclick = (event) => {
    event.preventDefault();
    openLink(url).catch(refused);
  };
  const why = blocked.has(url) ? words.blocked : words.broken;
  const line = make("p", { className: "small", number }, `${why} `, make("a", { href: url, onclick }, url));
  const links = thumbnail.parentElement.nextElementSibling;
  links.insertBefore(line, [...links.children].find((other) => other.number > number) ?? null);
  thumbnail.remove();
}

export const complain = (said) => {
  $("note").textContent = oneLine(said, 1000);
};
export const refused = (error) => complain([words.refused, text(error?.message)].filter(Boolean).join(": "));

// Gives the pictures their sizes, so that a few tasks fit into a chat without scrolling.
export function arrange() {
  const sections = [...$("tasks").children];
  const width = $("tasks").clientWidth;
  const wide = width >= WIDE && sections.length > 1;
  $("tasks").classList.toggle("wide", wide);
  const grids = [...$("tasks").querySelectorAll(".grid:not(:empty)")];
  const around = sum($("main").children) - sum(grids);
  const height = (room() - around) / Math.max(grids.length, 1);
  for (const grid of grids) {
    const { columns, tile } = fit(grid.children.length, wide ? width - NAME : width, height);
    grid.style.setProperty("--columns", columns);
    grid.style.setProperty("--tile", `${tile}px`);
  }
}

const sum = (elements) => [...elements].reduce((height, { offsetHeight }) => height + offsetHeight, 0);
const room = () => (root.classList.contains("fullscreen") ? 2 * window.innerHeight : ROOM);
