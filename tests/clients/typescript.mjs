// Lists the tools and calls them with the TypeScript SDK, and prints what came back as JSON.
//
//     node typescript.mjs stdio COMMAND ARGUMENT...
//     node typescript.mjs sse|http URL

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [how, target, ...args] = process.argv.slice(2);
const transports = {
  stdio: () => new StdioClientTransport({ command: target, args, env: process.env }),
  sse: () => new SSEClientTransport(new URL(target)),
  http: () => new StreamableHTTPClientTransport(new URL(target)),
};

const client = new Client({ name: "typescript", version: "1" });
const transport = transports[how]();
let protocol;
const tell = transport.setProtocolVersion?.bind(transport);
transport.setProtocolVersion = (version) => {
  protocol = version;
  tell?.(version);
};
await client.connect(transport);
const { tools } = await client.listTools();
const found = { protocol, server: client.getServerVersion().name, tools: tools.map((tool) => tool.name) };
for (const [name, call] of Object.entries(JSON.parse(process.env.CALLS))) {
  const result = await client.callTool(call);
  found[name] = {
    text: result.content.map((block) => block.text).join("\n"),
    structured: result.structuredContent ?? null,
    error: result.isError ?? false,
  };
}
await client.close();
console.log(JSON.stringify(found));
