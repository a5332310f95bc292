// `ha-cfg check`: everything is tried, whatever fails is named with its next step, and nothing takes the rest with it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { effectiveConfig } from "../../../src/config/effective.ts";
import { known, unknown } from "../../../src/core/model/observation.ts";
import { runChecks, versionKey, type CheckParts } from "../../../src/daemon/requests/check.ts";
import type { Snapshot } from "../../../src/daemon/brain/messages.ts";
import type { Check } from "../../../src/drivers/control/answers.ts";
import type { ExecResult } from "../../../src/drivers/exec/port.ts";
import type { PoolView } from "../../../src/drivers/xapi/port.ts";
import { VERSION } from "../../../src/report/version.ts";
import { err, ok } from "../../../src/util/result.ts";
import { sampleFile, XCP1, XCP2 } from "../../config/sample.ts";
import { servingWorld } from "../../sim/world.ts";

const config = effectiveConfig({
  local: sampleFile(),
  pool: { "tandem:FENCE_HEURISTICS_IPS": "192.168.1.253", "tandem:FENCE_METHOD": "IPMI" },
  lastGood: null,
  secrets: {},
  keyId: "k",
}).config;

function snapshot(): Snapshot {
  const state = servingWorld().state("a");
  const body = state.peer.body;
  return {
    inContact: true,
    links: [
      { link: "management", lastHeardMs: 10, up: true },
      { link: "replication", lastHeardMs: 10, up: true },
    ],
    state: {
      ...state,
      watchdogArmed: true,
      peer: { ...state.peer, body: body === null ? null : { ...body, cfgHash: config.core.cfgHash } },
    },
  } as unknown as Snapshot;
}

const host = (uuid: string, ref: string) => ({ uuid, ref, name: ref, enabled: true, live: true });
const POOL = {
  haEnabled: false,
  otherConfig: { [versionKey(XCP2)]: VERSION },
  hosts: [host(XCP1, "h1"), host(XCP2, "h2")],
  vms: [],
  srs: [{ ref: "sr", uuid: "sr-uuid", type: "lvmoiscsi", shared: true }],
  pbds: [
    { ref: "p1", host: "h1", sr: "sr", attached: true, deviceConfig: {} },
    { ref: "p2", host: "h2", sr: "sr", attached: true, deviceConfig: {} },
  ],
} as unknown as PoolView;

const exited = (stdout: string, code = 0): ExecResult => ({ kind: "exited", code, stdout, stderr: "", elapsedMs: 1 });

const healthy: CheckParts = {
  config: () => config,
  snapshot,
  view: () => known(POOL, 0),
  vms: () => ({
    total: 2,
    protected: 2,
    running: 2,
    survivorHasRoom: true,
    failuresTolerated: 1,
    down: [],
    detail: "",
  }),
  facts: () => [{}],
  fencePath: async () => ({ ready: true, detail: "IPMI answers: xcp2 is on" }),
  sample: async () => true,
  answering: () => true,
  drbd: {
    version: async () => ok({ module: "8.4.11", utils: "9.22" }),
    configured: async () =>
      ok([
        {
          name: "iscsi1",
          devices: ["/dev/drbd1"],
          timings: { timeoutMs: 900, pingIntMs: 1000, pingTimeoutMs: 500, connectIntMs: 1000 },
          options: { "cram-hmac-alg": "sha256", "shared-secret": "set" },
        },
      ]),
  },
  target: {
    observe: async () =>
      ok({
        running: true,
        pid: 7,
        exported: ["iscsi1"],
        holds: true,
        portalOpen: true,
        allowed: ["ALL"],
        sessions: 2,
        writeCacheOff: true,
      }),
  },
  exec: { run: async (file) => exited(file === "timedatectl" ? "yes\n" : "") },
  login: async () => ok("logged in"),
  mailServer: async () => ok("220 mail"),
  disk: async () => ok({ freeBytes: 2 ** 30, writeMs: 12 }),
  refused: () => null,
  deviceExists: () => true,
  nextBoot: async () => ({ outcome: "ok", found: "DRBD 8.4.11, in each of 2 installed kernels", next: "" }),
  selfStarting: () => [],
};

const outcomeOf = (checks: readonly Check[], id: string): Check => {
  const found = checks.find((one) => one.id === id);
  assert.ok(found !== undefined, `no check ${id}`);
  return found;
};

test("a healthy pair: nothing fails, and every check says what it found", async () => {
  const checks = await runChecks(healthy);
  assert.deepEqual(
    checks.filter((one) => one.outcome === "failed").map((one) => `${one.id}: ${one.found}`),
    [],
  );
  assert.equal(new Set(checks.map((one) => one.id)).size, checks.length);
  for (const one of checks) assert.notEqual(one.found, "", one.id);
});

