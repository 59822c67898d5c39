// States of tasks: each in words with its reason, asked for again while unfinished, read from text where need be.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  accessible,
  ago,
  badges,
  loaded,
  opened,
  PROCESSING,
  polling,
  portraits,
  SUCCEEDED,
  shoot,
  TRACE,
  task,
} from "./setup.js";

const running = (id, seconds) => ({ id, status: "processing", image_urls: [], created_at: ago(seconds) });

test("a batch shows each state in words, reasons, and a trace id to copy", async (t) => {
  const { page, app, host } = await opened(t, {
    context: { theme: "light" },
    browser: { permissions: ["clipboard-read"] },
  });
  const ids = [SUCCEEDED, PROCESSING, "sandbox-failed", "no-such-task"];
  await host.call("get_headshot_tasks", { ids });
  await loaded(app, 1);

  assert.deepEqual((await badges(app)).toSpliced(1, 1), ["Ready", "Failed", "Not found"]);
  assert.deepEqual(await app.locator(".about code").allTextContents(), ids);
  assert.equal(await app.locator(".reason:visible").textContent(), "No face was found in the photo. (face_not_found)");
  await app.getByText("Check the task ID. A new task can take a few seconds to appear.").waitFor();
  assert.match(await app.locator("#summary").textContent(), /^1 of 4 ready · Updated /);
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

test("an unfinished task says for how long it has been running, and that it is stuck after ten minutes", async (t) => {
  const { page, app, host } = await opened(t, { context: { theme: "light" }, capabilities: {} });
  const tasks = [
    running("a", 20),
    running("b", 200),
    running("c", 590),
    running("d", 610),
    running("e", 3 * 86_400 + 9),
  ];
  await host.tasks(...tasks, { id: "f", status: "pending", image_urls: [] });

  const stuck = "Probably stuck";
  assert.deepEqual(await badges(app), ["In progress", "In progress", "In progress", stuck, stuck, "Waiting"]);
  assert.deepEqual(await app.locator(".outcome .small").allTextContents(), [
    "Just started. Usually takes 1–2 minutes.",
    "Running for 3 minutes. Usually takes 1–2 minutes.",
    "Running for 9 minutes. Usually takes 1–2 minutes.",
    "Running for 10 minutes. Usually takes 1–2 minutes.",
    "Running for 3 days. Usually takes 1–2 minutes.",
    "Usually takes 1–2 minutes.",
  ]);
  await shoot(page, "running");
  await accessible(app, "running");
});

test("a task that the server takes for stuck is shown as stuck", async (t) => {
  const { app, host } = await opened(t, { capabilities: {} });
  await host.call("get_headshot_task", { id: "sandbox-stuck" });
  assert.deepEqual(await badges(app), ["Probably stuck"]);
  assert.match(await app.locator(".outcome .small").textContent(), /^Running for \d+ (minutes|hours|days)\. Usually/);
});

for (const created of ["yesterday", "", null, 5, {}, "2999-01-01T00:00:00Z"]) {
  test(`a time that makes no sense, ${JSON.stringify(created)}, is left out`, async (t) => {
    const { app, host } = await opened(t, { capabilities: {} });
    await host.tasks({ id: "a", status: "processing", image_urls: [], created_at: created });
    assert.deepEqual(await badges(app), ["In progress"]);
    assert.equal(await app.locator(".outcome .small").textContent(), "Usually takes 1–2 minutes.");
  });
}

test("the time goes on while the page stands, up to where the task is taken for stuck", async (t) => {
  const { page, app, host } = await opened(t, { clock: {}, capabilities: {} });
  await page.clock.pauseAt(Date.now() + 60_000);
  const created = await app.evaluate(() => new Date(Date.now() - 9.5 * 60_000).toISOString());
  await host.tasks({ ...running("a", 0), created_at: created });
  assert.deepEqual(await badges(app), ["In progress"]);
  await page.clock.runFor(45_000);
  assert.deepEqual(await badges(app), ["Probably stuck"]);
  assert.match(await app.locator(".outcome .small").textContent(), /^Running for 10 minutes\./);
});

test("what is being checked does not say how long a generation takes", async (t) => {
  const { page, app, host } = await opened(t, { context: { theme: "light" } });
  await host.send("sendToolInput", { arguments: { ids: ["a", "b"] } });
  await app.locator(".task").nth(1).waitFor();

  assert.deepEqual(await badges(app), ["Checking…", "Checking…"]);
  assert.doesNotMatch(await app.locator("main").textContent(), /minutes/);
  await shoot(page, "checking");
  await accessible(app, "checking");
});

test("a task that the answer leaves out says that there was none", async (t) => {
  const { app, host } = await opened(t);
  await host.send("sendToolInput", { arguments: { ids: ["a", "b"] } });
  await host.tasks(task("a"));

  assert.deepEqual(await badges(app), ["Ready", "Temporarily unavailable"]);
  const said = await app.locator(".outcome .small").allTextContents();
  assert.deepEqual(said, ["No pictures were returned.", "There was no answer for this task. Try again in a moment."]);
});

test("a task that could not be looked up says why, with a reference for support", async (t) => {
  const { app, host } = await opened(t);
  const error = { code: "api_error", message: "The API had an internal error.", trace_id: TRACE };
  await host.tasks({ id: "a", status: "unavailable", image_urls: [], error });

  assert.equal(await app.locator(".task .reason").textContent(), "The API had an internal error. (api_error)");
  assert.match(await app.locator(".reference").textContent(), new RegExp(`Support reference${TRACE}`));
});

test("an unfinished task is asked for by the page until it has succeeded, and then no more", async (t) => {
  const { page, app, host } = await opened(t, { context: { theme: "light" } });
  await host.call("get_headshot_task", { id: "sandbox-living" });
  await shoot(page, "waiting");
  await accessible(app, "waiting");
  await app.getByText("Ready", { exact: true }).waitFor({ timeout: 30_000 });
  await loaded(app, 2);
  const calls = await host.said("tools/call");

  assert.ok(calls.length <= 4, `${calls.length} calls`);
  assert.deepEqual(calls[0], { name: "get_headshot_tasks", arguments: { ids: ["sandbox-living"] } });
  assert.equal(await app.locator("#spoken").textContent(), "Business photo: Ready");
  assert.equal(await app.locator("#refresh").isVisible(), false);
  await page.clock.install();
  await page.clock.runFor(600_000);
  assert.equal((await host.said("tools/call")).length, calls.length);
});

test("it asks after five seconds, slower with time, for the unfinished ones only", async (t) => {
  const { host, calls, pass } = await polling(t);
  const seen = [];
  for (const seconds of [4.9, 0.2, 5, 1, 60, 60]) {
    await pass(seconds);
    seen.push(await calls());
  }
  assert.deepEqual((await host.said("tools/call"))[0].arguments, { ids: [PROCESSING] });
  assert.deepEqual(seen.slice(0, 4), [0, 1, 1, 2]);
});

test("the button asks at once", async (t) => {
  const { page, app, host, calls, answered } = await polling(t);
  assert.equal(await calls(), 0);
  await app.getByRole("button", { name: "Refresh" }).click();
  await host.hears("tools/call");
  await answered();
  assert.equal(await calls(), 1);
  await shoot(page, "unfinished");
});

test("it does not ask while hidden, and asks at once when it is seen again", async (t) => {
  const { app, host, calls, pass } = await polling(t);
  const show = (hidden) =>
    app.evaluate((value) => {
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
  await app.getByText("Lookup cancelled.").waitFor();
  await pass(300);
  assert.equal(await calls(), 0);
  await app.getByRole("button", { name: "Refresh" }).click();
  await host.hears("tools/call");
});

test("it stops when the host refuses to call the tool, and says so", async (t) => {
  const { page, app, calls, pass } = await polling(t);
  await page.evaluate(() => {
    window.host.bridge.oncalltool = async () => {
      throw new Error("not allowed");
    };
  });
  await pass(6);
  await app.getByText("Your app blocked this action: not allowed").waitFor();
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

test("an answer in text alone is enough, whatever else it says", async (t) => {
  const { app, host } = await opened(t, { capabilities: {} });
  const ids = ["sandbox-gallery", "sandbox-failed", PROCESSING, "with blank", "d", "e", "f"];
  await host.send("sendToolInput", { arguments: { ids } });
  const text = [
    "1 of 7 succeeded, 2 failed, 2 not finished, 2 unavailable. Not finished: call wait_for_headshot_tasks.",
    "",
    "2 of 5 failed",
    "sandbox-gallery succeeded (female_portrait)",
    ...portraits(4),
    `sandbox-failed failed (wedding): “No face was found in the photo.” (face_not_found, trace id ${TRACE})`,
    "with blank failed: “It's ' over' (code fine).” (“an odd code”, trace id t)",
    `d processing (“商務照”): created ${ago(200)}`,
    "e unavailable: api_error",
    "f unavailable",
    `${PROCESSING} processing`,
    "1 of 3 not finished: ask again in 5 seconds.",
  ].join("\n");
  await host.result({ content: [{ type: "image" }, { type: "text", text }, null, { type: "text" }] });
  await loaded(app, 4);

  const found = ["Ready", "Failed", "In progress", "Failed", "In progress"];
  assert.deepEqual(await badges(app), [...found, "Temporarily unavailable", "Temporarily unavailable"]);
  assert.deepEqual((await app.locator("h2").allTextContents()).slice(0, 5), [
    "Female portrait",
    "Wedding",
    "Task",
    "Task",
    "商務照",
  ]);
  const reasons = await app.locator(".task .reason").allTextContents();
  const [first, second] = [
    "No face was found in the photo. (face_not_found)",
    "It's ' over' (code fine). (an odd code)",
  ];
  assert.deepEqual(reasons, [first, second, "(api_error)"]);
  assert.deepEqual(await app.locator(".reference code").allTextContents(), [TRACE, "t"]);
  await app.getByText("Running for 3 minutes.").waitFor();
});

test("what stood in the way of several tasks is said with each of them", async (t) => {
  const { app, host } = await opened(t);
  const message = "The API had an internal error.";
  const unavailable = (id, error) => ({ id, status: "unavailable", image_urls: [], error });
  await host.tasks(
    unavailable("a", { code: "api_error", message, trace_id: TRACE }),
    unavailable("b", { code: "api_error" }),
    unavailable("c", { code: "timeout" }),
  );

  const said = `${message} (api_error)`;
  assert.deepEqual(await app.locator(".task .reason").allTextContents(), [said, said, "(timeout)"]);
});

test("what is structured counts, whatever the text says", async (t) => {
  const { app, host } = await opened(t);
  const structuredContent = { next_step: "Wait.", tasks: [task("a")], more: 1 };
  await host.result({ structuredContent, content: [{ type: "text", text: "b failed" }] });
  assert.deepEqual(await badges(app), ["Ready"]);
  assert.deepEqual(await app.locator(".about code").allTextContents(), ["a"]);
});

test("a refused lookup is told in the server's words", async (t) => {
  const { page, app, host } = await opened(t, { context: { theme: "dark" }, browser: { colorScheme: "dark" } });
  await host.call("get_headshot_task", { id: "fault-401" });
  await app.getByRole("alert").getByText("token").waitFor();
  assert.deepEqual(await badges(app), ["Temporarily unavailable"]);
  assert.equal(await app.locator(".outcome").textContent(), "");
  await shoot(page, "refused");
  await accessible(app, "refused");
});
