// The gallery in a real browser, in a host made of the SDK's own bridge, fed by the real server.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { startBrowser, startOrigins } from "./browser.js";

const { SERVER, PICTURES, FOREIGN, SCREENSHOTS, README_PICTURE, CHROMIUM } = process.env;
const SUCCEEDED = "16f96e95-d95c-46ef-b183-139b9bd1aebd", PROCESSING = "5213468b-6b96-4ad4-9c6a-657bd438d299";
const TRACE = "0b7bb1b6-4c1c-4d0a-8e35-5a86c1f2d7e9";
const DARK = { "--color-background-primary": "rgb(10, 20, 30)", "--font-sans": "serif" };
const LIMIT = 15_000, TALL = 900;

let origins, chromium, axe;

before(async () => {
  [origins, chromium, axe] = await Promise.all([
    startOrigins(), startBrowser(CHROMIUM), readFile(new URL(import.meta.resolve("axe-core/axe.min.js")), "utf8"),
  ]);
});
after(async () => { await chromium?.stop(); origins?.stop(); });

async function opened(t, { clock = false, width = 720, browser = {}, ...settings } = {}) {
  const context = await chromium.browser.newContext({ viewport: { width, height: TALL }, ...browser });
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(LIMIT);
  const errors = [];
  page.on("pageerror", (error) => errors.push(error));
  t.after(() => assert.deepEqual(errors, []));
  if (clock) await page.clock.install();
  await page.goto(origins.host);
  await page.evaluate((given) => window.host.start(given), { server: SERVER, ...settings });
  const app = page.frames()[1];
  const settled = () => page.evaluate(() => window.host.settled());
  const heard = async (given) => { await settled(); return given; };
  const host = {
    settled,
    call: (name, given) => page.evaluate(([n, g]) => window.host.call(n, g), [name, given]).then(heard),
    send: (method, params) => page.evaluate(([m, p]) => window.host.bridge[m](p), [method, params]).then(heard),
    result: (result) => host.send("sendToolResult", { content: [], ...result }),
    said: (method) => page.evaluate((m) => window.host.said.filter((message) => message.method === m), method),
    hears: (method, count = 1) => page.waitForFunction(
      ([m, n]) => window.host.said.filter((message) => message.method === m).length >= n, [method, count]),
  };
  return { page, app, host };
}

async function loaded(app, count) {
  await app.waitForFunction((n) => {
    const images = [...document.querySelectorAll(".grid img")];
    return images.length === n && images.every((image) => image.complete && image.naturalWidth > 0);
  }, count);
}

async function shoot(page, name, most = Infinity) { // once the host has given the page the room it asked for
  const needed = await page.frames()[1].evaluate(() => document.querySelector("main").offsetHeight);
  const height = Math.min(needed, most), { width } = page.viewportSize();
  await page.waitForFunction((given) => document.getElementById("app").offsetHeight === given, height);
  const clip = { x: 0, y: 0, width, height: Math.min(height, TALL) };
  return page.screenshot({ path: `${SCREENSHOTS}/${name}.png`, animations: "disabled", clip });
}

async function accessible(app, state) {
  await app.evaluate(`${axe}; 0`);
  const { violations } = await app.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  const found = violations.map(({ id, impact, nodes }) => ({ id, impact, html: nodes.map((node) => node.html) }));
  assert.deepEqual(found, [], state);
}

const badges = (app) => app.locator(".badge").allTextContents();
const task = (id, more) => ({ id, status: "succeeded", image_urls: [], ...more });

test("the tools are bound to the page, and its policy names the vendor's image hosts and the one set", async (t) => {
  const { page } = await opened(t);
  const { uris, mimeType, csp } = await page.evaluate(() => ({
    uris: window.host.tools.map((tool) => tool._meta.ui.resourceUri), mimeType: window.host.mimeType, csp: window.host.csp,
  }));

  assert.deepEqual([...new Set(uris)], ["ui://headshots/gallery.html"]);
  assert.equal(mimeType, "text/html;profile=mcp-app");
  assert.deepEqual(csp, { resourceDomains: [
    "https://platform.cdn.acedata.cloud", "https://cdn.acedata.cloud", "https://cdn.zhishuyun.com",
    "https://static.aipedias.com", PICTURES,
  ] });
});

