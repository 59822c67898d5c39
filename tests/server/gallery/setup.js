// What the tests of the page share: an open page in its host, what it shows, and a clock that stands still.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before } from "node:test";
import { startBrowser, startOrigins } from "./browser.js";

export const { SERVER, PICTURES, FOREIGN, SCREENSHOTS, CHROMIUM } = process.env;
export const SUCCEEDED = "16f96e95-d95c-46ef-b183-139b9bd1aebd";
export const PROCESSING = "5213468b-6b96-4ad4-9c6a-657bd438d299";
export const TRACE = "0b7bb1b6-4c1c-4d0a-8e35-5a86c1f2d7e9";
export const EVERYTHING = {
  openLinks: {},
  serverTools: {},
  serverResources: {},
  downloadFile: {},
  updateModelContext: {},
  message: {},
};
const LIMIT = 15_000; // milliseconds
export const TALL = 900; // pixels

let origins;
let chromium;
let axe;

before(async () => {
  [origins, chromium, axe] = await Promise.all([
    startOrigins(),
    startBrowser(CHROMIUM),
    readFile(new URL(import.meta.resolve("axe-core/axe.min.js")), "utf8"),
  ]);
});

after(async () => {
  await chromium?.stop();
  origins?.stop();
});

export async function opened(t, { clock, width = 720, browser = {}, greeting, ...settings } = {}) {
  const context = await chromium.browser.newContext({ viewport: { width, height: TALL }, ...browser });
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(LIMIT);
  const errors = [];
  page.on("pageerror", (error) => errors.push(error));
  t.after(() => assert.deepEqual(errors, []));
  if (clock) await page.clock.install(clock);
  await page.goto(origins.host);
  const start = greeting === undefined ? "start" : "startBare";
  await page.evaluate(([how, given]) => window.host[how](given), [start, { server: SERVER, greeting, ...settings }]);
  return { page, app: page.frames()[1], host: hostOf(page) };
}

function hostOf(page) {
  const settled = () => page.evaluate(() => window.host.settled());
  const heard = async (given) => {
    await settled();
    return given;
  };
  const host = {
    settled,
    call: (name, given) => page.evaluate(([n, g]) => window.host.call(n, g), [name, given]).then(heard),
    send: (method, params) => page.evaluate(([m, p]) => window.host.bridge[m](p), [method, params]).then(heard),
    post: (message) => page.evaluate((m) => window.host.post(m), message).then(heard),
    result: (result) => host.send("sendToolResult", { content: [], ...result }),
    tasks: (...tasks) => host.result({ structuredContent: { tasks } }),
    said: (method) =>
      page.evaluate((m) => window.host.said.filter((said) => said.method === m).map(({ params }) => params), method),
    hears: (method, count = 1) =>
      page.waitForFunction(
        ([m, n]) => window.host.said.filter((message) => message.method === m).length >= n,
        [method, count],
      ),
  };
  return host;
}

// A clock that stands still but for what a test lets pass, and a task that never ends.
export async function polling(t, { ids = [PROCESSING, SUCCEEDED], ...settings } = {}) {
  const started = await opened(t, { clock: {}, ...settings });
  const { page, app, host } = started;
  await page.clock.pauseAt(Date.now() + 3_600_000);
  await host.call("get_headshot_tasks", { ids });
  await app.locator(".badge").first().waitFor();
  const calls = async () => (await host.said("tools/call")).length;
  const answered = () => app.waitForFunction(() => !document.getElementById("refresh").disabled);
  const pass = async (seconds) => {
    await page.clock.runFor(1000 * seconds);
    await host.settled();
    await answered();
  };
  return { ...started, calls, pass, answered };
}

export async function loaded(app, count) {
  await app.waitForFunction((n) => {
    const images = [...document.querySelectorAll(".grid img")];
    return images.length === n && images.every((image) => image.complete && image.naturalWidth > 0);
  }, count);
}

// Takes a picture once the host has given the page the room it asked for.
export async function shoot(page, name, most = Infinity) {
  const needed = await page.frames()[1].evaluate(() => document.querySelector("main").offsetHeight);
  const height = Math.min(needed, most);
  const { width } = page.viewportSize();
  await page.waitForFunction((given) => document.getElementById("app").offsetHeight === given, height);
  const clip = { x: 0, y: 0, width, height: Math.min(height, TALL) };
  return page.screenshot({ path: `${SCREENSHOTS}/${name}.png`, animations: "disabled", clip });
}

// Looks for violations of WCAG and good practice; the page is transparent, so the host's background is lent to it.
export async function accessible(app, state) {
  await app.evaluate(`${axe}; 0`);
  const { violations } = await app.evaluate(async () => {
    document.body.style.background = "light-dark(#fff, #1d1d1f)";
    const found = await axe.run(document, { resultTypes: ["violations"] });
    document.body.style.background = "";
    return found;
  });
  const found = violations.map(({ id, impact, nodes }) => ({ id, impact, html: nodes.map((node) => node.html) }));
  assert.deepEqual(found, [], state);
}

export const badges = (app) => app.locator(".badge").allTextContents();
export const heightOf = (app) => app.evaluate(() => document.querySelector("main").offsetHeight);
export const task = (id, more) => ({ id, status: "succeeded", image_urls: [], ...more });
export const portraits = (count) =>
  Array.from({ length: count }, (_, n) => `${PICTURES}/headshots/gallery-${n + 1}.png`);
export const ago = (seconds) => new Date(Date.now() - seconds * 1000).toISOString();
