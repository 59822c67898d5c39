// Pictures: shown, enlarged, saved, chosen, and got in another way where the host shows none.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  accessible,
  badges,
  EVERYTHING,
  FOREIGN,
  loaded,
  opened,
  PICTURES,
  PROCESSING,
  portraits,
  shoot,
  TALL,
  TRACE,
  task,
} from "./setup.js";

const RED = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC";
// The large picture is there, and the host has given the page the room that it takes.
const enlarged = (app) => app.waitForFunction(() => document.getElementById("viewer").offsetHeight >= 500);
const resource = (id, number) => `headshots://tasks/${id}/pictures/${number}`;

async function viewing(t, settings = {}) {
  const started = await opened(t, { context: { theme: "light" }, capabilities: EVERYTHING, ...settings });
  const { app, host } = started;
  await host.call("get_headshot_task", { id: "sandbox-gallery" });
  await loaded(app, 4);
  await app.locator(".picture").nth(2).click();
  await enlarged(app);
  return { ...started, press: (name) => app.getByRole("button", { name, exact: true }).click() };
}

const CHOICE = `The user chose picture 3 of 4 of task sandbox-gallery, link ${PICTURES}/headshots/gallery-3.png`;

test("four pictures load, three wide to four high, beside the status in words and the template", async (t) => {
  const { page, app, host } = await opened(t, { context: { theme: "light" } });
  await host.call("get_headshot_task", { id: "sandbox-gallery" });
  await loaded(app, 4);
  const shape = await app
    .locator(".picture")
    .first()
    .evaluate((element) => element.offsetWidth / element.offsetHeight);

  assert.deepEqual(await badges(app), ["Ready"]);
  assert.equal(await app.locator("h2").textContent(), "Female portrait");
  assert.ok(Math.abs(shape - 0.75) < 0.02, String(shape));
  assert.equal(await app.locator("#refresh").isVisible(), false);
  await shoot(page, "gallery-light");
  await accessible(app, "light");
});

test("a foreign host is blocked, a broken picture caught, and both are labelled with their link", async (t) => {
  const { page, app, host } = await opened(t, { context: { theme: "light" } });
  const answers = [];
  page.on("response", (response) => answers.push(response.url()));
  const foreign = `${FOREIGN}/headshots/spy.png`;
  const broken = `${PICTURES}/headshots/none.jpg`;
  await host.tasks(task("t", { image_urls: [foreign, broken, `${PICTURES}/headshots/a.png`] }));
  await loaded(app, 1);
  await app.locator(".missing p").nth(1).waitFor();

  assert.deepEqual(await app.locator(".missing p").allInnerTexts(), [
    `This app can't show pictures from this site: ${foreign}`,
    `This picture could not be loaded: ${broken}`,
  ]);
  assert.ok(!answers.some((url) => url.startsWith(FOREIGN)), String(answers));
  assert.deepEqual(await host.said("resources/read"), []);
  await shoot(page, "placeholders");
  await accessible(app, "placeholders");
  await app.getByRole("link").first().click();
  await host.settled();
  assert.deepEqual(await host.said("ui/open-link"), [{ url: foreign }]);
});

test("a picture that is blocked or broken is asked for once through the host, and shown from its bytes", async (t) => {
  const links = [
    `${FOREIGN}/headshots/spy.png`,
    "no link",
    `${PICTURES}/headshots/none.jpg`,
    `${PICTURES}/headshots/a.png`,
  ];
  const picture = { mimeType: "image/png", blob: RED };
  const resources = { [resource("a%20b%2Fc", 1)]: picture, [resource("a%20b%2Fc", 3)]: picture };
  const { page, app, host } = await opened(t, { capabilities: EVERYTHING, resources });
  await host.tasks(task("a b/c", { image_urls: links }));
  await loaded(app, 3);
  const sources = await app.locator(".grid img").evaluateAll((images) => images.map(({ src }) => src));
  await app.locator(".picture").first().click();
  await enlarged(app);

  assert.deepEqual(sources, [`data:image/png;base64,${RED}`, `data:image/png;base64,${RED}`, links[3]]);
  assert.equal(await app.locator("#large").getAttribute("src"), sources[0]);
  await app.getByRole("button", { name: "Save" }).click();
  await host.hears("ui/download-file");
  assert.deepEqual(
    await host.said("resources/read"),
    Object.keys(resources).map((uri) => ({ uri })),
  );
  await shoot(page, "through-the-host");
});