test("the page and the host shake hands, and the page reports its size", async (t) => {
  const { page, host } = await opened(t);
  await host.hears("ui/notifications/size-changed");
  const [hello] = await host.said("ui/initialize");
  const [{ params: size }] = await host.said("ui/notifications/size-changed");

  assert.deepEqual(hello.params, {
    protocolVersion: "2026-01-26",
    appInfo: { name: "headshots-gallery", version: "1" },
    appCapabilities: { availableDisplayModes: ["inline", "fullscreen", "pip"] },
  });
  assert.equal(size.width, 720);
  await page.waitForFunction((height) => document.getElementById("app").offsetHeight === height, size.height);
});

test("four pictures load, three wide to four high, beside the status in words and the template", async (t) => {
  const { page, app, host } = await opened(t, { context: { theme: "light" } });
  await host.call("get_headshot_task", { id: "sandbox-gallery" });
  await loaded(app, 4);
  const shape = await app.locator(".picture").first().evaluate((element) => element.offsetWidth / element.offsetHeight);

  assert.deepEqual(await badges(app), ["Ready"]);
  assert.equal(await app.locator("h2").textContent(), "female portrait");
  assert.ok(Math.abs(shape - 0.75) < 0.02, String(shape));
  assert.equal(await app.locator("#refresh").isVisible(), false);
  await shoot(page, "gallery-light");
  await accessible(app, "light");
});

test("a switch of the theme and the host's style variables are followed", async (t) => {
  const { page, app, host } = await opened(t, { context: { theme: "light" } });
  await host.call("get_headshot_task", { id: "sandbox-gallery" });
  await loaded(app, 4);
  const look = () => app.evaluate(() => {
    const { backgroundColor, color, fontFamily } = getComputedStyle(document.body);
    return { backgroundColor, color, fontFamily };
  });
  const light = { backgroundColor: "rgb(255, 255, 255)", color: "rgb(27, 27, 29)", fontFamily: "system-ui, sans-serif" };

  assert.deepEqual(await look(), light);
  await host.send("sendHostContextChange", { theme: "dark" });
  const dark = { backgroundColor: "rgb(29, 29, 31)", color: "rgb(243, 243, 244)", fontFamily: "system-ui, sans-serif" };
  assert.deepEqual(await look(), dark);
  await page.emulateMedia({ colorScheme: "dark" });
  await shoot(page, "gallery-dark");
  await accessible(app, "dark");
  await host.send("sendHostContextChange", { styles: { variables: DARK } });
  assert.deepEqual(await look(), { ...dark, backgroundColor: "rgb(10, 20, 30)", fontFamily: "serif" });
});

test("a batch shows each state in words, reasons, and a trace id to copy", async (t) => {
  const { page, app, host } = await opened(t, { context: { theme: "light" }, browser: { permissions: ["clipboard-read"] } });
  const ids = [SUCCEEDED, PROCESSING, "sandbox-failed", "no-such-task"];
  await host.call("get_headshot_tasks", { ids });
  await loaded(app, 1);

  assert.deepEqual(await badges(app), ["Ready", "In progress", "Failed", "Not found"]);
  assert.deepEqual(await app.locator(".task > .small:not(.line) > code").allTextContents(), ids);
  assert.equal(await app.locator(".reason").textContent(), "No face was found in the photo. (face_not_found)");
  assert.match(await app.locator("#summary").textContent(), /^1 of 4 ready · checked at /);
  await shoot(page, "batch-light");
  await accessible(app, "light");
  await app.getByRole("button", { name: "Copy" }).click();
  await app.getByRole("button", { name: "Copied" }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), TRACE);
  await host.send("sendHostContextChange", { theme: "dark" });
  await page.emulateMedia({ colorScheme: "dark" });
  await shoot(page, "batch-dark");
  await accessible(app, "dark");
});

