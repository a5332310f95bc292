// The exporter's doors: the unix socket, HTTP with a login over TLS, and what is refused.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request as plainRequest, type IncomingMessage, type RequestOptions, type Server } from "node:http";
import { request as tlsRequest } from "node:https";
import { connect, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { createPage } from "../../src/metrics/run.ts";
import { servePage, type PageOptions } from "../../src/metrics/server.ts";
import { startDouble } from "../cli/daemon-double.ts";
import { healthyStatus } from "../drivers/control/status-sample.ts";
import { counters } from "./sample.ts";

const page = (): Promise<string> => Promise.resolve("tandem_up 1\n");

async function serve(context: TestContext, options: Partial<PageOptions>, path?: string): Promise<Server> {
  const where = path === undefined ? { host: "127.0.0.1", port: 0 } : { path };
  const server = await servePage({ page, login: null, tls: null, ...options }, where);
  assert.ok(server.ok, server.ok ? "" : server.error);
  context.after(() => {
    server.value.close();
    server.value.closeAllConnections();
  });
  return server.value;
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

function get(
  request: typeof plainRequest | typeof tlsRequest,
  options: RequestOptions & { readonly rejectUnauthorized?: boolean },
): Promise<{ readonly code: number; readonly text: string; readonly type: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", path: "/metrics", ...options }, (response: IncomingMessage) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("end", () =>
        resolve({ code: response.statusCode ?? 0, text, type: response.headers["content-type"] ?? "" }),
      );
    });
    asked.on("error", reject);
    asked.end();
  });
}

test("over the unix socket the daemon's numbers come, and without a daemon that it is down", async (context) => {
  const daemon = await startDouble();
  daemon.script.metrics = [{ kind: "metrics", status: healthyStatus, counters }];
  const folder = mkdtempSync(join(tmpdir(), "tandem-metrics-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "metrics.sock");
  await serve(context, { page: createPage(daemon.path).read }, path);
  const found = await Promise.all([1, 2, 3].map(() => get(plainRequest, { socketPath: path })));
  for (const { code, text, type } of found) {
    assert.equal(code, 200);
    assert.match(type, /^text\/plain; version=0\.0\.4/);
    assert.match(text, /^tandem_up 1$/m);
    assert.match(text, /^tandem_epoch 7$/m);
  }
  assert.ok(daemon.requests.length < 3, "scrapes that come together share one question");
  await daemon.stop();
  assert.match((await get(plainRequest, { socketPath: path })).text, /^tandem_up 0$/m);
});

test("an exporter that nobody reads is told so, one that is read is not", async () => {
  const page = createPage("/nonexistent/tandemd.sock");
  let idle = false;
  page.onIdle(300, () => (idle = true));
  for (let i = 0; i < 4; i++) {
    await delay(100);
    await page.read();
  }
  assert.equal(idle, false);
  await delay(500);
  assert.equal(idle, true);
});

test("only /metrics, and only to read", async (context) => {
  const port = portOf(await serve(context, {}));
  assert.equal((await get(plainRequest, { port, path: "/" })).code, 404);
  assert.equal((await get(plainRequest, { port, method: "POST" })).code, 405);
  assert.equal((await get(plainRequest, { port, method: "HEAD" })).text, "");
  assert.equal((await get(plainRequest, { port, path: "/metrics?x=1" })).text, "tandem_up 1\n");
});

test("with a login nothing is told without it, over TLS", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "tandem-metrics-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const subject = ["-subj", "/CN=tandem", "-days", "2"];
  execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, ...subject], {
    stdio: "ignore",
  });
  const login = { user: "prometheus", password: "correct horse" };
  const tls = { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
  const port = portOf(await serve(context, { login, tls }));
  const ask = (auth?: string) =>
    get(tlsRequest, { port, rejectUnauthorized: false, ...(auth === undefined ? {} : { auth }) });
  for (const wrong of [undefined, "prometheus:wrong horse", "root:correct horse", ":"]) {
    const { code, text } = await ask(wrong);
    assert.equal(code, 401);
    assert.doesNotMatch(text, /tandem_/);
  }
  assert.deepEqual((await ask("prometheus:correct horse")).code, 200);
});

test("a certificate that is none, and a place that is taken, are sentences", async (context) => {
  const bad = await servePage({ page, login: null, tls: { cert: "x", key: "y" } }, { host: "127.0.0.1", port: 0 });
  assert.ok(!bad.ok && bad.error.startsWith("Cannot use the certificate and key of tls"));
  const port = portOf(await serve(context, {}));
  const taken = await servePage({ page, login: null, tls: null }, { host: "127.0.0.1", port });
  assert.ok(!taken.ok && taken.error.includes(`Cannot listen on 127.0.0.1 port ${port}`));
});

test("who connects and says nothing, or noise, or comes with many, keeps nobody else from reading", async (context) => {
  const port = portOf(await serve(context, {}));
  const idle = Array.from({ length: 12 }, () => connect(port, "127.0.0.1").on("error", () => undefined));
  context.after(() => idle.forEach((socket) => socket.destroy()));
  const noise = connect(port, "127.0.0.1").on("error", () => undefined);
  noise.end(Buffer.alloc(100_000, 7));
  await delay(100);
  assert.equal((await get(plainRequest, { port })).code, 200);
});