test("a host that shows no pictures of other sites shows those that the server reads for it", async (t) => {
  const { app, host } = await opened(t, { capabilities: EVERYTHING, resources: null, pictures: false });
  await host.call("get_headshot_task", { id: "sandbox-gallery" });
  await loaded(app, 4);
  const sources = await app.locator(".grid img").evaluateAll((images) => images.map(({ src }) => src.slice(0, 26)));
  assert.deepEqual(sources, Array(4).fill("data:image/png;base64,iVBO"));

  await app.locator(".picture").first().click();
  await enlarged(app);
  await app.getByRole("button", { name: "Save" }).click();
  await app.getByText("Saved", { exact: true }).waitFor();
  const [{ contents }] = await host.said("ui/download-file");
  const { uri, mimeType } = contents[0].resource;
  assert.deepEqual({ uri, mimeType }, { uri: "file:///sandbox-gallery-1.png", mimeType: "image/png" });
});

for (const [name, answer] of [
  ["an error", undefined],
  ["no picture", { mimeType: "text/html", blob: RED }],
  ["a picture of a type that can hold scripts", { mimeType: "image/svg+xml", blob: RED }],
  ["text", { mimeType: "image/png", text: "x" }],
  ["bytes that are no picture", { mimeType: "image/png", blob: "aGVsbG8=" }],
]) {
  test(`where the host has ${name} for a picture, the placeholder is shown`, async (t) => {
    const resources = answer ? { [resource("t", 1)]: answer } : {};
    const { app, host } = await opened(t, { capabilities: EVERYTHING, resources });
    await host.tasks(task("t", { image_urls: [`${PICTURES}/headshots/none.jpg`] }));
    await app.locator(".missing p").waitFor();

    assert.equal((await host.said("resources/read")).length, 1);
    assert.match(await app.locator(".missing").textContent(), /could not be loaded/);
  });
}

test("many blocked pictures are asked for a few at a time", async (t) => {
  const { page, app, host } = await opened(t, { capabilities: EVERYTHING });
  await page.evaluate(() => {
    window.busy = window.most = 0;
    window.host.bridge.onreadresource = async () => {
      window.most = Math.max(window.most, ++window.busy);
      await new Promise((resolve) => setTimeout(resolve, 5));
      window.busy -= 1;
      throw new Error("no");
    };
  });
  const links = Array.from({ length: 30 }, (_, n) => `${FOREIGN}/headshots/${n}.png`);
  await host.tasks(task("t", { image_urls: links }));
  await app.locator(".missing p").nth(29).waitFor();

  assert.ok((await page.evaluate(() => window.most)) <= 3);
});

test("a picture opens large and is left by keyboard alone", async (t) => {
  const { page, app, host } = await opened(t, {
    context: { theme: "light" },
    browser: { permissions: ["clipboard-read"] },
  });
  await host.call("get_headshot_task", { id: "sandbox-gallery" });
  await loaded(app, 4);
  const place = () => app.locator("#place").textContent();
  await page.keyboard.press("Tab");
  await app.waitForFunction(() => document.activeElement.className === "picture");
  await page.keyboard.press("Enter");
  await enlarged(app);

  assert.equal(await place(), "1 / 4");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  assert.equal(await place(), "3 / 4");
  await page.keyboard.press("ArrowLeft");
  assert.match(await app.locator("#large").getAttribute("src"), /gallery-2\.png$/);
  await app.waitForFunction(() => document.getElementById("large").naturalWidth > 0);
  await shoot(page, "large");
  await accessible(app, "large");
  await app.getByRole("button", { name: "Open original" }).press("Enter");
  await app.getByRole("button", { name: "Copy link" }).press("Enter");
  await app.getByText("Copied").waitFor();
  await host.settled();
  const link = `${PICTURES}/headshots/gallery-2.png`;
  assert.deepEqual(await host.said("ui/open-link"), [{ url: link }]);
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), link);
  await page.keyboard.press("Escape");
  await host.settled();
  assert.equal(await app.locator("#viewer").isVisible(), false);
  await app.waitForFunction(() => document.querySelectorAll(".picture")[1] === document.activeElement);
  await app.locator(".picture").first().press("Enter");
  await enlarged(app);
  await page.keyboard.press("ArrowLeft");
  assert.equal(await place(), "4 / 4");
});