test("a foreign host is blocked, a broken picture caught, and both are labelled with their link", async (t) => {
  const { page, app, host } = await opened(t, { context: { theme: "light" } });
  const answers = [];
  page.on("response", (response) => answers.push(response.url()));
  const foreign = `${FOREIGN}/headshots/spy.png`, broken = `${PICTURES}/headshots/none.jpg`;
  await host.result({ structuredContent: task("t", { image_urls: [foreign, broken, `${PICTURES}/headshots/a.png`] }) });
  await loaded(app, 1);
  await app.locator(".missing").nth(1).waitFor();

  assert.deepEqual(await app.locator(".missing").allInnerTexts(), [
    `Pictures from there are not shown here:\n\n${foreign}`, `This picture could not be loaded:\n\n${broken}`,
  ]);
  assert.deepEqual(answers.filter((url) => url.startsWith(FOREIGN)), []);
  await shoot(page, "placeholders");
  await accessible(app, "placeholders");
  await app.getByRole("link").first().click();
  await host.settled();
  assert.deepEqual((await host.said("ui/open-link")).map(({ params }) => params), [{ url: foreign }]);
});

test("a picture opens large and is left by keyboard alone", async (t) => {
  const { page, app, host } = await opened(t, { context: { theme: "light" }, browser: { permissions: ["clipboard-read"] } });
  await host.call("get_headshot_task", { id: "sandbox-gallery" });
  await loaded(app, 4);
  const place = () => app.locator("#place").textContent();
  await page.keyboard.press("Tab");
  await app.waitForFunction(() => document.activeElement.className === "picture");
  await page.keyboard.press("Enter");
  await app.locator("#viewer").waitFor();

  assert.equal(await place(), "1 / 4");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  assert.equal(await place(), "3 / 4");
  await page.keyboard.press("ArrowLeft");
  assert.match(await app.locator("#large").getAttribute("src"), /gallery-2\.png$/);
  await app.waitForFunction(() => document.getElementById("large").naturalWidth > 0);
  await app.waitForFunction(() => document.getElementById("viewer").offsetHeight >= 500);
  await shoot(page, "large");
  await accessible(app, "large");
  await app.getByRole("button", { name: "Open original" }).press("Enter");
  await app.getByRole("button", { name: "Copy link" }).press("Enter");
  await app.getByRole("button", { name: "Copied" }).waitFor();
  await host.settled();
  const link = `${PICTURES}/headshots/gallery-2.png`;
  assert.deepEqual((await host.said("ui/open-link")).map(({ params }) => params), [{ url: link }]);
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), link);
  await page.keyboard.press("Escape");
  await host.settled();
  assert.equal(await app.locator("#viewer").isVisible(), false);
  await app.waitForFunction(() => document.querySelectorAll(".picture")[1] === document.activeElement);
  await app.locator(".picture").first().press("Enter");
  await app.locator("#viewer").waitFor();
  await page.keyboard.press("ArrowLeft");
  assert.equal(await place(), "4 / 4");
});

test("the large picture lies over the part of a long page that is in sight", async (t) => {
  const { page, app, host } = await opened(t);
  const tasks = Array.from({ length: 12 }, (_, n) => task(`task-${n}`, { image_urls: [`${PICTURES}/headshots/${n}.png`] }));
  await host.result({ structuredContent: { tasks } });
  await page.waitForFunction(() => document.body.scrollHeight > 2500);
  await app.locator(".picture").nth(8).click();
  const inSight = async () => {
    const { y, height } = await app.locator("#large").boundingBox();
    return y >= 0 && y + height <= TALL && height > 300;
  };
  await app.locator("#viewer").waitFor();
  await app.waitForFunction(() => document.getElementById("large").naturalWidth > 0);
  assert.ok(await inSight(), JSON.stringify(await app.locator("#large").boundingBox()));
  await shoot(page, "large-in-a-long-page");
});

test("a link is copied where the host grants no clipboard, too", async (t) => {
  const { page, app, host } = await opened(t, { clipboard: false, browser: { permissions: ["clipboard-read"] } });
  await host.call("get_headshot_task", { id: "sandbox-failed" });
  await app.getByRole("button", { name: "Copy" }).click();
  await app.getByRole("button", { name: "Copied" }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), TRACE);
});

