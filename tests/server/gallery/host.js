// A small host on the SDK's AppBridge: an MCP client of the real server, and the app in a sandboxed frame.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { AppBridge, PostMessageTransport, buildAllowAttribute, getToolUiResourceUri } from "@modelcontextprotocol/ext-apps/app-bridge";

const frame = document.getElementById("app");
const said = []; // every message of the app, in order
window.addEventListener("message", ({ source, data }) => source === frame.contentWindow && said.push(data));

async function start({ server, context = {}, capabilities = { openLinks: {}, serverTools: {} }, grown = true, clipboard = true }) {
  const client = new Client({ name: "test-host", version: "1" });
  await client.connect(new StreamableHTTPClientTransport(new URL(server)));
  const { tools } = await client.listTools();
  const { contents: [page] } = await client.readResource({ uri: getToolUiResourceUri(tools[0]) });
  const { csp, permissions } = page._meta.ui;
  const bridge = new AppBridge(client, { name: "test-host", version: "1" }, capabilities, { hostContext: context });
  bridge.onopenlink = async () => ({});
  bridge.onrequestdisplaymode = async ({ mode }) => ({ mode });
  bridge.addEventListener("sizechange", ({ height }) => { if (grown) frame.style.height = `${height}px`; });
  const initialized = new Promise((resolve) => bridge.addEventListener("initialized", resolve));
  await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
  const stored = await fetch("/app", { method: "POST", body: JSON.stringify({ html: page.text, csp }) });
  frame.allow = clipboard ? buildAllowAttribute(permissions) : "";
  frame.src = await stored.text();
  await initialized;
  Object.assign(window.host, { bridge, tools, mimeType: page.mimeType, csp });
  window.host.call = async (name, given) => {
    await bridge.sendToolInput({ arguments: given });
    const result = await client.callTool({ name, arguments: given });
    await bridge.sendToolResult(result);
    return result;
  };
  window.host.settled = () => bridge.request({ method: "ping" }); // what was said before it, either way, has arrived
}

window.host = { start, said };
