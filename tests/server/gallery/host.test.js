// The host: its greeting, language, colours and room are followed, and nothing it says breaks the page.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { accessible, badges, heightOf, loaded, opened, PICTURES, PROCESSING, portraits, shoot, task } from "./setup.js";

const SCRIPTS = new URL("../../../src/headshots_mcp/server/gallery/", import.meta.url);
const colours = (app) =>
  app.evaluate(() => {
    const { backgroundColor, color, fontFamily } = getComputedStyle(document.body);
    return { backgroundColor, color, fontFamily };
  });
const PLAIN = { backgroundColor: "rgba(0, 0, 0, 0)", color: "rgb(27, 27, 29)", fontFamily: "system-ui, sans-serif" };

test("the tools are bound to the page, and its policy names the vendor's image hosts and the one set", async (t) => {
  const { page } = await opened(t);
  const { uris, mimeType, csp } = await page.evaluate(() => ({
    uris: window.host.tools.map((tool) => tool._meta.ui.resourceUri),
    mimeType: window.host.mimeType,
    csp: window.host.csp,
  }));

  assert.deepEqual([...new Set(uris)], ["ui://headshots/gallery.html"]);
  assert.equal(mimeType, "text/html;profile=mcp-app");
  assert.deepEqual(csp, {
    resourceDomains: [
      "https://platform.cdn.acedata.cloud",
      "https://cdn.acedata.cloud",
      "https://cdn.zhishuyun.com",
      "https://static.aipedias.com",
      PICTURES,
    ],
  });
});

test("the page and the host shake hands, and the page reports its size", async (t) => {
  const { page, host } = await opened(t);
  await host.call("get_headshot_task", { id: "sandbox-gallery" });
  await host.hears("ui/notifications/size-changed");
  const [hello] = await host.said("ui/initialize");
  const size = (await host.said("ui/notifications/size-changed")).at(-1);

  assert.deepEqual(hello, {
    protocolVersion: "2026-01-26",
    appInfo: { name: "headshots-gallery", version: "1" },
    appCapabilities: { availableDisplayModes: ["inline", "fullscreen", "pip"] },
  });
  assert.equal(size.width, 720);
  await page.waitForFunction((height) => document.getElementById("app").offsetHeight === height, size.height);
});

test("the host's background shows through, and a switch of its theme and its style variables are followed", async (t) => {
  const { page, app, host } = await opened(t, { context: { theme: "light" } });
  await host.call("get_headshot_task", { id: "sandbox-gallery" });
  await loaded(app, 4);

  assert.deepEqual(await colours(app), PLAIN);
  assert.equal(
    await app.evaluate(() => getComputedStyle(document.documentElement).backgroundColor),
    "rgba(0, 0, 0, 0)",
  );
  await host.send("sendHostContextChange", { theme: "dark" });
  assert.deepEqual(await colours(app), { ...PLAIN, color: "rgb(243, 243, 244)" });
  await page.emulateMedia({ colorScheme: "dark" });
  await shoot(page, "gallery-dark");
  await accessible(app, "dark");
  const variables = { "--color-text-primary": "rgb(10, 20, 30)", "--font-sans": "serif" };
  await host.send("sendHostContextChange", { styles: { variables } });
  assert.deepEqual(await colours(app), { ...PLAIN, color: "rgb(10, 20, 30)", fontFamily: "serif" });
});

test("style variables that are no colours, sizes or fonts are ignored, and those that are taken", async (t) => {
  const { app, host } = await opened(t, { context: { theme: "light" } });
  const set = (variables) => host.send("sendHostContextChange", { styles: { variables } });
  const seen = (name) => app.evaluate((given) => document.documentElement.style.getPropertyValue(given), name);
  const nonsense = ["12px 3", "url(javascript:1)", "var(--nothing)", "inherit", " unset ", "red; color: blue", "", "}"];
  const names = [
    ["--color-text-primary", "light-dark(#123, #eee)"],
    ["--font-text-md-size", "14px"],
    ["--font-weight-semibold", "650"],
    ["--border-radius-md", "12px"],
  ];
  for (const [name, good] of names) {
    for (const bad of nonsense) {
      await set({ [name]: good });
      assert.equal(await seen(name), good);
      await set({ [name]: bad });
      assert.equal(await seen(name), "", `${name}: ${bad}`);
    }
  }
  await set({ "--font-sans": "var(--x)", "--top": "500px", "--columns": "9", "font-size": "99px" });
  assert.deepEqual(await colours(app), PLAIN);
  assert.equal(await seen("--top"), "0px");
  assert.equal(await seen("font-size"), "");
});

