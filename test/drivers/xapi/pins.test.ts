// Certificates of the pool's hosts, learned from the pool's own database, and what happens to somebody who has another.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:https";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { systemClock } from "../../../src/drivers/clock/system.ts";
import { startPoolCache } from "../../../src/drivers/xapi/cache.ts";
import { createPins, type Pins } from "../../../src/drivers/xapi/pins.ts";
import { createXapiGate, type XapiGateOptions } from "../../../src/drivers/xapi/session.ts";
import { eventually, startSimPool, type SimHost } from "../../act/pool/sim-pool.ts";
import { ensureCertificate } from "../../xapi-sim/transport.ts";
import { hasOpenssl } from "./scripted-server.ts";

/** The daemon's own way: the event cache on the local socket feeds the pins. */
async function learned(t: TestContext, host: SimHost, addresses: readonly string[]): Promise<Pins> {
  const pins = createPins();
  const cache = startPoolCache({
    gate: host.gate,
    clock: systemClock(),
    onChange: (view) => view.kind === "known" && pins.learn(view.value),
    gapMs: 10,
  });
  t.after(() => cache.stop());
  await eventually(async () => addresses.every((address) => pins.pinOf(address) !== null));
  return pins;
}

const pinned = (host: SimHost, pins: Pins): XapiGateOptions => ({
  socketPath: "/nonexistent",
  secretPath: host.secretPath,
  originator: "tandem-test",
  peerPort: host.httpsPort,
  pinOf: pins.pinOf,
});

/** Somebody else at a host's address, who notes whatever is said to him after the handshake. */
async function impostor(t: TestContext, host: SimHost): Promise<{ said: () => number }> {
  const folder = await mkdtemp(join(tmpdir(), "tandem-impostor-"));
  const pem = ensureCertificate(join(folder, "other.pem"), host.address);
  const server = createServer({ key: pem, cert: pem }, (_request, response) => response.end("{}"));
  let said = 0;
  server.on("secureConnection", (socket: Socket) => socket.on("data", (chunk: Buffer) => (said += chunk.byteLength)));
  await new Promise<void>((resolve) => server.listen(host.httpsPort, host.address, resolve));
  t.after(async () => {
    server.close();
    await rm(folder, { recursive: true, force: true });
  });
  return { said: () => said };
}

describe("the certificates of the pool's hosts", { timeout: 60_000, skip: hasOpenssl.skip }, () => {
  test("are read from the pool's database, and a host that serves with its own is spoken to", async (t) => {
    const { master, supporter } = await startSimPool(t);
    const pins = await learned(t, master, [master.address, supporter.address]);
    assert.match(pins.pinOf(supporter.address) ?? "", /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
    assert.notEqual(pins.pinOf(supporter.address), pins.pinOf(master.address));
    const session = await createXapiGate(pinned(master, pins)).openPeerLocal(supporter.address, 3_000);
    assert.ok(session.ok);
    assert.deepEqual(await session.value.call("host.local_assert_healthy", [], 3_000), { ok: true, value: "" });
  });

  test("somebody else at a host's address gets not one byte, the pool secret least of all, and the error says who", async (t) => {
    const { master, supporter } = await startSimPool(t);
    const pins = await learned(t, master, [supporter.address]);
    await supporter.powerOff();
    const other = await impostor(t, supporter);
    const gate = createXapiGate(pinned(master, pins));
    const answer = await gate.openPeerLocal(supporter.address, 3_000);
    assert.ok(!answer.ok && answer.error.kind === "transport");
    assert.match(answer.error.reason, /^Cannot trust \S+: found certificate [0-9A-F:]{95}, expected [0-9A-F:]{95}\./);
    assert.match(answer.error.reason, /somebody else answers at its address/);
    assert.doesNotMatch(answer.error.reason, /the-pool-secret/);
    assert.equal(other.said(), 0);
  });

  test("an address the database knows no certificate of is not connected to at all", async (t) => {
    const { master, supporter } = await startSimPool(t);
    const gate = createXapiGate(pinned(master, createPins()));
    const answer = await gate.openPeerLocal(supporter.address, 3_000);
    assert.ok(!answer.ok && answer.error.kind === "transport");
    assert.match(answer.error.reason, /found no certificate of it in the pool database.*xe-toolstack-restart/);
  });

  test("a host that serves with a new certificate after its start is known by the new one", async (t) => {
    const { master, supporter } = await startSimPool(t);
    const pins = await learned(t, master, [supporter.address]);
    const before = pins.pinOf(supporter.address);
    const db = master.xapi.current?.db;
    assert.ok(db !== undefined);
    const host = db.byUuid("host", supporter.uuid) ?? "";
    const [ref = ""] = db.pointingAt("Certificate", "host", host);
    db.set("Certificate", ref, { fingerprint: "AA:BB" });
    await eventually(async () => pins.pinOf(supporter.address) === "AA:BB");
    assert.notEqual(before, "AA:BB");
  });
});
