import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { createXapiNode, parseRole } from "../../../src/drivers/xapi/node-files.ts";
import { createXapiGate } from "../../../src/drivers/xapi/session.ts";
import { answer, answerError, startScriptedServer } from "./scripted-server.ts";
import { startSimPool } from "../../act/pool/sim-pool.ts";

describe("a session", { timeout: 30_000 }, () => {
  test("puts its reference first and never logs in again by itself", async (t) => {
    const server = await startScriptedServer((received, response) => {
      if (received.method.startsWith("session.login")) answer(response, "OpaqueRef:s1");
      else answerError(response, "SESSION_INVALID", "OpaqueRef:s1");
    });
    t.after(() => server.close());
    const gate = createXapiGate({ socketPath: server.path, secretPath: "/nonexistent", originator: "tandem" });
    const session = await gate.openPool(1_000);
    assert.ok(session.ok);
    const reply = await session.value.call("VM.start", ["OpaqueRef:vm"], 1_000);
    assert.ok(!reply.ok && reply.error.kind === "api" && reply.error.code === "SESSION_INVALID");
    assert.deepEqual(
      server.received.map((one) => [one.method, ...one.params]),
      [
        ["session.login_with_password", "root", "", "1.0", "tandem"],
        ["VM.start", "OpaqueRef:s1", "OpaqueRef:vm"],
      ],
    );
  });

  test("is not made of an answer that is no reference", async (t) => {
    const server = await startScriptedServer((_received, response) => answer(response, { Status: "Success" }));
    t.after(() => server.close());
    const gate = createXapiGate({ socketPath: server.path, secretPath: "/nonexistent", originator: "tandem" });
    const session = await gate.openLocal(1_000);
    assert.ok(!session.ok && session.error.kind === "malformed");
  });

  test("at a peer says when the pool secret cannot be read", async () => {
    const gate = createXapiGate({ socketPath: "/x", secretPath: "/nonexistent/ptoken", originator: "tandem" });
    const session = await gate.openPeerLocal("127.0.0.1", 1_000);
    assert.ok(!session.ok && session.error.kind === "transport");
    assert.match(session.error.reason, /Cannot read the pool secret/);
  });
});

describe("the ways into a simulated pool", { timeout: 60_000 }, () => {
  test("with a dead master the local login works, and the pool login ends at its deadline", async (t) => {
    const { master, supporter } = await startSimPool(t);
    await master.powerOff();
    const local = await supporter.gate.openLocal(1_000);
    assert.ok(local.ok);
    const emergency = await local.value.call("host.is_in_emergency_mode", [], 1_000);
    assert.deepEqual(emergency, { ok: true, value: false });
    const pool = await supporter.gate.openPool(150);
    assert.ok(!pool.ok && pool.error.kind === "timeout");
    const again = await supporter.gate.openLocal(1_000);
    assert.ok(again.ok);
  });

  test("a peer is reached with the pool secret, and refused with a wrong one", async (t) => {
    const { master, supporter } = await startSimPool(t);
    const peer = await master.gate.openPeerLocal(supporter.address, 3_000);
    assert.ok(peer.ok);
    await writeFile(master.secretPath, "wrong");
    const refused = await master.gate.openPeerLocal(supporter.address, 3_000);
    assert.ok(!refused.ok && refused.error.kind === "api");
    assert.equal(refused.error.code, "SESSION_AUTHENTICATION_FAILED");
  });
});

describe("the files xapi leaves on its host", () => {
  const cases: readonly (readonly [string, unknown])[] = [
    ["master", { ok: true, value: { kind: "master", changedAtMs: 1 } }],
    ["slave:10.0.0.1\n", { ok: true, value: { kind: "supporter", master: "10.0.0.1", changedAtMs: 1 } }],
    ["slave:fd00::1", { ok: true, value: { kind: "supporter", master: "fd00::1", changedAtMs: 1 } }],
    ["broken", { ok: true, value: { kind: "broken", changedAtMs: 1 } }],
  ];
  for (const [content, expected] of cases) {
    test(`read ${JSON.stringify(content)}`, () => assert.deepEqual(parseRole(content, 1), expected));
  }
  for (const content of ["", "slave:", "Master", "slave 10.0.0.1"]) {
    test(`do not guess a role from ${JSON.stringify(content)}`, () => assert.equal(parseRole(content, 1).ok, false));
  }

  test("a missing cookie is null, a missing role an error", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "tandem-xapi-"));
    t.after(() => rm(folder, { recursive: true }));
    const node = createXapiNode({ poolConf: join(folder, "pool.conf"), initComplete: join(folder, "cookie") });
    assert.deepEqual(await node.initCompleteAtMs(), { ok: true, value: null });
    assert.equal((await node.role()).ok, false);
    await writeFile(join(folder, "cookie"), "");
    const cookie = await node.initCompleteAtMs();
    assert.ok(cookie.ok && typeof cookie.value === "number");
  });

  test("a stamp is the same while the file is, and none right after a write or without a file", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "tandem-xapi-"));
    t.after(() => rm(folder, { recursive: true }));
    const poolConf = join(folder, "pool.conf");
    const node = createXapiNode({ poolConf, initComplete: join(folder, "cookie") });
    assert.equal(await node.roleStamp(), null);
    await writeFile(poolConf, "master");
    assert.equal(await node.roleStamp(), null, "another write in the same instant could look the same");
    await delay(1_050);
    const before = await node.roleStamp();
    assert.notEqual(before, null);
    assert.equal(await node.roleStamp(), before);
    // As long as the word before it.
    await writeFile(poolConf, "broken");
    await delay(1_050);
    assert.notEqual(await node.roleStamp(), before);
  });
});