const FIELDS = [
  "locale",
  "theme",
  "styles",
  "displayMode",
  "availableDisplayModes",
  "containerDimensions",
  "safeAreaInsets",
  "deviceCapabilities",
  "toolInfo",
  "timeZone",
  "userAgent",
  "platform",
];
const GREETING = { protocolVersion: "2026-01-26", hostInfo: { name: "bare", version: "1" } };
const RESULT = { structuredContent: { tasks: [task("a", { image_urls: portraits(2) })] } };

for (const nonsense of [null, 0, -1, "", "x", true, [], [null], {}]) {
  test(`a host that says ${JSON.stringify(nonsense)} where it should say something is shown the page`, async (t) => {
    const hostContext = Object.fromEntries(FIELDS.map((field) => [field, nonsense]));
    const greeting = { ...GREETING, hostCapabilities: nonsense, hostContext };
    const { app, host } = await opened(t, { greeting });
    const inner = {
      styles: { variables: nonsense, css: nonsense },
      containerDimensions: { width: nonsense, maxWidth: nonsense, height: nonsense, maxHeight: nonsense },
      safeAreaInsets: { top: nonsense, left: nonsense },
      deviceCapabilities: { touch: nonsense },
    };
    for (const params of [nonsense, hostContext, inner, { styles: { css: { fonts: nonsense } } }]) {
      await host.post({ method: "ui/notifications/host-context-changed", params });
    }
    for (const method of ["tool-input", "tool-result", "tool-cancelled", "tool-input-partial"]) {
      await host.post({ method: `ui/notifications/${method}`, params: nonsense });
    }
    for (const arguments_ of [nonsense, { id: nonsense, ids: nonsense }]) {
      await host.post({ method: "ui/notifications/tool-input", params: { arguments: arguments_ } });
    }
    for (const structuredContent of [
      nonsense,
      { tasks: nonsense },
      { tasks: [nonsense] },
      { id: "b", image_urls: nonsense, error: nonsense, template: nonsense, status: nonsense },
    ]) {
      await host.post({ method: "ui/notifications/tool-result", params: { content: nonsense, structuredContent } });
      await host.post({ method: "ui/notifications/tool-result", params: { content: [nonsense], structuredContent } });
    }
    await host.post({ method: "ui/notifications/tool-result", params: RESULT });
    await loaded(app, 2);
  });
}

test("a greeting without context or capabilities is enough", async (t) => {
  for (const more of [{}, { hostContext: null, hostCapabilities: null }]) {
    const { app, host } = await opened(t, { greeting: { ...GREETING, ...more } });
    await host.post({ method: "ui/notifications/tool-result", params: RESULT });
    await loaded(app, 2);
  }
});

