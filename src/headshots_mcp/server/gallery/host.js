// Talks to the host: JSON-RPC with the parent window, and with no other (MCP Apps, 2026-01-26).

import { list, object, text } from "./tasks.js";

const TIMEOUT_MS = 90_000; // how long to wait for an answer
const LANES = 3; // pictures asked for at once
const PICTURE_TYPE = /^image\/(png|jpeg|webp|gif|avif)$/;

const waiting = new Map();
const lanes = Array.from({ length: LANES }, () => Promise.resolve());
const pictures = new Map();
let capabilities = {};
let requests = 0;

const post = (message) => window.parent.postMessage({ jsonrpc: "2.0", ...message }, "*");

export const notify = (method, params) => post({ method, params });

export function request(method, params) {
  const id = ++requests;
  return new Promise((resolve, reject) => {
    waiting.set(id, ({ result, error }) => (error ? reject(error) : resolve(object(result))));
    setTimeout(answered, TIMEOUT_MS, { id, error: {} });
    post({ id, method, params });
  });
}

function answered(message) {
  waiting.get(message.id)?.(message);
  waiting.delete(message.id);
}

// Hands each request and notification to its handler.
export function listen(handlers) {
  window.addEventListener("message", ({ source, data }) => {
    if (source !== window.parent || data?.jsonrpc !== "2.0") return;
    if (!data.method) return answered(data);
    const known = Object.hasOwn(handlers, data.method);
    if (known) handlers[data.method](object(data.params));
    const answer = known ? { result: {} } : { error: { code: -32601, message: "Method not found" } };
    if (data.id !== undefined) post({ id: data.id, ...answer });
  });
}

// Shakes hands, and returns the host's context.
export async function greet() {
  const { hostCapabilities, hostContext } = await request("ui/initialize", {
    protocolVersion: "2026-01-26",
    appInfo: { name: "headshots-gallery", version: "1" },
    appCapabilities: { availableDisplayModes: ["inline", "fullscreen", "pip"] },
  });
  capabilities = object(hostCapabilities);
  return object(hostContext);
}

export function forgetHost() {
  capabilities = {};
}

export const offers = (capability) => Boolean(capabilities[capability]);

// A host that lists the kinds of content it takes has to list text.
function takesText(capability) {
  const kinds = object(capabilities[capability]);
  return offers(capability) && (Object.keys(kinds).length === 0 || Boolean(kinds.text));
}

export const canTellModel = () => takesText("updateModelContext");
export const canChoose = () => canTellModel() || takesText("message");

const textContent = (said) => [{ type: "text", text: said }];

// Replaces what the page told the model before.
export const tellModel = (said) => request("ui/update-model-context", { content: textContent(said) });

// Says something in the chat, on behalf of the user.
export const sayInChat = (said) => request("ui/message", { role: "user", content: textContent(said) }).then(accepted);

export const openLink = (url) => request("ui/open-link", { url }).then(accepted);

function accepted({ isError }) {
  if (isError) throw new Error();
}

// Returns the bytes of a task's picture, numbered from 1; the host is asked for each only once.
export function pictureBytes(id, number) {
  const key = JSON.stringify([id, number]);
  if (!pictures.has(key))
    pictures.set(
      key,
      inLane(() => readPicture(id, number)),
    );
  return pictures.get(key);
}

function inLane(job) {
  const lane = pictures.size % LANES;
  lanes[lane] = lanes[lane].then(job, job);
  return lanes[lane];
}

async function readPicture(id, number) {
  if (!offers("serverResources")) throw new Error();
  const uri = `headshots://tasks/${encodeURIComponent(id)}/pictures/${number}`;
  const { contents } = await request("resources/read", { uri });
  const { blob, mimeType } = object(list(contents)[0]);
  if (!text(blob) || !PICTURE_TYPE.test(text(mimeType))) throw new Error();
  return { blob, mimeType };
}

// Has a picture saved: its bytes where the host can read them, else its link, for the host to fetch.
export async function savePicture(id, number, url) {
  const name = `${id.replace(/[^\w-]+/g, "_").slice(0, 100)}-${number}`;
  const contents = await pictureBytes(id, number).then(
    ({ blob, mimeType }) => {
      const uri = `file:///${name}.${mimeType.slice("image/".length).replace("jpeg", "jpg")}`;
      return [{ type: "resource", resource: { uri, mimeType, blob } }];
    },
    () => [{ type: "resource_link", uri: url, name }],
  );
  return request("ui/download-file", { contents }).then(accepted);
}
