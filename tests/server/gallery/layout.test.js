// Room: a few tasks fit into a chat, pictures grow with the page, and many tasks wait until they are asked for.
import assert from "node:assert/strict";
import { test } from "node:test";
import { heightOf, loaded, opened, portraits, shoot, task } from "./setup.js";

const ready = (id, pictures) => task(id, { template: "female_portrait", image_urls: portraits(pictures) });
const rows = (app) =>
  app.evaluate(() =>
    [...document.querySelectorAll(".grid")].map((grid) => {
      const tops = [...grid.children].map(({ offsetTop }) => offsetTop);
      return [...new Set(tops)].map((top) => tops.filter((other) => other === top).length);
    }),
  );
const widthOf = (app) =>
  app
    .locator(".picture")
    .first()
    .evaluate(({ offsetWidth }) => offsetWidth);

for (const width of [400, 500, 720, 800, 1200]) {
  test(`up to three tasks take about 500 pixels at most at a width of ${width}`, async (t) => {
    const { app, host } = await opened(t, { width });
    for (const pictures of [[1], [2], [3], [4], [5], [6], [8], [12], [4, 4], [4, 2], [4, 4, 4]]) {
      await host.tasks(...pictures.map((count, n) => ready(`task-${n}`, count)));
      const height = await heightOf(app);
      assert.ok(height <= 520, `${pictures}: ${height}`);
    }
  });
}

test("no picture stands alone in a second row at 500 pixels, however many there are", async (t) => {
  const { app, host } = await opened(t, { width: 500 });
  for (let count = 2; count <= 40; count += 1) {
    await host.tasks(ready("a", count));
    const [found] = await rows(app);
    assert.ok(found.length === 1 || found.at(-1) > 1, `${count}: ${found}`);
  }
});

for (const count of [2, 3, 4, 7]) {
  test(`${count} pictures stand in two columns at 280 pixels`, async (t) => {
    const { page, app, host } = await opened(t, { width: 280, context: { theme: "light" } });
    await host.tasks(ready("a", count));
    await loaded(app, count);
    assert.equal((await rows(app))[0][0], 2);
    assert.equal(await app.evaluate(() => document.documentElement.scrollWidth), 280);
    await shoot(page, `width-280-pictures-${count}`);
  });
}

test("four pictures stand in two rows where they fill the page so, however near that is to its height", async (t) => {
  for (const width of [300, 345, 360, 375]) {
    const { app, host } = await opened(t, { width });
    await host.tasks(ready("a", 4));
    assert.deepEqual(await rows(app), [[2, 2]], String(width));
    assert.ok((await widthOf(app)) > 140, String(width));
    assert.ok((await heightOf(app)) <= 520, String(width));
  }
});

test("pictures are larger on a wider page", async (t) => {
  const widths = [];
  for (const width of [500, 800, 1200]) {
    const { page, app, host } = await opened(t, { width, context: { theme: "light" } });
    await host.tasks(ready("a", 4));
    await loaded(app, 4);
    widths.push(await widthOf(app));
    await shoot(page, `width-${width}`);
  }
  assert.deepEqual(widths, [117, 192, 280]);
});

test("a page that gets wider gives its pictures more room", async (t) => {
  const { page, app, host } = await opened(t, { width: 500 });
  await host.tasks(ready("a", 4));
  await page.setViewportSize({ width: 1200, height: 900 });
  await app.waitForFunction(() => document.querySelector(".picture").offsetWidth === 280);
});

test("full screen has larger pictures than the chat", async (t) => {
  const { app, host } = await opened(t, { width: 1200 });
  await host.tasks(ready("a", 4), ready("b", 4), ready("c", 4));
  const inline = await widthOf(app);
  await host.send("sendHostContextChange", { displayMode: "fullscreen" });
  assert.ok((await widthOf(app)) > 1.5 * inline);
});

test("twelve tasks are shown at once, and all others when asked for", async (t) => {
  const { page, app, host } = await opened(t, { context: { theme: "light" } });
  await host.tasks(...Array.from({ length: 200 }, (_, n) => ready(`task-${n}`, 1 + (n % 4))));
  const more = app.getByRole("button", { name: "Show all 200 tasks" });
  await more.waitFor();

  assert.equal(await app.locator(".task").count(), 12);
  assert.equal(await app.locator("#summary").textContent(), "200 of 200 ready");
  assert.ok((await heightOf(app)) < 1500);
  await shoot(page, "many");
  await more.click();
  assert.equal(await app.locator(".task").count(), 200);
  assert.equal(await app.evaluate(() => [...document.querySelectorAll(".task")].indexOf(document.activeElement)), 12);
  assert.equal(await more.isVisible(), false);
  assert.ok((await heightOf(app)) < 25_000);
});

test("tasks that are not shown are asked for again, too", async (t) => {
  const { app, host } = await opened(t);
  const ids = Array.from({ length: 20 }, (_, n) => `task-${n}`);
  await host.tasks(...ids.map((id) => ({ id, status: "processing", image_urls: [] })));
  await app.getByRole("button", { name: "Refresh" }).click();
  await host.hears("tools/call");
  assert.deepEqual((await host.said("tools/call"))[0].arguments, { ids });
});

test("twelve tasks need no button", async (t) => {
  const { app, host } = await opened(t);
  await host.tasks(...Array.from({ length: 12 }, (_, n) => ready(`task-${n}`, 1)));
  assert.equal(await app.locator("#more").isVisible(), false);
});
