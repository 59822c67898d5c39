// The gallery on the Apps page of the MCP Inspector, which is a host of its own making.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const { CHROMIUM, SERVER_COMMAND, SCREENSHOTS } = process.env;
const LAUNCHER = fileURLToPath(
  import.meta
    .resolve("@modelcontextprotocol/inspector/package.json")
    .replace("package.json", "clients/launcher/build/index.js"),
);
const LIMIT = 30_000; // milliseconds

let home;
let inspector;
let browser;
let url;

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return String(port);
}

before(async () => {
  home = await mkdtemp(join(tmpdir(), "inspector-"));
  const [command, ...args] = JSON.parse(SERVER_COMMAND);
  const config = join(home, "servers.json");
  await writeFile(config, JSON.stringify({ mcpServers: { headshots: { command, args } } }));
  const [CLIENT_PORT, MCP_SANDBOX_PORT, MCP_APP_ORIGIN_PORT] = await Promise.all([freePort(), freePort(), freePort()]);
  inspector = spawn(process.execPath, [LAUNCHER, "--web", "--config", config], {
    env: {
      ...process.env,
      HOME: home,
      MCP_AUTO_OPEN_ENABLED: "false",
      CLIENT_PORT,
      MCP_SANDBOX_PORT,
      MCP_APP_ORIGIN_PORT,
    },
  });
  url = await new Promise((resolve, reject) => {
    let said = "";
    const hear = (chunk) => {
      said += chunk;
      const found = /http:\/\/127\.0\.0\.1:\d+\S*API_TOKEN=\w+(?=\s)/.exec(said);
      if (found) resolve(found[0]);
    };
    inspector.stdout.on("data", hear);
    inspector.stderr.on("data", hear);
    inspector.on("exit", () => reject(new Error(said)));
    setTimeout(() => reject(new Error(said)), LIMIT).unref();
  });
  const quiet = [
    "--no-sandbox",
    "--disable-gpu",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
  ];
  browser = await chromium.launch({ executablePath: CHROMIUM, args: quiet, env: { ...process.env, HOME: home } });
});

after(async () => {
  await browser?.close();
  inspector?.kill();
  await rm(home, { recursive: true, force: true });
});

test("the page is mounted, shows the pictures, and has one saved", async () => {
  const page = await browser.newPage({ viewport: { width: 1500, height: 1000 } });
  page.setDefaultTimeout(LIMIT);
  page.on("dialog", (dialog) => dialog.accept());
  await page.goto(url);
  await page.getByRole("switch").or(page.locator("label:has(input)")).first().click({ force: true });
  await page.getByText("Connected", { exact: true }).waitFor();
  await page.getByText("Apps", { exact: true }).first().click();
  await page.getByText("Look up a headshot task", { exact: true }).first().click();
  await page.locator('input[maxlength="128"]').fill("sandbox-gallery");
  await page.getByRole("button", { name: "Open App" }).click();
  await page.waitForFunction(() => document.querySelector("iframe"));
  const gallery = page.frameLocator("iframe").frameLocator("iframe");
  await gallery.getByText("Ready", { exact: true }).waitFor();
  await gallery.locator(".grid img").evaluateAll((images) => Promise.all(images.map((image) => image.decode())));
  assert.equal(await gallery.locator(".grid img").count(), 4);
  await page.screenshot({ path: `${SCREENSHOTS}/inspector.png` });

  await gallery.locator(".picture").nth(2).click();
  const download = page.waitForEvent("download");
  await gallery.getByRole("button", { name: "Save" }).click();
  assert.equal((await download).suggestedFilename(), "sandbox-gallery-3.png");
  await gallery.getByText("Saved", { exact: true }).waitFor();
  await page.screenshot({ path: `${SCREENSHOTS}/inspector-saved.png` });
});