for (const [locale, lang, status, button] of [
  ["zh-TW", "zh-Hant", "失敗", "重新整理"],
  ["zh-Hant", "zh-Hant", "失敗", "重新整理"],
  ["zh-HK", "zh-Hant", "失敗", "重新整理"],
  ["zh-CN", "zh-Hans", "失败", "刷新"],
  ["zh", "zh-Hans", "失败", "刷新"],
  ["de-CH", "en", "Failed", "Refresh"],
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

test("all three languages have the same words", async () => {
  const source = await readFile(new URL("words.js", SCRIPTS), "utf8");
  const { WORDS } = await import(`data:text/javascript,${encodeURIComponent(source)}`);
  const [first, ...others] = Object.values(WORDS).map((words) => Object.keys(words));
  assert.deepEqual(others, [first, first]);
});

test("long words and right-to-left survive in a narrow frame", async (t) => {
  const { page, app, host } = await opened(t, { width: 330, context: { locale: "ar-EG", theme: "light" } });
  const error = { message: "ش".repeat(90), code: "c".repeat(64), trace_id: "t".repeat(64) };
  await host.tasks(
    task("w".repeat(128), { status: "failed", template: "W".repeat(64), error }),
    task("b", { image_urls: portraits(2) }),
  );
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
  const [previous, next] = await Promise.all(["#previous", "#next"].map((id) => app.locator(id).boundingBox()));
  assert.ok(previous.x > next.x);
});

test("the host's room is respected, and nothing shown that its frame shows already", async (t) => {
  const context = {
    theme: "light",
    safeAreaInsets: { top: 20, right: 30, bottom: 40, left: 50 },
    containerDimensions: { maxWidth: 500, maxHeight: 200 },
    displayMode: "inline",
    availableDisplayModes: ["inline", "fullscreen", "pip"],
  };
  const { page, app, host } = await opened(t, { context });
  await host.call("get_headshot_task", { id: "sandbox-gallery" });
  await loaded(app, 4);
  await host.settled();

  const padding = () => app.evaluate(() => getComputedStyle(document.querySelector("main")).padding);
  assert.equal(await padding(), "24px 34px 44px 54px");
  assert.deepEqual((await host.said("ui/notifications/size-changed")).at(-1), { width: 500, height: 200 });
  assert.equal(await app.locator("button:visible:not(.picture)").count(), 0);
  assert.equal((await app.locator("h1").boundingBox()).width, 1); // for screen readers alone
  await shoot(page, "insets", 200);
  await host.send("sendHostContextChange", { displayMode: "fullscreen" });
  assert.equal(await padding(), "36px 46px 56px 66px");
});

for (const [name, settings] of [
  ["the host says so", { context: { deviceCapabilities: { touch: true } } }],
  ["the browser says so", { browser: { hasTouch: true, isMobile: true } }],
]) {
  test(`what can be touched is 44 pixels wide and high where ${name}`, async (t) => {
    const capabilities = { openLinks: {}, serverTools: {}, downloadFile: {}, message: {} };
    const { page, app, host } = await opened(t, { width: 400, capabilities, ...settings });
    const tasks = Array.from({ length: 14 }, (_, n) => task(`t${n}`, { image_urls: portraits(1) }));
    const error = { trace_id: "x" };
    const links = [...portraits(4), `${PICTURES}/none.jpg`];
    await host.tasks(
      { id: "f", status: "failed", image_urls: links, error },
      { id: "n", status: "not_found" },
      ...tasks,
    );
    await app.locator(".missing p").waitFor();
    const small = () =>
      app.evaluate(() =>
        [...document.querySelectorAll("button, a")]
          .filter((element) => element.checkVisibility() && (element.offsetWidth < 44 || element.offsetHeight < 44))
          .map(({ outerHTML }) => outerHTML),
      );

    assert.deepEqual(await small(), []);
    await shoot(page, `touch-${settings.browser ? "browser" : "host"}`);
    await app.locator(".picture").first().click();
    await app.locator("#viewer").waitFor();
    assert.deepEqual(await small(), []);
  });
}

test("who wants less motion gets none", async (t) => {
  const { app, host } = await opened(t, { browser: { reducedMotion: "reduce" }, capabilities: {} });
  await host.tasks({ id: "a", status: "processing", image_urls: [] });
  assert.equal(await app.locator(".track").evaluate((element) => getComputedStyle(element).animationName), "none");
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

test("hostile strings of the real server's answer are shown as text and do nothing", async (t) => {
  const { page, app, host } = await opened(t, { context: { theme: "light" } });
  const result = await host.call("get_headshot_task", { id: "hostile" });
  await app.locator(".missing p").waitFor();
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
  const links = [
    "javascript:window.hacked=1",
    "JaVaScRiPt:window.hacked=1",
    "data:image/svg+xml,<svg onload='window.hacked=1'/>",
    "http://",
    'https://x" onerror="window.hacked=1',
    5,
    null,
  ];
  const error = { message: evil, code: evil, trace_id: evil };
  const odd = { status: "constructor", template: 5, error: "x", image_urls: "javascript:1" };
  await host.tasks(
    task(evil, { status: "failed", template: evil, error, image_urls: links }),
    task("constructor", odd),
    null,
    7,
    { id: {} },
  );
  await app.locator(".task").nth(1).waitFor();

  assert.deepEqual(await badges(app), ["Failed", "Temporarily unavailable"]);
  assert.equal(await app.locator("main img, main script, main [onerror], main [onload]").count(), 0);
  const protocols = await app.locator("main a").evaluateAll((anchors) => anchors.map(({ protocol }) => protocol));
  assert.deepEqual(protocols, ["https:"]);
  assert.equal(await app.evaluate(() => window.hacked), undefined);
});

for (const [name, text] of [
  ["one word", "x".repeat(200_000)],
  ["carriage returns", "a b\r".repeat(50_000)],
  ["states over and over", "a pending (".repeat(18_000)],
  ["states and odd line ends", `${"a failed ".repeat(22_000)}\u2028`],
  ["quotes over and over", `a failed: ${"“x” (".repeat(30_000)}`],
  ["line ends", "\n".repeat(200_000)],
  ["links", `a succeeded\n${Array.from({ length: 12_000 }, (_, n) => `https://a/${n}`).join("\n")}`],
]) {
  test(`200 kB of ${name} in place of an answer hold the page up for less than a second`, async (t) => {
    const { app, host } = await opened(t, { capabilities: {} });
    const begin = performance.now();
    await host.result({ content: [{ type: "text", text }] });
    assert.ok(performance.now() - begin < 1000, `${performance.now() - begin} ms`);
    assert.ok((await app.locator("#note").textContent()).length <= 1000);
  });
}

test("line ends in foreign words make the page no higher", async (t) => {
  const { app, host } = await opened(t, { capabilities: {} });
  const text = "a\u2028\r\n".repeat(50_000);
  const error = { message: text, code: text, trace_id: text };
  await host.tasks({ id: "t", status: "failed", image_urls: [], error });
  await host.result({ isError: true, content: [{ type: "text", text }] });
  assert.match(await app.locator("#note").textContent(), /^a a a /);
  assert.ok((await heightOf(app)) < 500);
});
