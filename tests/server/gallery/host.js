// A small host on the SDK's AppBridge: an MCP client of the real server, and the app in a sandboxed frame.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import {
  AppBridge,
  buildAllowAttribute,
  getToolUiResourceUri,
  PostMessageTransport,
} from "@modelcontextprotocol/ext-apps/app-bridge";

const frame = document.getElementById("app");
const said = []; // every message of the app, in order
window.addEventListener("message", ({ source, data }) => source === frame.contentWindow && said.push(data));

async function connect(server) {
  const client = new Client({ name: "test-host", version: "1" });
  await client.connect(new StreamableHTTPClientTransport(new URL(server)));
  const { tools } = await client.listTools();
  const page = (await client.readResource({ uri: getToolUiResourceUri(tools[0]) })).contents[0];
  Object.assign(window.host, { tools, mimeType: page.mimeType, csp: page._meta.ui.csp });
  return { client, page };
}

// Shows the page; `given` says whether it may use the clipboard, and whether it may load the pictures it names.
async function show({ text, _meta: meta }, { clipboard = true, pictures = true }) {
  const csp = pictures ? meta.ui.csp : {};
  const stored = await fetch("/app", { method: "POST", body: JSON.stringify({ html: text, csp }) });
  frame.allow = clipboard ? buildAllowAttribute(meta.ui.permissions) : "";
  frame.src = await stored.text();
}

async function start(given) {
  const {
    server,
    context = {},
    capabilities = { openLinks: {}, serverTools: {} },
    resources = {},
    grown = true,
  } = given;
  const { client, page } = await connect(server);
  const bridge = new AppBridge(client, { name: "test-host", version: "1" }, capabilities, { hostContext: context });
  bridge.onopenlink = async () => ({});
  bridge.ondownloadfile = async () => ({});
  bridge.onmessage = async () => ({});
  bridge.onupdatemodelcontext = async () => ({});
  bridge.addEventListener("sizechange", ({ height }) => {
    if (grown) frame.style.height = `${height}px`;
  });
  const initialized = new Promise((resolve) => bridge.addEventListener("initialized", resolve));
  await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
  // Only now, for the bridge hands them on to the server by itself.
  if (resources) {
    bridge.onreadresource = async ({ uri }) => {
      if (!Object.hasOwn(resources, uri)) throw new Error("unknown resource");
      return { contents: [{ uri, ...resources[uri] }] };
    };
  }
  await show(page, given);
  await initialized;
  Object.assign(window.host, { bridge });
  window.host.call = async (name, given) => {
    await bridge.sendToolInput({ arguments: given });
    const result = await client.callTool({ name, arguments: given });
    await bridge.sendToolResult(result);
    return result;
  };
  window.host.settled = () => bridge.request({ method: "ping" }); // what was said before it, either way, has arrived
}

// A host that answers the greeting with whatever it is told to, and then says whatever it is told to.
async function startBare({ server, greeting, ...given }) {
  const { page } = await connect(server);
  const post = (message) => frame.contentWindow.postMessage({ jsonrpc: "2.0", ...message }, "*");
  const answers = new Map();
  const initialized = new Promise((resolve) => {
    window.addEventListener("message", ({ data: { id, method, params, result } }) => {
      if (method === "ui/notifications/size-changed") frame.style.height = `${params.height}px`;
      if (method === "ui/initialize") post({ id, result: greeting });
      if (method === "ui/notifications/initialized") resolve();
      if (!method) answers.get(id)?.(result);
    });
  });
  await show(page, given);
  await initialized;
  window.host.post = post;
  window.host.settled = () =>
    new Promise((resolve) => {
      answers.set(answers.size + 1, resolve);
      post({ id: answers.size, method: "ping" });
    });
}

window.host = { start, startBare, said };
