// Tells the model what happens on the page: tasks that have changed, and the user's choice.

import { canTellModel, sayInChat, tellModel } from "./host.js";
import { tasks } from "./tasks.js";

const known = new Map(); // the status of each task as the model has it from the tools
const choices = new Map(); // for each task the picture that was chosen, and the sentence that says so
let last = "";

export function modelKnows(found) {
  for (const { id, status } of found) known.set(id, status);
}

export const isChosen = ({ id }, { number }) => choices.get(id)?.number === number;

// Reports what the page has found since; always in full, because each report replaces the one before.
export async function tellNews() {
  const said = report();
  if (!canTellModel() || said === last) return;
  last = said;
  await tellModel(said).catch(() => undefined); // the user did not ask for it, so a failure is not shown
}

// Passes a choice on; returns whether the model gets it only with the user's next message.
export async function choose(task, picture) {
  const { number, url } = picture;
  const sentence = `The user chose picture ${number} of ${task.count} of task ${task.id}, link ${url}`;
  const before = choices.get(task.id);
  choices.set(task.id, { number, sentence });
  try {
    return await passOn(sentence, report());
  } catch (error) {
    if (before) choices.set(task.id, before);
    else choices.delete(task.id);
    throw error;
  }
}

async function passOn(sentence, said) {
  if (!canTellModel()) {
    await sayInChat(sentence);
    return false;
  }
  await tellModel(said);
  last = said;
  return true;
}

function report() {
  const news = [...tasks.values()].filter(({ id, status }) => known.get(id) !== status);
  const lines = news.flatMap((task) => [lineOf(task), ...task.pictures.map(({ url }) => url)]);
  const found = lines.length ? ["The gallery has since refreshed these tasks:", ...lines] : [];
  return [...found, ...[...choices.values()].map(({ sentence }) => sentence)].join("\n");
}

function lineOf({ id, status, template, error }) {
  const about = template && ` (${/^[\w.:-]{1,64}$/.test(template) ? template : quoted(template)})`;
  const reason = error.message && `: ${quoted(error.message)}`;
  return `${id} ${status}${about}${reason}`;
}

// Foreign words, with whatever a reader could take for the end of the quotation replaced, as in api/wording.py.
function quoted(words) {
  const marks =
    /["'\u00ab\u00b4\u00bb\u02b9-\u02bd\u02dd\u02ee\u02f5\u02f6\u05f3\u05f4\u2018-\u201f\u2032-\u2037\u2039\u203a\u2057\u275b-\u2760\u276e\u276f\u2e42\u3003\u301d-\u301f\uff02\uff07\u{1f676}-\u{1f678}]+/gu;
  return `“${words.replace(marks, "'")}”`;
}
