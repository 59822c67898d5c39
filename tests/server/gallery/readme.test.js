// The README's pictures of the page. They are kept as they are; delete one to have it made anew.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { loaded, opened, portraits, TRACE, task } from "./setup.js";

const DOCS = new URL("../../../docs/", import.meta.url);
const error = { code: "face_not_found", message: "No face was found in the photo.", trace_id: TRACE };
const TASKS = [
  task("16f96e95-d95c-46ef-b183-139b9bd1aebd", { template: "female_portrait", image_urls: portraits(4) }),
  task("5213468b-6b96-4ad4-9c6a-657bd438d299", {
    template: "business_photo",
    status: "processing",
    created_at: "2026-01-15T09:59:00Z",
  }),
  task("0d9a3e57-6f0e-4c39-9a52-2f5c1d8b7e64", { template: "wedding", status: "failed", error }),
];

for (const [name, theme, locale] of [
  ["gallery.png", "light", "en"],
  ["gallery-dark.png", "dark", "en"],
  ["gallery.zh-TW.png", "light", "zh-TW"],
  ["gallery-dark.zh-TW.png", "dark", "zh-TW"],
]) {
  test(`docs/${name} is sharp, whole and small`, async (t) => {
    const file = new URL(name, DOCS);
    if (!existsSync(file)) await writeFile(file, await picture(t, theme, locale));
    const bytes = await readFile(file);

    assert.ok(bytes.readUInt32BE(16) >= 1000, `${bytes.readUInt32BE(16)} pixels wide`);
    assert.ok(bytes.length > 50_000 && bytes.length < 150_000, `${bytes.length} bytes`);
  });
}

async function picture(t, theme, locale) {
  const browser = { deviceScaleFactor: 1.5, colorScheme: theme };
  const { page, app, host } = await opened(t, {
    width: 720,
    clock: { time: "2026-01-15T09:50:00Z" },
    browser,
    context: { theme, locale },
  });
  await page.clock.pauseAt("2026-01-15T10:00:00Z");
  await page.addStyleTag({ content: "body { padding: 14px; }" });
  await host.tasks(...TASKS);
  await loaded(app, 4);
  await app.waitForFunction(() => innerHeight >= document.documentElement.scrollHeight, null, { polling: 50 });
  const clip = await page.evaluate(() => {
    const { width, height } = document.body.getBoundingClientRect();
    return { x: 0, y: 0, width, height };
  });
  return page.screenshot({ animations: "disabled", clip });
}
