import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer as createTlsServer } from "node:https";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { promisify } from "node:util";
import { createXapiClient } from "../../../src/drivers/xapi/client.ts";
import { pinRefusal } from "../../../src/drivers/xapi/connect.ts";
import type { XapiValue } from "../../../src/drivers/xapi/port.ts";
import {
  answer,
  answerError,
  hasOpenssl,
  listener,
  startScriptedServer,
  type Received,
  type Script,
} from "./scripted-server.ts";

async function connect(t: TestContext, script: Script, options = {}) {
  const server = await startScriptedServer(script);
  t.after(() => server.close());
  return { server, client: createXapiClient({ kind: "unix", path: server.path }, options) };
}

/** Waits until the server sees no connection of ours; a leak ends in the test's own time limit. */
async function untilFree(server: { connections(): Promise<number> }): Promise<void> {
  while ((await server.connections()) > 0) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("a call to xapi", { timeout: 20_000 }, () => {
  test("sends one POST with a content length, positional parameters and no keep-alive", async (t) => {
    const { server, client } = await connect(t, (_received, response) => answer(response, ["a"]));
    assert.deepEqual(await client.call("VM.get_all", ["OpaqueRef:s", 1, true], 1_000), { ok: true, value: ["a"] });
    assert.equal(server.received.length, 1);
    const [one] = server.received;
    assert.deepEqual(one?.params, ["OpaqueRef:s", 1, true]);
    assert.equal(one.headers["transfer-encoding"], undefined);
    assert.ok(Number(one.headers["content-length"]) > 0);
    assert.equal(one.headers.connection, "close");
  });

  test("gives an error of xapi with its code", async (t) => {
    const { client } = await connect(t, (_received, response) => answerError(response, "HOST_IS_SLAVE", "10.0.0.1"));
    assert.deepEqual(await client.call("pool.get_all", [], 1_000), {
      ok: false,
      error: { kind: "api", call: "pool.get_all", code: "HOST_IS_SLAVE", params: ["10.0.0.1"] },
    });
  });

  test("that hangs ends at its deadline and frees its connection", async (t) => {
    const { server, client } = await connect(t, () => undefined);
    const reply = await client.call("pool.get_all", [], 60);
    assert.deepEqual(reply, { ok: false, error: { kind: "timeout", call: "pool.get_all", afterMs: 60 } });
    assert.equal(client.inFlight(), 0);
    await untilFree(server);
  });

  test("whose answer drips for ever ends at its deadline all the same", async (t) => {
    const { server, client } = await connect(t, (_received, response) => {
      response.writeHead(200);
      const drip = setInterval(() => response.write(" "), 5);
      response.on("close", () => clearInterval(drip));
    });
    const reply = await client.call("pool.get_all", [], 80);
    assert.ok(!reply.ok && reply.error.kind === "timeout");
    await untilFree(server);
  });

  test("whose connection is reset in the middle of the body is a transport error, sent once", async (t) => {
    const { server, client } = await connect(t, (_received, response, request) => {
      response.writeHead(200, { "content-length": 1000 });
      response.write('{"jsonrpc":"2.0","result":"Opaq', () => request.socket.destroy());
    });
    const reply = await client.call("VM.start", [], 2_000);
    assert.ok(!reply.ok);
    assert.equal(reply.error.kind, "transport");
    assert.equal(server.received.length, 1);
  });

  test("that is closed without an answer is a transport error, sent once", async (t) => {
    const { server, client } = await connect(t, (_received, _response, request) => request.socket.destroy());
    const reply = await client.call("VM.start", [], 2_000);
    assert.ok(!reply.ok && reply.error.kind === "transport");
    assert.equal(server.received.length, 1);
  });

  test("to a socket that is not there is a transport error at once", async () => {
    const client = createXapiClient({ kind: "unix", path: "/nonexistent/xapi" });
    const reply = await client.call("pool.get_all", [], 2_000);
    assert.ok(!reply.ok && reply.error.kind === "transport");
    assert.match(reply.error.reason, /ENOENT/);
  });

  test("that meets an HTML page with status 500 is malformed, with the page's text", async (t) => {
    const { client } = await connect(t, (_received, response) => {
      response.writeHead(500, { "content-type": "text/html", connection: "close" });
      response.end("<html><body><h1>HTTP 500 internal server error</h1></body></html>");
    });
    const reply = await client.call("x", [], 1_000);
    assert.ok(!reply.ok && reply.error.kind === "malformed");
    assert.match(reply.error.sample, /^HTTP 500: HTTP 500 internal/);
  });

  test("that meets something that does not speak HTTP is a transport error", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "tandem-xapi-"));
    const server = net.createServer((socket) => {
      socket.on("error", () => socket.destroy());
      socket.end("SSH-2.0-OpenSSH_9.2\r\n");
    });
    const path = join(folder, "sock");
    await new Promise<void>((resolve) => server.listen(path, resolve));
    t.after(async () => {
      server.close();
      await rm(folder, { recursive: true });
    });
    const reply = await createXapiClient({ kind: "unix", path }).call("x", [], 1_000);
    assert.ok(!reply.ok && reply.error.kind === "transport");
  });

  test("reads an answer of several megabytes", async (t) => {
    const big = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`OpaqueRef:${i}`, "x".repeat(1_000)]));
    const { client } = await connect(t, (_received, response) => answer(response, big));
    const reply = await client.call("VM.get_all_records", [], 10_000);
    assert.ok(reply.ok);
    assert.deepEqual(reply.value, big);
  });

  test("gives up an answer beyond its limit instead of filling the memory", async (t) => {
    const { server, client } = await connect(
      t,
      (_received, response) => {
        response.writeHead(200);
        const pour = (): void =>
          void (response.destroyed || response.write("x".repeat(65_536), () => setImmediate(pour)));
        pour();
      },
      { maxReplyBytes: 1_000_000 },
    );
    const reply = await client.call("x", [], 10_000);
    assert.ok(!reply.ok && reply.error.kind === "transport");
    assert.match(reply.error.reason, /longer than 1000000 bytes/);
    await untilFree(server);
  });

  test("is refused before sending when xapi would refuse its size", async (t) => {
    const { server, client } = await connect(t, (_received, response) => answer(response, ""));
    const reply = await client.call("message.create", ["x".repeat(310 * 1024)], 1_000);
    assert.ok(!reply.ok && reply.error.kind === "transport");
    assert.equal(server.received.length, 0);
  });

  test("is given up at once when its caller aborts", async (t) => {
    const { server, client } = await connect(t, () => undefined);
    const abort = new AbortController();
    const calling = client.call("event.from", [], 60_000, abort.signal);
    while (server.received.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    abort.abort();
    assert.deepEqual(await calling, {
      ok: false,
      error: { kind: "transport", call: "event.from", reason: "given up" },
    });
    await untilFree(server);
  });

  test("beyond the number of connections waits for a place, inside its own deadline", async (t) => {
    const held: (() => void)[] = [];
    const { server, client } = await connect(t, (_received, response) => held.push(() => answer(response, "done")), {
      maxSockets: 2,
    });
    const first = [client.call("a", [], 10_000), client.call("b", [], 10_000)];
    const late = await client.call("c", [], 50);
    assert.ok(!late.ok && late.error.kind === "timeout");
    assert.deepEqual(server.received.map((one) => one.method).toSorted(), ["a", "b"]);
    const patient = client.call("d", [], 10_000);
    held.shift()?.();
    while (server.received.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    for (const release of held.splice(0)) release();
    for (const reply of [...(await Promise.all(first)), await patient])
      assert.deepEqual(reply, { ok: true, value: "done" });
    assert.equal(client.inFlight(), 0);
  });
});

