// Starts the two origins (the host's, and the app's with its CSP as a header) and a browser that knows only loopback.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { chromium } from "playwright-core";

const here = import.meta.dirname;

function policy({ resourceDomains = [] }) {
  const from = resourceDomains.join(" ");
  return [
    "default-src 'none'",
    `script-src 'self' 'unsafe-inline' ${from}`,
    `style-src 'self' 'unsafe-inline' ${from}`,
    `img-src 'self' data: ${from}`,
    `font-src 'self' ${from}`,
    `media-src 'self' data: ${from}`,
    "connect-src 'none'",
    "frame-src 'none'",
    "object-src 'none'",
    "base-uri 'self'",
  ].join("; ");
}

async function listen(answer) {
  const server = createServer(answer);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

export async function startOrigins() {
  const bundle = await build({ entryPoints: [join(here, "host.js")], bundle: true, write: false, format: "iife" });
  const html = await readFile(join(here, "host.html"));
  let app;
  const apps = await listen((_request, response) =>
    response
      .writeHead(200, { "content-type": "text/html; charset=utf-8", "content-security-policy": policy(app.csp) })
      .end(app.html),
  );
  const hosts = await listen(async (request, response) => {
    if (request.method === "POST") {
      app = JSON.parse(await bodyOf(request));
      response.end(`http://127.0.0.1:${apps.address().port}/`);
    } else if (request.url === "/host.js") {
      response.writeHead(200, { "content-type": "text/javascript" }).end(bundle.outputFiles[0].text);
    } else {
      response.writeHead(200, { "content-type": "text/html" }).end(html);
    }
  });
  return {
    host: `http://localhost:${hosts.address().port}`,
    stop() {
      for (const server of [apps, hosts]) {
        server.closeAllConnections();
        server.close();
      }
    },
  };
}

export async function startBrowser(executablePath) {
  const profile = await mkdtemp(join(tmpdir(), "gallery-"));
  const browser = await chromium.launch({
    executablePath,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
    ],
    env: { ...process.env, HOME: profile },
  });
  return {
    browser,
    async stop() {
      await browser.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}
