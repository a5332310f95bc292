// Nothing is replaced, stopped or taken back where DRBD does not say whether the storage is in use.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { DrbdView } from "../../src/core/model/drbd.ts";
import { primaryOf } from "../../src/cli/iscsi-cfg/setup.ts";
import { createDrbd } from "../../src/drivers/drbd/drbdadm.ts";
import type { ExecResult } from "../../src/drivers/exec/port.ts";
import { answerCall } from "../../src/setup/host.ts";
import {
  mayReplaceDisk,
  mayReplaceFiles,
  primaryIn,
  type Looked,
  type NamedDisk,
  type SeenCopy,
} from "../../src/setup/in-use.ts";
import { lookAround, lookAtCopy, type LookPorts } from "../../src/setup/look/look.ts";
import { hostParts } from "../../src/setup/parts.ts";
import { err, ok, type Result } from "../../src/util/result.ts";
import { exited, scriptedExec, type ScriptedExec } from "../drivers/exec/scripted-exec.ts";
import { storageChecks } from "../../src/setup/checks.ts";
import { ANSWERS, facts, RECORD } from "./samples.ts";
import { sampleView } from "../drivers/drbd/sample-view.ts";

const LOOK = "drbdsetup events2 --now --statistics";
const SILENT: ExecResult = { kind: "timeout", afterMs: 30_000, pid: 1 };
const CLOCK = { now: () => 0, wallMs: () => 0, sleep: () => Promise.resolve() };
const [SELF, PEER] = ANSWERS.hosts;

const view = (change: Partial<DrbdView> = {}): DrbdView => sampleView({ role: "Secondary", ...change });
const silent: Looked = err({ kind: "timeout", command: LOOK, afterMs: 30_000 });
const seen = (change: Partial<DrbdView>): Looked => ok(new Map([["iscsi1", view(change)]]));

function host(
  answer: ExecResult,
  module: string | null = "8.4.11",
): ReturnType<typeof hostParts> & { exec: ScriptedExec } {
  const exec = scriptedExec({ [LOOK]: answer });
  return { ...hostParts(() => undefined), exec, drbd: createDrbd(exec, CLOCK, { module: { version: () => module } }) };
}

test("DRBD gets the time of a host under load for its answer", async () => {
  const exec = scriptedExec({ "drbdadm dump": exited(0) });
  await hostParts(() => undefined, exec).drbd.configured();
  assert.equal(exec.calls[0]?.options?.timeoutMs, 30_000);
});

test("an undo where DRBD is silent is refused before the daemon is stopped", async () => {
  const parts = host(SILENT);
  const done = await answerCall(parts, { fn: "undo", erase: [], answers: null });
  assert.ok(!done.ok && /Cannot tell whether .* in use/.test(done.error), JSON.stringify(done));
  assert.deepEqual(parts.exec.commandLines(), [LOOK]);
});

test("who serves is an error where either host cannot tell, never nobody", async () => {
  const own = { uuid: SELF.uuid, name: "xcp1", version: "1", links: [], disks: [] };
  const team = (answer: ExecResult, there: SeenCopy) => ({
    parts: host(answer),
    own,
    peer: PEER,
    ask: () => Promise.resolve(ok({ view: there })),
  });
  assert.ok(!(await primaryOf(team(SILENT, null), "iscsi1")).ok);
  const unknown = await primaryOf(team(exited(0, "exists -\n"), "unknown"), "iscsi1");
  assert.ok(!unknown.ok && /in use on xcp2/.test(unknown.error));
  assert.deepEqual(await primaryOf(team(exited(0, "exists -\n"), view({ role: "Primary" })), "iscsi1"), ok("xcp2"));
  assert.deepEqual(await primaryOf(team(exited(0, "exists -\n"), null), "iscsi1"), ok(null));
});

test("a configuration is replaced only where DRBD says that nothing is Primary, or is not loaded", async () => {
  assert.ok(!mayReplaceFiles(silent).ok);
  assert.ok(!mayReplaceFiles(seen({ role: "Primary" })).ok);
  assert.ok(mayReplaceFiles(seen({})).ok);
  const unloaded = host(SILENT, null);
  assert.deepEqual(primaryIn(await unloaded.drbd.observe()), ok(null));
});