test("an unfinished task is asked for by the page until it has succeeded, and then no more", async (t) => {
  const { page, app, host } = await opened(t, { context: { theme: "light" } });
  await host.call("get_headshot_task", { id: "sandbox-living" });
  assert.deepEqual(await badges(app), ["Waiting"]);
  await shoot(page, "waiting");
  await accessible(app, "waiting");
  await app.getByText("Ready", { exact: true }).waitFor({ timeout: 30_000 });
  await loaded(app, 2);
  const calls = (await host.said("tools/call")).map(({ params }) => params);

  assert.ok(calls.length <= 4, `${calls.length} calls`);
  assert.deepEqual(calls[0], { name: "get_headshot_tasks", arguments: { ids: ["sandbox-living"] } });
  assert.equal(await app.locator("#spoken").textContent(), "business photo: Ready");
  assert.equal(await app.locator("#refresh").isVisible(), false);
  await page.clock.install();
  await page.clock.runFor(600_000);
  assert.equal((await host.said("tools/call")).length, calls.length);
});

// A clock that stands still but for what a test lets pass, and a task that never ends.
async function polling(t, { ids = [PROCESSING, SUCCEEDED], ...settings } = {}) {
  const started = await opened(t, { clock: true, ...settings });
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

test("it asks after five seconds, slower with time, for the unfinished ones only", async (t) => {
  const { host, calls, pass } = await polling(t);
  const seen = [];
  for (const seconds of [4.9, 0.2, 5, 1, 60, 60]) {
    await pass(seconds);
    seen.push(await calls());
  }
  assert.deepEqual((await host.said("tools/call"))[0].params.arguments, { ids: [PROCESSING] });
  assert.deepEqual(seen.slice(0, 4), [0, 1, 1, 2]);
});

test("the button asks at once", async (t) => {
  const { page, app, host, calls, answered } = await polling(t);
  assert.equal(await calls(), 0);
  await app.getByRole("button", { name: "Check now" }).click();
  await host.hears("tools/call");
  await answered();
  assert.equal(await calls(), 1);
  await shoot(page, "unfinished");
});

test("it does not ask while hidden, and asks at once when it is seen again", async (t) => {
  const { app, host, calls, pass } = await polling(t);
  const show = (hidden) => app.evaluate((value) => {
    Object.defineProperty(document, "hidden", { value, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, hidden);
  await show(true);
  await pass(300);
  assert.equal(await calls(), 0);
  await show(false);
  await host.hears("tools/call");
});

test("it stops when the host cancels, and the button still asks", async (t) => {
  const { app, host, calls, pass } = await polling(t);
  await host.send("sendToolCancelled", { reason: "user" });
  await app.getByText("The host stopped the lookup.").waitFor();
  await pass(300);
  assert.equal(await calls(), 0);
  await app.getByRole("button", { name: "Check now" }).click();
  await host.hears("tools/call");
});

test("it stops when the host refuses to call the tool, and says so", async (t) => {
  const { page, app, calls, pass } = await polling(t);
  await page.evaluate(() => { window.host.bridge.oncalltool = async () => { throw new Error("not allowed"); }; });
  await pass(6);
  await app.getByText("The host did not do this: not allowed").waitFor();
  await pass(300);
  assert.equal(await calls(), 1);
});

test("it asks nothing of a host that calls no tools for it", async (t) => {
  const { app, calls, pass } = await polling(t, { capabilities: {} });
  await pass(300);
  assert.equal(await calls(), 0);
  assert.equal(await app.locator("#refresh").isVisible(), false);
});

test("after the teardown it answers, falls silent and stays so", async (t) => {
  const { page, host, pass } = await polling(t);
  assert.deepEqual(await host.send("teardownResource", {}), {});
  const unasked = () => page.evaluate(() => window.host.said.filter(({ method }) => method).length);
  const before = await unasked();
  await pass(300);
  assert.equal(await unasked(), before);
});

test("hostile strings of the real server's answer are shown as text and do nothing", async (t) => {
  const { page, app, host } = await opened(t, { context: { theme: "light" } });
  const result = await host.call("get_headshot_task", { id: "hostile" });
  await app.locator(".missing").waitFor();
  const foreign = result.structuredContent.image_urls[0];

  assert.match(foreign, /onerror/);
  assert.equal(await app.locator("h2").textContent(), result.structuredContent.template.replaceAll("_", " "));
  assert.match(await app.locator("h2").textContent(), /<img src=x onerror=/);
  assert.equal(await app.locator("main img, main script, main b, main i").count(), 0);
  assert.equal(await app.evaluate(() => window.hacked), undefined);
  await shoot(page, "hostile");
  await accessible(app, "hostile");
});

test("hostile strings of a host's message do nothing either", async (t) => {
  const { app, host } = await opened(t);
  const evil = '<img src=x onerror="window.hacked = 1"><script>window.hacked = 1</script>';
  const links = ["javascript:window.hacked=1", "JaVaScRiPt:window.hacked=1", "data:image/svg+xml,<svg onload='window.hacked=1'/>",
    "http://", 'https://x" onerror="window.hacked=1', 5, null];
  const tasks = [
    task(evil, { status: "failed", template: evil, error: { message: evil, code: evil, trace_id: evil }, image_urls: links }),
    task("constructor", { status: "constructor", template: 5, error: "x", image_urls: "javascript:1" }), null, 7, { id: {} },
  ];
  await host.result({ structuredContent: { tasks } });
  await app.locator(".task").nth(1).waitFor();

  assert.deepEqual(await badges(app), ["Failed", "Not available now"]);
  assert.equal(await app.locator("main img, main script, main [onerror], main [onload]").count(), 0);
  assert.deepEqual(await app.locator("main a").evaluateAll((links) => links.map(({ protocol }) => protocol)), ["https:"]);
  assert.equal(await app.evaluate(() => window.hacked), undefined);
});

test("messages of anybody but the parent are ignored", async (t) => {
  const { page, app, host } = await opened(t);
  await page.evaluate(async () => {
    const stranger = document.body.appendChild(document.createElement("iframe"));
    const params = { structuredContent: { id: "stranger", status: "failed", image_urls: [] } };
    const message = { jsonrpc: "2.0", method: "ui/notifications/tool-result", params };
    stranger.contentWindow.eval(`parent.frames[0].postMessage(${JSON.stringify(message)}, "*")`);
  });
  await host.result({ structuredContent: task("host") });
  await app.locator(".task").waitFor();
  assert.deepEqual(await app.locator(".task code").allTextContents(), ["host"]);
});

test("what was asked for is announced before the answer, and an answer in text alone is enough", async (t) => {
  const { app, host } = await opened(t);
  const ids = ["sandbox-gallery", "sandbox-failed", PROCESSING];
  await host.send("sendToolInput", { arguments: { ids } });
  await app.locator(".task").nth(2).waitFor();
  assert.deepEqual(await badges(app), ["Looking up", "Looking up", "Looking up"]);
  const links = [1, 2, 3, 4].map((n) => `${PICTURES}/headshots/gallery-${n}.png`);
  const text = ["sandbox-gallery succeeded (female_portrait)", ...links,
    `sandbox-failed failed (wedding): 'No face was found in the photo.' (face_not_found, trace id ${TRACE})`,
    `${PROCESSING} processing`, "1 of 3 not finished: ask again in 5 seconds."].join("\n");
  await host.result({ content: [{ type: "text", text }] });
  await loaded(app, 4);

  assert.deepEqual(await badges(app), ["Ready", "Failed", "In progress"]);
  assert.deepEqual(await app.locator("h2").allTextContents(), ["female portrait", "wedding", "Task"]);
  assert.match(await app.locator(".reason").textContent(), new RegExp(`No face was found.*${TRACE}`));
});

test("a refused lookup is told in the server's words", async (t) => {
  const { page, app, host } = await opened(t, { context: { theme: "dark" }, browser: { colorScheme: "dark" } });
  await host.call("get_headshot_task", { id: "fault-401" });
  await app.getByRole("alert").getByText("token").waitFor();
  assert.deepEqual(await badges(app), ["Not available now"]);
  await shoot(page, "refused");
  await accessible(app, "refused");
});

for (const [locale, lang, status, button] of [
  ["zh-TW", "zh-Hant", "失敗", "立即查詢"], ["zh-Hant", "zh-Hant", "失敗", "立即查詢"], ["zh-HK", "zh-Hant", "失敗", "立即查詢"],
  ["zh-CN", "zh-Hans", "失败", "立即查询"], ["zh", "zh-Hans", "失败", "立即查询"], ["de-CH", "en", "Failed", "Check now"],
]) {
  test(`the words of ${locale} are those of ${lang}`, async (t) => {
    const { page, app, host } = await opened(t, { context: { locale, theme: "light" } });
    await host.call("get_headshot_tasks", { ids: ["sandbox-failed", PROCESSING] });
    await app.getByRole("button", { name: button }).waitFor();

    assert.equal(await app.evaluate(() => document.documentElement.lang), lang);
    assert.equal((await badges(app))[0], status);
    await shoot(page, `locale-${locale}`);
    await accessible(app, locale);
  });
}

test("all three languages have the same words", async (t) => {
  const { app } = await opened(t);
  const keys = await app.evaluate(() => Object.values(WORDS).map((words) => Object.keys(words).sort()));
  assert.equal(keys.length, 3);
  assert.deepEqual(keys[1], keys[0]);
  assert.deepEqual(keys[2], keys[0]);
});

test("long words and right-to-left survive in a narrow frame", async (t) => {
  const { page, app, host } = await opened(t, { width: 330, context: { locale: "ar-EG", theme: "light" } });
  const long = "ش".repeat(90), tasks = [
    task("w".repeat(128), { status: "failed", template: "W".repeat(64), error: { message: long, code: "c".repeat(64), trace_id: "t".repeat(64) } }),
    task("b", { image_urls: [1, 2].map((n) => `${PICTURES}/headshots/${n}.png`) }),
  ];
  await host.result({ structuredContent: { tasks } });
  await app.locator(".grid").scrollIntoViewIfNeeded();
  await loaded(app, 2);
  const [first, second] = await Promise.all([0, 1].map((n) => app.locator(".picture").nth(n).boundingBox()));

  assert.equal(await app.evaluate(() => document.documentElement.dir), "rtl");
  assert.equal(await app.evaluate(() => document.documentElement.scrollWidth), 330);
  assert.ok(first.x > second.x);
  await shoot(page, "right-to-left");
  await accessible(app, "right-to-left");
  await app.locator(".picture").first().click();
  await app.locator("#viewer").waitFor();
  await page.keyboard.press("ArrowLeft");
  assert.equal(await app.locator("#place").textContent(), "2 / 2");
});

test("the host's room is respected: insets, dimensions and the modes it offers", async (t) => {
  const { page, app, host } = await opened(t, { context: {
    theme: "light", safeAreaInsets: { top: 20, right: 30, bottom: 40, left: 50 },
    containerDimensions: { maxWidth: 500, maxHeight: 200 }, displayMode: "inline", availableDisplayModes: ["inline", "fullscreen"],
  } });
  await host.call("get_headshot_task", { id: "sandbox-gallery" });
  await loaded(app, 4);
  await host.settled();
  assert.deepEqual(await app.evaluate(() => getComputedStyle(document.querySelector("main")).padding), "32px 42px 52px 62px");
  assert.deepEqual((await host.said("ui/notifications/size-changed")).at(-1).params, { width: 500, height: 200 });
  await shoot(page, "insets", 200);
  await app.getByRole("button", { name: "Full screen" }).click();
  await app.getByRole("button", { name: "Back to the chat" }).waitFor();
  assert.deepEqual((await host.said("ui/request-display-mode")).map(({ params }) => params), [{ mode: "fullscreen" }]);
  assert.equal(await app.getByRole("button", { name: "Small window" }).count(), 0);
});

test("who wants less motion gets none", async (t) => {
  const { app, host } = await opened(t, { browser: { reducedMotion: "reduce" } });
  await host.call("get_headshot_task", { id: PROCESSING });
  assert.equal(await app.locator(".track").evaluate((element) => getComputedStyle(element).animationName), "none");
});

// The README's picture is kept as it is; delete it to have it made anew.
test("the README's picture is small", async (t) => {
  const { page, app, host } = await opened(t, { width: 640, context: { theme: "light" } });
  await host.call("get_headshot_tasks", { ids: ["sandbox-gallery", PROCESSING, "sandbox-failed"] });
  await loaded(app, 4);
  const picture = await shoot(page, "readme");
  if (!existsSync(README_PICTURE)) await writeFile(README_PICTURE, picture);
  assert.ok(picture.length < 150_000, String(picture.length));
});
