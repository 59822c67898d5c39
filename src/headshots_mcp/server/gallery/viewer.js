// One picture, large, over the part of the page that is in sight, and what can be done with it.

import { $, copy, root } from "./dom.js";
import { canChoose, offers, openLink, savePicture } from "./host.js";
import { choose, isChosen } from "./model.js";
import { oneLine } from "./tasks.js";
import { style } from "./theme.js";
import { words } from "./words.js";

const ENOUGH = 200; // pixels; where less of the page is in sight, the picture takes its whole height
const SWIPE = 40; // pixels
const viewer = $("viewer");
let shown; // the thumbnail of the picture

export const isViewing = () => viewer.open;

// Opened by hand once its place is known, for the focus would else scroll the chat elsewhere.
const inSight = new IntersectionObserver(([{ intersectionRect }]) => {
  const { top, height } = intersectionRect;
  style("--seen-top", `${top}px`);
  style("--seen-height", height > ENOUGH ? `${height}px` : "100%");
  if (!viewer.open) viewer.showModal();
  inSight.disconnect();
  setTimeout(() => viewer.open && inSight.observe(root), 60); // the chat may be scrolled under it
});

export function startViewer() {
  const actions = {
    previous: () => step(-1),
    next: () => step(1),
    close: () => viewer.close(),
    use: useThis,
    save: saveThis,
    open: openOriginal,
    copy: copyLink,
  };
  for (const [id, onclick] of Object.entries(actions)) $(id).onclick = onclick;
  viewer.onkeydown = ({ key }) => turn({ ArrowLeft: -1, ArrowRight: 1 }[key]);
  viewer.onclose = closed;
  let start;
  viewer.ontouchstart = ({ touches }) => {
    start = touches[0].clientX;
  };
  viewer.ontouchend = ({ changedTouches }) => {
    const moved = changedTouches[0].clientX - start;
    if (Math.abs(moved) > SWIPE) turn(-Math.sign(moved));
  };
}

export function show(thumbnail) {
  shown = thumbnail;
  const { src, alt } = shown.querySelector("img");
  Object.assign($("large"), { src, alt });
  count();
  say("");
  label();
  $("main").classList.add("viewing");
  if (!viewer.open) inSight.observe(root);
}

function count() {
  const all = row();
  $("place").textContent = `${all.indexOf(shown) + 1} / ${all.length}`;
  $("previous").hidden = $("next").hidden = all.length < 2;
}

// Goes on with the same picture where a task is drawn anew.
export function follow(old, made) {
  if (!viewer.open || !old.contains(shown)) return;
  const { number } = shown.picture;
  const same = [...made.querySelectorAll(".picture")].find(({ picture }) => picture.number === number);
  if (!same) return;
  shown = same;
  count();
}

export function labelViewer() {
  $("close").ariaLabel = words.close;
  $("previous").ariaLabel = words.previous;
  $("next").ariaLabel = words.next;
  label();
}

function label() {
  const chosen = Boolean(shown) && isChosen(shown.task, shown.picture);
  const buttons = {
    use: [chosen ? `✓ ${words.chosen}` : words.use, canChoose()],
    save: [words.save, offers("downloadFile")],
    open: [words.open, offers("openLinks")],
    copy: [words.copyLink, true],
  };
  for (const [id, [said, offered]] of Object.entries(buttons)) {
    Object.assign($(id), { textContent: said, hidden: !offered, disabled: false });
  }
  $("use").ariaPressed = String(chosen);
}

const say = (said) => {
  $("told").textContent = said;
};
const row = () => [...shown.parentElement.querySelectorAll(".picture")];
const step = (by) => show(row().at((row().indexOf(shown) + by) % row().length));

// Turns to the picture on the right (1) or on the left (-1), which is the next or the one before.
function turn(by) {
  if (by) step(root.dir === "rtl" ? -by : by);
}

function closed() {
  inSight.disconnect();
  $("main").classList.remove("viewing");
  shown.focus();
}

// Does something that the host may refuse, and says how it went.
async function attempt(id, act, refusal = words.refused) {
  const subject = shown;
  $(id).disabled = true;
  const said = await act(subject).catch((error) => [refusal, oneLine(error?.message, 200)].filter(Boolean).join(": "));
  $(id).disabled = false;
  $(id).focus();
  if (subject === shown) say(said);
}

const useThis = () =>
  attempt("use", async ({ task, picture, parentElement }) => {
    const later = await choose(task, picture);
    for (const other of parentElement.querySelectorAll(".picture")) mark(other);
    label();
    return later ? words.told : words.chosen;
  });

export function mark(thumbnail) {
  const chosen = isChosen(thumbnail.task, thumbnail.picture);
  thumbnail.classList.toggle("chosen", chosen);
}

const saveThis = () =>
  attempt(
    "save",
    async ({ task, picture }) => {
      await savePicture(task.id, picture.number, picture.url);
      return words.saved;
    },
    words.notSaved,
  );

const openOriginal = () =>
  attempt("open", async ({ picture }) => {
    await openLink(picture.url);
    return "";
  });

const copyLink = () =>
  attempt(
    "copy",
    async ({ picture }) => {
      await copy(picture.url);
      return words.copied;
    },
    "",
  );
