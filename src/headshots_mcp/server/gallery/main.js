// Ties the page together: the host's messages, the tasks, and when unfinished ones are asked for again.

import { $, root } from "./dom.js";
import { forgetHost, greet, listen, notify, offers, request } from "./host.js";
import { modelKnows, tellNews } from "./model.js";
import { isFinal, list, object, taskOf, tasks, tasksOf, text, textOf } from "./tasks.js";
import { dress } from "./theme.js";
import { arrange, complain, draw, FEW, refused, showAll, stateOf } from "./view.js";
import { labelViewer, startViewer } from "./viewer.js";
import { isRightToLeft, language, speak, templateName, timeOfDay, words } from "./words.js";

const FIRST_WAIT_MS = 5_000;
const MAX_WAIT_MS = 60_000;
const MAX_LOOKS = 60;
const MAX_IDS = 1000; // in one call
const TICK_MS = 15_000; // how often the page updates how long tasks have been running

let context = {};
let live = true;
let asking = false;
let looks = 0;
let timer;
let updated;
let sent;

listen({
  ping() {},
  "ui/notifications/tool-input": (params) => {
    const { id, ids } = object(params.arguments);
    for (const given of [id, ...list(ids)].filter(text)) tasks.set(given, taskOf({ id: given, status: "asking" }));
    render();
  },
  "ui/notifications/tool-result": (result) => {
    live = !result.isError;
    modelKnows(take(result));
    plan();
  },
  "ui/notifications/tool-cancelled": () => {
    rest();
    take({ isError: true, content: [{ text: words.cancelled }] });
  },
  "ui/notifications/host-context-changed": adapt,
  "ui/resource-teardown": () => {
    rest();
    sizes.disconnect();
    clearInterval(ticks);
    forgetHost();
    render();
  },
});

// Takes in an answer. A failed lookup changes nothing, except that announced tasks become unavailable.
function take(result) {
  const found = tasksOf(result, tasks);
  const news = found.filter(({ id, status }) => tasks.get(id)?.status !== status);
  for (const task of found) tasks.set(task.id, task);
  for (const task of tasks.values()) if (task.status === "asking") task.status = "unavailable";
  complain(found.length ? "" : textOf(result));
  if (!result.isError) updated = new Date();
  render();
  if (news.length > 3) speakUp(summary());
  else if (news.length)
    speakUp(news.map((task) => `${templateName(task.template)}: ${words[stateOf(task)]}`).join(". "));
  return found;
}

const speakUp = (said) => {
  $("spoken").textContent = said;
};

const unsettled = () => [...tasks.values()].filter((task) => !isFinal(task));
const isDue = () =>
  live && offers("serverTools") && !document.hidden && unsettled().some(({ status }) => status !== "not_found");

function plan() {
  clearTimeout(timer);
  if (isDue() && looks < MAX_LOOKS) timer = setTimeout(look, Math.min(FIRST_WAIT_MS * 1.2 ** looks, MAX_WAIT_MS));
}

function rest() {
  live = false;
  clearTimeout(timer);
}

async function look() {
  if (asking) return;
  asking = true;
  looks += 1;
  render();
  const ids = unsettled()
    .map(({ id }) => id)
    .slice(0, MAX_IDS);
  try {
    take(await request("tools/call", { name: "get_headshot_tasks", arguments: { ids } }));
    tellNews();
  } catch (error) {
    rest();
    refused(error);
  }
  asking = false;
  render();
  plan();
}

document.addEventListener("visibilitychange", () => (isDue() ? look() : clearTimeout(timer)));

function summary() {
  const ready = [...tasks.values()].filter(({ status }) => status === "succeeded").length;
  return words.count(ready, tasks.size);
}

function render() {
  const open = unsettled();
  const unfinished = open.length > 0 && open.every(({ status }) => status !== "asking");
  const time = unfinished && updated && words.updated(timeOfDay(updated));
  const many = tasks.size > 1 && (unfinished || tasks.size > FEW) && summary();
  $("summary").textContent = [many, time].filter(Boolean).join(" · ");
  Object.assign($("refresh"), { hidden: !offers("serverTools") || !unfinished, disabled: asking });
  draw();
}

$("refresh").onclick = () => {
  live = true;
  looks = 0;
  look();
};

$("more").onclick = () => {
  const next = $("tasks").children.length;
  showAll();
  render();
  $("tasks").children[next].focus();
};

// Follows the host's language, colours, size and mode; `change` is what has changed of its context.
function adapt(change) {
  context = { ...context, ...change };
  const locale = text(context.locale) || navigator.language;
  speak(locale);
  root.lang = language;
  root.dir = isRightToLeft(locale) ? "rtl" : "ltr";
  for (const mode of ["fullscreen", "pip"]) root.classList.toggle(mode, context.displayMode === mode);
  dress(context);
  $("title").textContent = words.title;
  $("refresh").textContent = words.refresh;
  labelViewer();
  render();
}

const sizes = new ResizeObserver(() => {
  arrange();
  const { width, maxWidth, height, maxHeight } = object(context.containerDimensions);
  const size = {
    width: pixels(width) ?? pixels(maxWidth) ?? window.innerWidth,
    height: Math.min($("main").offsetHeight, pixels(height) ?? pixels(maxHeight) ?? Infinity),
  };
  const said = JSON.stringify(size);
  if (said !== sent) notify("ui/notifications/size-changed", size);
  sent = said;
});
const pixels = (given) => (Number.isFinite(given) && given > 0 ? given : undefined);
const ticks = setInterval(render, TICK_MS);

startViewer();
adapt({});
greet().then((given) => {
  adapt(given);
  notify("ui/notifications/initialized", {});
  sizes.observe($("main"));
}, refused);
