// When two new copies are declared equal, and when a person is told that they will never agree.

import assert from "node:assert/strict";
import { test } from "node:test";
import { serveBoth } from "../../src/cli/iscsi-cfg/setup.ts";
import type { DrbdView } from "../../src/core/model/drbd.ts";
import { firstSyncOf, followSync } from "../../src/setup/first-sync.ts";
import type { HostParts } from "../../src/setup/host.ts";
import type { ShownPlan } from "../../src/setup/plan/step.ts";
import { ok } from "../../src/util/result.ts";
import { exited, scriptedExec } from "../drivers/exec/scripted-exec.ts";

type Plan = Pick<ShownPlan, "isBlank" | "steps" | "atRisk">;
const blank: Plan = { isBlank: true, steps: [], atRisk: null };
const used: Plan = { ...blank, isBlank: false };
const erased: Plan = {
  ...used,
  steps: [{ kind: "command", title: "ERASES", command: "wipefs --all /dev/sdb", destroys: "xcp1:/dev/sdb" }],
};
const typedNow: Plan = { ...used, atRisk: { name: "xcp1:/dev/sdb", found: ["ext4"] } };

test("copies are declared equal on two blank disks only, and a full sync can be asked for", () => {
  assert.equal(firstSyncOf(null, [blank, blank], false), "skip");
  assert.equal(firstSyncOf(null, [blank, blank], true), "full");
  for (const one of [used, erased, typedNow]) assert.equal(firstSyncOf(null, [blank, one], false), "full");
});

test("a later run keeps what the first one said, unless it erases a disk that was blank then", () => {
  // With its metadata on it a disk is not blank any more.
  assert.equal(firstSyncOf("skip", [used, used], false), "skip");
  assert.equal(firstSyncOf("full", [blank, blank], false), "full");
  for (const one of [erased, typedNow]) assert.equal(firstSyncOf("skip", [one, blank], false), "full");
});

/** A host whose copy looks like these, a look each half second; the last one stays. */
function parts(looks: readonly Partial<DrbdView>[]): { parts: HostParts; told: string[]; now: () => number } {
  let now = 0;
  let looked = 0;
  const told: string[] = [];
  const view = (): DrbdView => ({
    role: "Secondary",
    disk: "Inconsistent",
    connection: "Connected",
    replication: "SyncTarget",
    peerRole: "Primary",
    peerDisk: "UpToDate",
    suspended: false,
    outOfSyncKiB: 1024,
    donePercent: 50,
    generation: null,
    ...looks[Math.min(looked++, looks.length - 1)],
  });
  const host = {
    drbd: { observe: async () => ok(new Map([["iscsi1", view()]])) },
    clock: { now: () => now, wallMs: () => now, sleep: async (ms: number) => void (now += ms) },
    progress: (text: string) => void told.push(text),
  };
  return { parts: host as unknown as HostParts, told, now: () => now };
}

const DAY_MS = 86_400_000;

test("a sync is followed to its end, over a moment without a disk", async () => {
  const host = parts([{ disk: "Diskless" }, {}, {}, { disk: "UpToDate", donePercent: null }]);
  assert.deepEqual(await followSync(host.parts, "iscsi1", DAY_MS), { ok: true, value: "agreed" });
  assert.ok(host.told.includes("sync 50 %, 1 MiB to go"));
});

test("a sync that waits for a connection says so once, and not at a short break", async () => {
  const parted = { connection: "Connecting", peerDisk: "DUnknown", donePercent: null } as const;
  const whole = { disk: "UpToDate", donePercent: null } as const;
  const waits = async (passes: number): Promise<number> => {
    const host = parts([...Array.from({ length: passes }, () => parted), whole]);
    assert.ok((await followSync(host.parts, "iscsi1", DAY_MS)).ok);
    return host.told.filter((text) => /\(Connecting\): see iscsi-cfg status there/.test(text)).length;
  };
  assert.deepEqual([await waits(10), await waits(200)], [0, 1]);
});

for (const [name, state, words] of [
  ["a disk that failed here", { disk: "Failed" }, /disk of this host failed.*drbdadm detach iscsi1.*replace-disk/],
  ["a disk that failed there", { peerDisk: "Failed" }, /disk of the other host failed/],
  ["no disk", { disk: "Diskless" }, /no disk under it/],
  ["no connection any more", { connection: "StandAlone" }, /StandAlone/],
] as const)
  test(`a sync that cannot come to its end is given up and says why: ${name}`, async () => {
    const host = parts([{}, state]);
    const done = await followSync(host.parts, "iscsi1", DAY_MS);
    assert.ok(!done.ok);
    assert.match(done.error, words);
    assert.ok(host.now() < 60_000, `after ${host.now()} ms`);
  });

test("manual mode, in which nobody serves, is told once while the floating IP is waited for", async () => {
  const exec = scriptedExec({ "systemctl enable tandemd": exited(0), "systemctl start tandemd": exited(0) });
  const host = parts([{}]);
  const team = { parts: { ...host.parts, exec }, ask: async () => ok("done") };
  let looks = 0;
  const served = async (): Promise<boolean> => ++looks > 5;
  assert.ok((await serveBoth(team, { vip: "192.0.2.1" }, served, async () => true)).ok);
  assert.deepEqual(
    host.told.filter((text) => /manual mode is on: iscsi-cfg become-primary/.test(text)).length,
    1,
    host.told.join(" | "),
  );
});

test("both daemons are enabled and started although the floating IP is served already", async () => {
  const exec = scriptedExec({ "systemctl enable tandemd": exited(0), "systemctl start tandemd": exited(0) });
  const asked: string[] = [];
  const team = {
    parts: { ...parts([{}]).parts, exec },
    ask: async (fn: string) => {
      asked.push(fn);
      return ok("done");
    },
  };
  assert.deepEqual(await serveBoth(team, { vip: "192.0.2.1" }, async () => true), { ok: true, value: "served" });
  assert.deepEqual(asked, ["serve"]);
  assert.deepEqual(exec.commandLines(), ["systemctl enable tandemd", "systemctl start tandemd"]);
});
