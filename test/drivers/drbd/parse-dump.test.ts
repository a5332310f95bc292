// What `drbdadm dump` of drbd-utils 9.22 printed for a module 8.4 and a module 9.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDump } from "../../../src/drivers/drbd/parse-dump.ts";
import { createDrbd } from "../../../src/drivers/drbd/drbdadm.ts";
import { systemClock } from "../../../src/drivers/clock/system.ts";
import { exited, scriptedExec } from "../exec/scripted-exec.ts";
import { fixture } from "./fixtures.ts";

const QUICK = { timeoutMs: 900, pingIntMs: 1000, pingTimeoutMs: 500, connectIntMs: 1000 };

const SAFE = { protocol: "C", fencing: "resource-and-stonith", "shared-secret": "set" };

test("a dump for DRBD 8.4: resources, devices of all volumes, timings with the common section below them", () => {
  const parsed = parseDump(fixture("drbd-utils-9.22", "dump-module-8.4.txt"));
  assert.deepEqual(parsed, {
    ok: true,
    value: [
      {
        name: "iscsi1",
        devices: ["/dev/drbd1"],
        timings: QUICK,
        options: { ...SAFE, "cram-hmac-alg": "sha256" },
      },
      {
        name: "r2",
        devices: ["/dev/drbd5", "/dev/drbd6"],
        timings: { timeoutMs: 6000, pingIntMs: 1000, pingTimeoutMs: 500, connectIntMs: 10_000 },
        options: { protocol: "C" },
      },
    ],
  });
});

test("a dump for DRBD 9, where device and options stand outside of the hosts", () => {
  const parsed = parseDump(fixture("drbd-utils-9.22", "dump-module-9.txt"));
  assert.ok(parsed.ok);
  assert.deepEqual(parsed.value[0], { name: "iscsi1", devices: ["/dev/drbd1"], timings: QUICK, options: SAFE });
  assert.deepEqual(parsed.value[1]?.devices, ["/dev/drbd5"]);
});

test("a text that ends in the middle is an error, and the shared secret is in no message", async () => {
  const half = fixture("drbd-utils-9.22", "dump-module-8.4.txt").split("    disk {")[0] ?? "";
  assert.match(half, /not-to-be-shown/);
  const drbd = createDrbd(scriptedExec({ "drbdadm dump": exited(0, half) }), systemClock());
  const found = await drbd.configured();
  assert.equal(found.ok, false);
  assert.doesNotMatch(JSON.stringify(found), /not-to-be-shown/);
  assert.match(JSON.stringify(found), /ends inside/);
});

test("a missing drbdadm and a broken configuration file are errors with the reason", async () => {
  const broken = scriptedExec({ "drbdadm dump": exited(10, "", "b.conf:1: Parse error: 'protocol' expected") });
  const found = await createDrbd(broken, systemClock()).configured();
  assert.match(JSON.stringify(found), /Parse error/);
  const missing = scriptedExec({ "drbdadm dump": { kind: "not-started", reason: "ENOENT" } });
  assert.match(JSON.stringify(await createDrbd(missing, systemClock()).configured()), /ENOENT/);
});