test("a swipe turns to the next picture", async (t) => {
  const { app } = await viewing(t, { browser: { hasTouch: true } });
  const swipe = (from, to) =>
    app.locator("#viewer").evaluate(
      (viewer, [x0, x1]) => {
        const touch = (clientX) => [new Touch({ identifier: 1, target: viewer, clientX })];
        viewer.dispatchEvent(new TouchEvent("touchstart", { touches: touch(x0), changedTouches: touch(x0) }));
        viewer.dispatchEvent(new TouchEvent("touchend", { changedTouches: touch(x1) }));
      },
      [from, to],
    );
  await swipe(300, 100);
  assert.equal(await app.locator("#place").textContent(), "4 / 4");
  await swipe(100, 300);
  await swipe(100, 110);
  assert.equal(await app.locator("#place").textContent(), "3 / 4");
});

test("the large picture lies over the part of a long page that is in sight", async (t) => {
  const { page, app, host } = await opened(t, { width: 300 });
  const tasks = Array.from({ length: 12 }, (_, n) =>
    task(`task-${n}`, { image_urls: [`${PICTURES}/headshots/${n}.png`] }),
  );
  await host.tasks(...tasks);
  await page.waitForFunction(() => document.body.scrollHeight > 2000);
  await app.locator(".picture").nth(8).click();
  await enlarged(app);
  await app.waitForFunction(() => document.getElementById("large").naturalWidth > 0);
  const { y, height } = await app.locator("#large").boundingBox();

  assert.ok(y >= 0 && y + height <= TALL && height > 300, `${y}, ${height}`);
  await shoot(page, "large-in-a-long-page");
});

test("a link is copied where the host grants no clipboard, too", async (t) => {
  const { page, app, host } = await opened(t, { clipboard: false, browser: { permissions: ["clipboard-read"] } });
  await host.call("get_headshot_task", { id: "sandbox-failed" });
  await app.getByRole("button", { name: "Copy" }).click();
  await app.getByRole("button", { name: "Copied" }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), TRACE);
});

test("a picture is saved through the host, with its bytes where the host can read them", async (t) => {
  const resources = { [resource("sandbox-gallery", 3)]: { mimeType: "image/jpeg", blob: RED } };
  const { app, host, press } = await viewing(t, { resources });
  await press("Save");
  await app.getByText("Saved", { exact: true }).waitFor();
  await press("Save");
  await host.hears("ui/download-file", 2);

  const uri = "file:///sandbox-gallery-3.jpg";
  const contents = [{ type: "resource", resource: { uri, mimeType: "image/jpeg", blob: RED } }];
  assert.deepEqual(await host.said("ui/download-file"), [{ contents }, { contents }]);
  assert.equal((await host.said("resources/read")).length, 1);
});

for (const [name, settings] of [
  ["reads no resources", { capabilities: { downloadFile: {} } }],
  ["cannot read that one", {}],
]) {
  test(`a picture is saved by its link where the host ${name}`, async (t) => {
    const { app, host, press } = await viewing(t, settings);
    await press("Save");
    await app.getByText("Saved", { exact: true }).waitFor();

    const [uri] = portraits(4).slice(2);
    const contents = [{ type: "resource_link", uri, name: "sandbox-gallery-3" }];
    assert.deepEqual(await host.said("ui/download-file"), [{ contents }]);
  });
}

test("a picture that the user does not want saved after all is not said to be", async (t) => {
  const { page, app, press } = await viewing(t);
  await page.evaluate(() => {
    window.host.bridge.ondownloadfile = async () => ({ isError: true });
  });
  await press("Save");
  await app.getByText("Not saved", { exact: true }).waitFor();
});

test("the choice of a picture becomes part of the model's context, and the page shows it", async (t) => {
  const { page, app, host, press } = await viewing(t);
  await press("Use this one");
  await app.getByText("Your assistant will see your choice with your next message.").waitFor();

  assert.deepEqual(await host.said("ui/update-model-context"), [{ content: [{ type: "text", text: CHOICE }] }]);
  assert.deepEqual(await host.said("ui/message"), []);
  assert.equal(await app.locator("#use").getAttribute("aria-pressed"), "true");
  await shoot(page, "chosen-large");
  await accessible(app, "chosen, large");
  await page.keyboard.press("ArrowRight");
  assert.equal(await app.locator("#use").textContent(), "Use this one");
  await press("Use this one");
  await host.hears("ui/update-model-context", 2);
  const [, { content }] = await host.said("ui/update-model-context");
  assert.equal(content[0].text, CHOICE.replace("picture 3", "picture 4").replace("gallery-3", "gallery-4"));
  await press("Close");
  await app.waitForFunction(() => document.querySelector(".picture:nth-child(4)").classList.contains("chosen"));
  assert.equal(await app.locator(".picture.chosen").count(), 1);
  await shoot(page, "chosen");
});

