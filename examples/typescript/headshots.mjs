// The TypeScript SDK, without an agent, shows the pictures of a headshot task.

import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const transport = new StdioClientTransport({
  command: "uvx",
  args: ["headshots-mcp", "--sandbox"], // for your own tasks, leave --sandbox out
  // Of your environment the server gets PATH, HOME and a few more, and what is named here.
  env: { ACEDATACLOUD_API_TOKEN: process.env.ACEDATACLOUD_API_TOKEN ?? "" },
});
const headshots = new Client({ name: "example", version: "1.0.0" });
await headshots.connect(transport);
try {
  // By default a call may take 60 s; wait_for_headshot_tasks waits for up to 300.
  const call = { name: "get_headshot_task", arguments: { id: "sandbox-gallery" } };
  const result = await headshots.callTool(call, { timeout: 330_000 });
  if (result.isError) throw new Error(result.content[0].text);
  console.log(result.structuredContent.image_urls.join("\n"));
} finally {
  await headshots.close();
}