const dead = async (): Promise<never> => {
  throw new Error("EIO");
};
const broken: readonly (readonly [id: string, how: string, parts: Partial<CheckParts>, found: RegExp])[] = [
  ["peer", "is silent", { snapshot: () => ({ ...snapshot(), inContact: false }) }, /xcp2 does not answer/],
  [
    "peer",
    "has another version of the protocol",
    { snapshot: () => ({ ...snapshot(), inContact: false }), refused: () => "xcp2 speaks another version" },
    /xcp2 speaks another version/,
  ],
  ["peer", "is not known yet", { snapshot: () => null }, /does not answer/],
  [
    "fencing",
    "has a dead device",
    { fencePath: async () => ({ ready: false, detail: "no route to the BMC" }) },
    /no route to the BMC/,
  ],
  [
    "heuristics",
    "has a dead address",
    { sample: async () => false, answering: () => false },
    /no answer from 192\.168\.1\.253: no vote/,
  ],
  ["drbd", "has no tools", { drbd: { ...healthy.drbd, version: async () => err(MISSING) } }, /cannot be started/],
  [
    "drbd",
    "has no module",
    { drbd: { ...healthy.drbd, version: async () => ok({ module: "not loaded", utils: "9" }) } },
    /module is not loaded/,
  ],
  ["target", "does not answer", { target: { observe: async () => err(MISSING) } }, /cannot be started/],
  ["iptables", "is missing", { exec: { run: async () => NOT_STARTED } }, /iptables cannot be started: ENOENT/],
  ["iptables", "is refused", { exec: { run: async () => exited("", 4) } }, /iptables ended with 4/],
  ["arping", "hangs", { exec: { run: async () => HANGS } }, /arping did not end within 5 s/],
  ["xapi", "refuses the login", { login: async () => err("xapi gave no answer") }, /xapi gave no answer/],
  ["xapi", "has its own HA", { view: () => known({ ...POOL, haEnabled: true }, 0) }, /own HA is enabled/],
  ["xapi", "is not readable", { view: () => unknown("gone", 0) }, /not readable/],
  [
    "storage-attached",
    "is unplugged",
    { view: () => known({ ...POOL, pbds: POOL.pbds.map((pbd) => ({ ...pbd, attached: false })) }, 0) },
    /not plugged: sr-uuid on h1, sr-uuid on h2/,
  ],
  ["auto-poweron", "is set", { selfStarting: () => ["web"] }, /set on web/],
  ["disk", "is full", { disk: async () => ok({ freeBytes: 2 ** 20, writeMs: 1 }) }, /1 MiB free/],
  ["disk", "does not answer", { disk: dead }, /it could not be tried: EIO/],
  ["room", "is not known", { vms: () => null }, /not known/],
];
const MISSING = { kind: "missing", command: "drbdadm", reason: "ENOENT" } as const;
const NOT_STARTED: ExecResult = { kind: "not-started", reason: "ENOENT" };
const HANGS: ExecResult = { kind: "timeout", pid: 1, afterMs: 5_000 };

for (const [id, how, parts, found] of broken) {
  test(`${id} ${how}: it fails with what to do next, and the others are tried all the same`, async () => {
    const checks = await runChecks({ ...healthy, ...parts });
    const one = outcomeOf(checks, id);
    assert.equal(one.outcome, "failed", JSON.stringify(one));
    assert.match(one.found, found);
    assert.notEqual(one.next, "");
    assert.equal(checks.length, (await runChecks(healthy)).length);
  });
}

test("a host whose target is the kernel's, or that has no storage, needs no tgtd", async () => {
  const { storage } = config;
  assert.ok(storage !== null);
  const exec: CheckParts["exec"] = { run: async (file) => (file === "tgtadm" ? NOT_STARTED : exited("")) };
  assert.match(outcomeOf(await runChecks({ ...healthy, exec }), "tgtadm").next, /--enablerepo=epel/);
  for (const without of [{ ...storage, targetBackend: "lio" as const }, null]) {
    const checks = await runChecks({ ...healthy, exec, config: () => ({ ...config, storage: without }) });
    assert.equal(outcomeOf(checks, "tgtadm").outcome, "skipped");
  }
});

test("another version on the other host, and one that never said, is a warning", async () => {
  const checked = async (otherConfig: Readonly<Record<string, string>>): Promise<Check> =>
    outcomeOf(await runChecks({ ...healthy, view: () => known({ ...POOL, otherConfig }, 0) }), "versions");
  assert.equal(outcomeOf(await runChecks(healthy), "versions").outcome, "ok");
  assert.match((await checked({ [versionKey(XCP2)]: "0.0.9" })).found, /xcp2 runs 0\.0\.9/);
  assert.equal((await checked({})).outcome, "warning");
});

test("a mail server that does not answer, a slow disk and one host's room are warnings: a failover works without", async () => {
  const checks = await runChecks({
    ...healthy,
    mailServer: async () => err("ECONNREFUSED"),
    disk: async () => ok({ freeBytes: 2 ** 30, writeMs: 900 }),
    vms: () => ({
      total: 2,
      protected: 2,
      running: 2,
      survivorHasRoom: false,
      failuresTolerated: 0,
      down: [],
      detail: "2 GiB short",
    }),
  });
  for (const id of ["mail", "disk", "room"]) assert.equal(outcomeOf(checks, id).outcome, "warning", id);
});