test("a picture stays open where its task is drawn anew, and what is done with it is seen on the page", async (t) => {
  const { page, app, host } = await opened(t, { capabilities: EVERYTHING });
  const known = (status, count) => host.tasks({ id: "t", status, image_urls: portraits(count) });
  await known("processing", 3);
  await loaded(app, 3);
  await app.locator(".picture").nth(1).click();
  await enlarged(app);
  await known("succeeded", 4);
  assert.equal(await app.locator("#place").textContent(), "2 / 4");
  await app.getByRole("button", { name: "Use this one" }).click();
  await host.hears("ui/update-model-context");
  await page.keyboard.press("Escape");

  await app.waitForFunction(() => document.activeElement.matches(".picture.chosen:nth-child(2)"));
});

for (const [name, capabilities] of [
  ["offers nothing else", { message: {} }],
  ["takes no text for the context", { message: { text: {} }, updateModelContext: { image: {} } }],
]) {
  test(`the choice of a picture is said in the chat where the host ${name}`, async (t) => {
    const { app, host, press } = await viewing(t, { capabilities });
    await press("Use this one");
    await app.locator("#told").getByText("Chosen").waitFor();

    assert.deepEqual(await host.said("ui/message"), [{ role: "user", content: [{ type: "text", text: CHOICE }] }]);
    assert.deepEqual(await host.said("ui/update-model-context"), []);
  });
}

test("a choice that the host refuses is not shown as made", async (t) => {
  const { page, app, press } = await viewing(t);
  await page.evaluate(() => {
    window.host.bridge.onupdatemodelcontext = async () => {
      throw new Error("not now");
    };
  });
  await press("Use this one");
  await app.getByText("Your app blocked this action: not now").waitFor();

  assert.equal(await app.locator("#use").textContent(), "Use this one");
  assert.equal(await app.locator(".picture.chosen").count(), 0);
});

test("a host that offers nothing is asked for nothing", async (t) => {
  const { app } = await viewing(t, { capabilities: {} });
  const offered = await app.locator("#viewer button:visible").allTextContents();

  assert.deepEqual(offered, ["×", "‹", "›", "Copy link"]);
});

test("what the page finds when it looks again is told to the model, together with the choice", async (t) => {
  const { app, host } = await opened(t, { capabilities: EVERYTHING });
  await host.call("get_headshot_tasks", { ids: ["sandbox-gallery", PROCESSING, "sandbox-failed"] });
  await host.tasks(task("sandbox-gallery", { image_urls: portraits(4), template: "female_portrait" }), {
    id: "sandbox-failed",
    status: "processing",
    image_urls: [],
    template: "wedding",
  });
  await loaded(app, 4);
  await app.getByRole("button", { name: "Refresh" }).click();
  await host.hears("ui/update-model-context");
  const lines = [
    "The gallery has since refreshed these tasks:",
    "sandbox-failed failed (wedding): “No face was found in the photo.”",
  ];
  assert.equal((await host.said("ui/update-model-context"))[0].content[0].text, lines.join("\n"));

  await app.locator(".picture").nth(2).click();
  await app.getByRole("button", { name: "Use this one" }).click();
  await host.hears("ui/update-model-context", 2);
  const last = (await host.said("ui/update-model-context")).at(-1);
  assert.equal(last.content[0].text, [...lines, CHOICE].join("\n"));
});

test("what the model is told of a task holds foreign words in quotes that nothing in them ends", async (t) => {
  const { app, host } = await opened(t, { capabilities: EVERYTHING });
  await host.call("get_headshot_task", { id: "hostile" });
  await host.tasks({ id: "hostile", status: "processing", image_urls: [] });
  await app.getByRole("button", { name: "Refresh" }).click();
  await host.hears("ui/update-model-context");
  const said = (await host.said("ui/update-model-context"))[0].content[0].text;

  assert.match(said, /hostile failed \(“<b>'><img [^"“”]+”\): “'><img [^"“”]+”$/m);
});

test("a host that has no context for the model is told of nothing", async (t) => {
  const { app, host } = await opened(t, { capabilities: { serverTools: {}, message: {} } });
  await host.tasks({ id: "sandbox-failed", status: "processing", image_urls: [] });
  await app.getByRole("button", { name: "Refresh" }).click();
  await app.getByText("Failed", { exact: true }).waitFor();
  await host.settled();

  assert.deepEqual(await host.said("ui/update-model-context"), []);
  assert.deepEqual(await host.said("ui/message"), []);
});