describe("a call to a peer over HTTPS", { timeout: 20_000 }, () => {
  async function startPeer(t: TestContext) {
    const folder = await mkdtemp(join(tmpdir(), "tandem-xapi-"));
    const [key, cert] = [join(folder, "key"), join(folder, "cert")];
    const subject = ["-subj", "/CN=xcp1", "-days", "2", "-keyout", key, "-out", cert];
    await promisify(execFile)("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", ...subject]);
    const certificate = await readFile(cert);
    const received: Received[] = [];
    let bytes = 0;
    const server = createTlsServer(
      { key: await readFile(key), cert: certificate },
      listener((_one, response) => answer(response, "yes"), received),
    );
    server.on("secureConnection", (socket) => {
      socket.on("data", (chunk) => (bytes += chunk.length));
      socket.on("error", () => socket.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(async () => {
      server.closeAllConnections();
      server.close();
      await rm(folder, { recursive: true });
    });
    const address = server.address();
    assert.ok(address !== null && typeof address === "object");
    return { port: address.port, received, bytes: () => bytes, pin: new X509Certificate(certificate).fingerprint256 };
  }
  const params: readonly XapiValue[] = ["the pool secret"];

  test("reaches the host whose certificate is pinned", hasOpenssl, async (t) => {
    const { port, pin } = await startPeer(t);
    const fingerprint = pin.replaceAll(":", "").toLowerCase();
    const client = createXapiClient({ kind: "https", host: "127.0.0.1", port, fingerprint });
    assert.deepEqual(await client.call("x", params, 5_000), { ok: true, value: "yes" });
  });

  test("sends nothing at all to a host with another certificate", hasOpenssl, async (t) => {
    const { port, received, bytes } = await startPeer(t);
    const client = createXapiClient({ kind: "https", host: "127.0.0.1", port, fingerprint: "AB:CD" });
    const reply = await client.call("x", params, 5_000);
    assert.ok(!reply.ok && reply.error.kind === "transport");
    assert.match(reply.error.reason, /^Cannot trust 127\.0\.0\.1: found certificate .*, expected AB:CD/);
    assert.deepEqual([received.length, bytes()], [0, 0]);
  });

  test("without a pin works and says whose certificate it accepted", hasOpenssl, async (t) => {
    const { port, pin } = await startPeer(t);
    const seen: string[][] = [];
    const client = createXapiClient(
      { kind: "https", host: "127.0.0.1", port, fingerprint: null },
      { onUnpinned: (host, found) => seen.push([host, found]) },
    );
    assert.deepEqual(await client.call("x", params, 5_000), { ok: true, value: "yes" });
    assert.deepEqual(seen, [["127.0.0.1", pin]]);
  });

  test("ends at its deadline when the peer accepts but never shakes hands", async (t) => {
    const open = new Set<net.Socket>();
    const server = net.createServer((socket) => {
      open.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => open.delete(socket));
      socket.resume();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => server.close());
    const address = server.address();
    assert.ok(address !== null && typeof address === "object");
    const client = createXapiClient({ kind: "https", host: "127.0.0.1", port: address.port, fingerprint: null });
    const reply = await client.call("x", params, 80);
    assert.ok(!reply.ok && reply.error.kind === "timeout");
    while (open.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  test("a certificate is compared without regard to colons and case", () => {
    assert.equal(pinRefusal("h", "ab:cd", "ABCD"), null);
    assert.match(pinRefusal("h", null, undefined) ?? "", /found no certificate/);
  });
});