test("a disk is replaced only under a copy without one, from a copy that is whole", async () => {
  const never = (): Promise<Result<SeenCopy, string>> => assert.fail("this host's picture is enough");
  const says = (there: SeenCopy) => () => Promise.resolve(ok(there));
  const refused = async (found: RegExp, looked: Looked, peer: () => Promise<Result<SeenCopy, string>>) => {
    const done = await mayReplaceDisk("iscsi1", looked, peer);
    assert.ok(!done.ok && done.error.startsWith("Refused"), JSON.stringify(done));
    assert.match(done.error, found);
  };
  const gone = seen({ disk: "Diskless", peerDisk: "DUnknown", connection: "Connecting" });
  await refused(/Cannot tell/, silent, never);
  for (const disk of ["UpToDate", "Failed", "Detaching"] as const)
    await refused(/drbdadm detach iscsi1/, seen({ disk }), never);
  assert.ok((await mayReplaceDisk("iscsi1", seen({ disk: "Diskless" }), never)).ok);
  for (const looked of [gone, ok(new Map())]) {
    assert.ok((await mayReplaceDisk("iscsi1", looked, says(view()))).ok);
    await refused(/Outdated/, looked, says(view({ disk: "Outdated" })));
    await refused(/not up/, looked, says(null));
    await refused(/does not answer/, looked, says("unknown"));
    await refused(/xcp2 is not reachable/, looked, () => Promise.resolve(err("xcp2 is not reachable")));
  }
});

test("nobody is told to let the only whole copy go", async () => {
  const elsewhere = { Diskless: "Diskless", Failed: "Failed", DUnknown: null } as const;
  for (const [peerDisk, there] of Object.entries(elsewhere))
    for (const disk of ["UpToDate", "Failed", "Consistent"] as const) {
      const looked = seen({ disk, peerDisk: peerDisk as DrbdView["peerDisk"] });
      const copy = there === null ? null : sampleView({ disk: there });
      const done = await mayReplaceDisk("iscsi1", looked, () => Promise.resolve(ok(copy)), "other");
      assert.ok(!done.ok && /^Refused: .*has to be UpToDate/.test(done.error), JSON.stringify(done));
      assert.doesNotMatch(done.error, /detach/);
      assert.equal(/the other one lost its disk, run it there/.test(done.error), disk === "UpToDate");
    }
});

test("a copy that has the disk already is gone on with; a disk of another name is not taken for it", async () => {
  const never = (): Promise<Result<SeenCopy, string>> => assert.fail("this host's picture is enough");
  const asked = async (disk: DrbdView["disk"], named: NamedDisk): Promise<string> => {
    const done = await mayReplaceDisk("iscsi1", seen({ disk }), never, named);
    return done.ok ? done.value : "refused";
  };
  for (const [disk, ...wanted] of [
    ["Diskless", "yes", "yes", "yes"],
    ["Inconsistent", "attached", "attached", "refused"],
    ["Negotiating", "attached", "attached", "refused"],
    ["UpToDate", "refused", "attached", "refused"],
    ["Outdated", "refused", "attached", "refused"],
    ["Failed", "refused", "refused", "refused"],
    ["Detaching", "refused", "refused", "refused"],
  ] as const)
    for (const [index, named] of (["none", "configured", "other"] as const).entries())
      assert.equal(await asked(disk, named), wanted[index], `${disk}, ${named}`);
});

test("metadata that were never used are known on a disk that is not attached too", async () => {
  const line = "0000000000000004:0000000000000000:0000000000000000:0000000000000000:0:0:0:0:0:0:0\n";
  const exec = scriptedExec({ "drbdadm get-gi iscsi1": exited(0, line) });
  const own = createDrbd(exec, CLOCK, { module: { version: () => "8.4.11" } });
  const drbd: LookPorts["drbd"] = {
    ...own,
    observe: async () => seen({ disk: "Diskless" }),
    version: async () => ok({ utils: "9.22", module: "8.4.11" }),
  };
  const looked = (hasMetadata: boolean) => lookAtCopy({ exec, drbd }, new Set(["drbdadm"]), "iscsi1", hasMetadata);
  assert.equal((await looked(false)).isJustCreated, false);
  assert.deepEqual(exec.commandLines(), []);
  assert.equal((await looked(true)).isJustCreated, true);
});

test("the look tells a silent DRBD from a resource that is not up, and the preflight says so", async () => {
  const exec: ScriptedExec = scriptedExec();
  const anything = { ...exec, run: () => Promise.resolve(SILENT) };
  const drbd = createDrbd(anything, CLOCK, { module: { version: () => "8.4.11" } });
  const found = await lookAround({ exec: anything, drbd }, ANSWERS, SELF, PEER);
  assert.equal(found.view, "unknown");
  assert.equal(found.isAnyUp, true);
  const checks = storageChecks({ record: RECORD, self: SELF, peer: PEER, facts: facts({ view: "unknown" }) });
  const disk = checks.find(({ id }) => id.endsWith("/disk"));
  assert.equal(disk?.outcome, "failed");
  assert.match(disk.found, /DRBD does not answer/);
});
