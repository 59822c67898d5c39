// Reads tasks from a tool's answer: from its structured content or, if a host keeps that back, from its text.

const STATUSES = ["pending", "processing", "succeeded", "failed", "not_found", "unavailable"];
const STUCK_AFTER_MS = 10 * 60_000;
const CLOCKS_DIFFER_MS = 5 * 60_000; // how far the clock here may be behind
const MAX_LINKS = 100; // of a task, as many as the server gives
const MAX_LINE = 3000; // characters; no line of the server's is as long

// The tasks on the page by id, in request order.
export const tasks = new Map();

export const text = (given) => (typeof given === "string" ? given : "");
export const object = (given) => (given !== null && typeof given === "object" ? given : {});
export const list = (given) => (Array.isArray(given) ? given : []);

export function taskOf(given) {
  const { id, status, template, image_urls: urls, error, created_at: created } = given;
  const links = list(urls).slice(0, MAX_LINKS).map(webAddress);
  const pictures = links
    .map((url, index) => ({ number: index + 1, url }))
    .filter(({ url }, index) => url && links.indexOf(url) === index);
  return {
    id,
    status: STATUSES.includes(status) || status === "asking" ? status : "unavailable",
    template: text(template).slice(0, 100),
    pictures,
    count: links.length,
    created: Date.parse(text(created)),
    error: {
      message: oneLine(object(error).message, 1000),
      code: oneLine(object(error).code, 100),
      trace: oneLine(object(error).trace_id, 100),
    },
  };
}

// Foreign text on one line, cut to at most so many characters.
export const oneLine = (given, most) => text(given).slice(0, most).replace(/\s+/g, " ").trim();

function webAddress(given) {
  return /^https?:\/\//i.test(text(given)) && URL.canParse(given) ? new URL(given).href : "";
}

export const isUnfinished = ({ status }) => status === "pending" || status === "processing";
export const isFinal = ({ status }) => status === "succeeded" || status === "failed";

// Milliseconds for which an unfinished task has been running; undefined if that is unknown.
export function age(task, now = Date.now()) {
  const passed = now - task.created;
  return isUnfinished(task) && passed > -CLOCKS_DIFFER_MS ? Math.max(passed, 0) : undefined;
}

export const isStuck = (task) => age(task) > STUCK_AFTER_MS;

export const textOf = (result) =>
  list(result.content)
    .map((block) => text(object(block).text))
    .join("\n");

// Returns the tasks of an answer; `announced` has the ids that were asked for.
export function tasksOf(result, announced) {
  if (result.isError) return [];
  const given = object(result.structuredContent);
  const listed = Array.isArray(given.tasks) ? given.tasks : [given];
  const found = listed.map(object).filter(({ id }) => text(id));
  const tasks = (found.length ? found : tasksInText(textOf(result), announced)).map(taskOf);
  explain(tasks.filter(({ status }) => status === "unavailable"));
  return tasks;
}

// An answer gives the reason for several tasks only with the first of them; the page shows it with each.
function explain(unavailable) {
  const reasons = new Map(unavailable.filter(({ error }) => error.message).map(({ error }) => [error.code, error]));
  for (const task of unavailable) if (!task.error.message) task.error = reasons.get(task.error.code) ?? task.error;
}

// One line per task, `ID status (template): “message” (code, trace id …, created …)`, then its links, one per line;
// everything else is meant for the model.
const LINE =
  /^(.{1,128}?) (pending|processing|succeeded|failed|not_found|unavailable)(?: \(([^(),]{0,100})\))?(?::? (.+))?$/u;
const REASON = /^(?:[“'](.+)[”'] ?)?(?:\(([^()]+)\))?$/u;

function tasksInText(said, announced) {
  const found = [];
  for (const given of said.split(/[\r\n\u2028\u2029]+/)) {
    const [, id, status, template, reason] = (given.length <= MAX_LINE && LINE.exec(given)) || [];
    if (id && (announced.has(id) || !/\s/.test(id))) {
      found.push({ id, status, template: unquoted(template), image_urls: [], ...reasonIn(text(reason)) });
    } else if (webAddress(given)) {
      found.at(-1)?.image_urls.push(given);
    }
  }
  return found;
}

function reasonIn(said) {
  const [, message, details = ""] = REASON.exec(said) ?? [undefined, undefined, said];
  const parts = details.split(", ");
  const after = (word) => parts.find((part) => part.startsWith(word))?.slice(word.length);
  const code = parts.find((part) => !/^(trace id|created) /.test(part));
  return { created_at: after("created "), error: { message, code: unquoted(code), trace_id: after("trace id ") } };
}

const unquoted = (given) => text(given).replace(/^“|”$/g, "");
