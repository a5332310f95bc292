// The driver against a real tgtd with a file as its disk, in a network namespace of its own.

import assert from "node:assert/strict";
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { after, afterEach, before, describe, it } from "node:test";
import { systemClock } from "../../../src/drivers/clock/system.ts";
import { createExec } from "../../../src/drivers/exec/run.ts";
import { createManagement } from "../../../src/drivers/iscsi-target/tgtd/management.ts";
import { readWriteCacheOff } from "../../../src/drivers/iscsi-target/mode-sense.ts";
import type { TargetPort, TargetSpec } from "../../../src/drivers/iscsi-target/port.ts";
import { createTgtd } from "../../../src/drivers/iscsi-target/tgtd/tgtd.ts";
import { isInNamespace, runInNamespace } from "../exec/namespace.ts";
import { realTools } from "../exec/real-tools.ts";
import { loginAndStay } from "./initiator.ts";

const tools = realTools(
  ["tgtd", "tgtadm"],
  ["tgt", "libaio1", "libibverbs1", "librdmacm1", "libnl-3-200", "libnl-route-3-200"],
);

if (!isInNamespace()) {
  describe("tgtd in a namespace", { skip: tools.skip ?? false }, () => {
    it("passes every real test", () => {
      // An own address for this host, one for the other host's initiator, and the floating IP.
      const addresses = ["10.10.10.1/24", "10.10.10.2/24", "10.10.10.3/32"].map((one) => `ip addr add ${one} dev lo`);
      const report = runInNamespace(fileURLToPath(import.meta.url), addresses, {});
      assert.equal(report, null, report ?? "");
    });
  });
} else {
  const folder = mkdtempSync(join(tmpdir(), "tandem-tgtd-"));
  const disk = join(folder, "disk");
  const socketBase = join(folder, "socket");
  const notePath = join(folder, "tgtd.json");
  const clock = systemClock();
  const spec: TargetSpec = {
    iqn: "iqn.2026-11.lab.tandem:iscsi1",
    tid: 1,
    luns: [{ resource: "iscsi1", device: disk, lun: 10, scsiId: "tandem-iscsi1", scsiSn: "ts0001" }],
    allow: ["10.10.10.1", "10.10.10.2"],
    portal: { address: "10.10.10.3", port: 3260 },
  };
  const exec = createExec({ path: tools.path, env: tools.env });
  const daemon = (): TargetPort => createTgtd(exec, exec, clock, { socketBase, notePath });
  const management = createManagement(`${socketBase}.0`, 2000);
  const pidOf = async (target: TargetPort): Promise<number> => {
    const state = await target.observe();
    assert.ok(state.ok && state.value.pid !== null);
    return state.value.pid;
  };

  async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    for (let round = 0; round < 400; round++) {
      if (await condition()) return;
      await delay(5);
    }
    assert.fail(`never happened: ${what}`);
  }

  describe("tgtd driver", () => {
    before(() => {
      const file = openSync(disk, "w");
      ftruncateSync(file, 64 * 1024 * 1024);
      closeSync(file);
    });
    afterEach(async () => {
      assert.equal((await daemon().withdraw()).ok, true);
    });
    after(() => rmSync(folder, { recursive: true }));

    it("starts the server once, on the loopback portal and with no LUN", async () => {
      const target = daemon();
      assert.deepEqual(await target.warm(), { ok: true, value: "changed" });
      assert.deepEqual(await target.warm(), { ok: true, value: "already" });
      const state = await target.observe();
      assert.ok(state.ok);
      assert.deepEqual(
        { ...state.value, pid: null },
        {
          running: true,
          pid: null,
          exported: [],
          holds: false,
          portalOpen: false,
          allowed: [],
          sessions: 0,
          writeCacheOff: null,
        },
      );
      assert.deepEqual(await management.request({ mode: "portal", op: "show" }), {
        ok: true,
        value: "Portal: 127.0.0.1:13260,1\n",
      });
    });

    it("a server that stands still gives no answer, and ending it is told as its death", async () => {
      const target = createTgtd(exec, exec, clock, { socketBase, notePath, requestTimeoutMs: 500 });
      assert.equal(await target.view(spec), "answers", "nothing is filled");
      await target.warm();
      assert.ok((await target.fill(spec)).ok);
      assert.equal(await target.view(spec), "answers-on-loopback", "its portal is closed");
      assert.ok((await target.openPortal(spec)).ok);
      assert.equal(await target.view(spec), "answers", "its list of initiators has not this address, but loopback");
      const deaths: string[] = [];
      target.onDeath((why) => void deaths.push(why));
      process.kill(await pidOf(target), "SIGSTOP");
      assert.equal(await target.view(spec), "silent");
      target.end();
      await until("its death is told", () => deaths.length === 1);
    });

    it("fills, reads the write cache back as off, and opens the portal last", async () => {
      const target = daemon();
      await target.warm();
      assert.deepEqual(await target.fill(spec), { ok: true, value: "changed" });
      assert.deepEqual(await target.fill(spec), { ok: true, value: "already" });
      const filled = await target.observe();
      assert.ok(filled.ok);
      assert.deepEqual(
        [filled.value.exported, filled.value.portalOpen, filled.value.writeCacheOff],
        [["iscsi1"], false, true],
      );
      assert.deepEqual(await target.openPortal(spec), { ok: true, value: "changed" });
      assert.deepEqual(await target.openPortal(spec), { ok: true, value: "already" });
      const open = await target.observe();
      assert.ok(open.ok && open.value.portalOpen);
      const shown = await management.request({ mode: "target", op: "show" });
      assert.ok(shown.ok);
      for (const line of ["SCSI ID: tandem-iscsi1", "SCSI SN: ts0001", "Thin-provisioning: No", "Online: Yes"]) {
        assert.ok(shown.value.split("LUN: 10")[1]?.includes(line), line);
      }
      assert.doesNotMatch(shown.value, /Nop interval/, "its own pings hold up answers of commands");
      const parameters = await management.request({ mode: "target", op: "show", tid: 1 });
      assert.ok(parameters.ok);
      assert.match(parameters.value, /^DefaultTime2Wait=0$/m);
    });

    it("can tell a write cache that is on: tgtd's own default", async () => {
      const target = daemon();
      await target.warm();
      await management.request({ mode: "target", op: "new", tid: 1, data: `targetname=${spec.iqn}` });
      await management.request({ mode: "logicalunit", op: "new", tid: 1, lun: 10, data: `path=${disk},bstype=rdwr` });
      await management.request({ mode: "target", op: "bind", tid: 1, data: "initiator-address=127.0.0.1" });
      assert.deepEqual(await readWriteCacheOff({ host: "127.0.0.1", port: 13260 }, spec.iqn, 10, 2000), {
        ok: true,
        value: false,
      });
      const filled = await target.fill(spec);
      assert.ok(!filled.ok && filled.error.kind === "unverified");
      assert.equal(filled.error.found, "on");
      const state = await target.observe();
      assert.equal(state.ok && state.value.writeCacheOff, false);
    });

    it("refuses a LUN whose device is another one, and says which", async () => {
      const target = daemon();
      await target.warm();
      await target.fill(spec);
      const other = { ...spec, luns: spec.luns.map((lun) => ({ ...lun, device: `${disk}2` })) };
      const refused = await target.fill(other);
      assert.ok(!refused.ok && refused.error.kind === "unverified");
      assert.deepEqual([refused.error.found, refused.error.expected], [disk, `${disk}2`]);
    });

    it("reports a device that cannot be opened", async () => {
      const target = daemon();
      await target.warm();
      const other = { ...spec, luns: spec.luns.map((lun) => ({ ...lun, device: join(folder, "absent") })) };
      const refused = await target.fill(other);
      assert.ok(!refused.ok && refused.error.kind === "exit" && refused.error.code === 17);
    });

    it("refuses to open a portal on an address that this host does not have", async () => {
      const target = daemon();
      await target.warm();
      await target.fill(spec);
      const opened = await target.openPortal({ ...spec, portal: { address: "192.0.2.1", port: 3260 } });
      assert.ok(!opened.ok && opened.error.kind === "exit");
    });

    it("ends the server although it ignores SIGTERM, and is silent about that death", async () => {
      const target = daemon();
      const deaths: string[] = [];
      target.onDeath((why) => deaths.push(why));
      await target.warm();
      await target.fill(spec);
      const pid = await pidOf(target);
      process.kill(pid, "SIGTERM");
      await delay(100);
      assert.ok(
        existsSync(`/proc/${pid}`),
        "tgtd 1.0.85 ignores SIGTERM; if it no longer does, withdraw could be kinder",
      );
      assert.deepEqual(await target.withdraw(), { ok: true, value: "changed" });
      assert.equal(holders(disk).length, 0, "somebody still holds the disk open");
      assert.deepEqual(await target.withdraw(), { ok: true, value: "already" });
      await delay(50);
      assert.deepEqual(deaths, []);
      const state = await target.observe();
      assert.ok(state.ok && !state.value.running);
    });

    it("tells the death of its own server once", async () => {
      const target = daemon();
      const deaths: string[] = [];
      target.onDeath((why) => deaths.push(why));
      await target.warm();
      const pid = await pidOf(target);
      process.kill(pid, "SIGKILL");
      await until("the death is told", () => deaths.length > 0);
      await delay(50);
      assert.equal(deaths.length, 1);
      assert.deepEqual(await target.warm(), { ok: true, value: "changed" });
      assert.notEqual(await pidOf(target), pid);
    });

    it("leaves the server to the next daemon, which knows its LUNs and is told of its death", async () => {
      const first = daemon();
      await first.warm();
      await first.fill(spec);
      await first.openPortal(spec);
      const pid = await pidOf(first);
      const second = daemon();
      const deaths: string[] = [];
      second.onDeath((why) => deaths.push(why));
      assert.deepEqual(await second.warm(), { ok: true, value: "already" });
      const state = await second.observe();
      assert.ok(state.ok);
      assert.deepEqual(
        [state.value.pid, state.value.exported, state.value.portalOpen, state.value.writeCacheOff],
        [pid, ["iscsi1"], true, true],
      );
      assert.deepEqual(await second.fill(spec), { ok: true, value: "already" });
      process.kill(pid, "SIGKILL");
      await until("the death is told", () => deaths.length > 0);
      assert.equal(deaths.length, 1);
    });

    it("neither adopts nor ends a server that it did not start", async () => {
      const first = daemon();
      await first.warm();
      const pid = await pidOf(first);
      const stranger = createTgtd(exec, exec, clock, { socketBase, notePath: join(folder, "other.json") });
      const warmed = await stranger.warm();
      assert.ok(!warmed.ok && warmed.error.kind === "unverified");
      const withdrawn = await stranger.withdraw();
      assert.ok(!withdrawn.ok && withdrawn.error.kind === "unverified");
      assert.ok(existsSync(`/proc/${pid}`));
    });

    it("bars the other host's initiator: its connection closes and it cannot log in again; ours stays", async () => {
      const target = daemon();
      await target.warm();
      await target.fill(spec);
      await target.openPortal(spec);
      const portal = { host: "10.10.10.3", port: 3260 };
      const ours = await loginAndStay(portal, spec.iqn, "10.10.10.1");
      const theirs = await loginAndStay(portal, spec.iqn, "10.10.10.2");
      assert.deepEqual([ours.status, theirs.status], [0, 0]);
      const busy = await target.observe();
      assert.ok(busy.ok);
      assert.equal(busy.value.sessions, 2);
      assert.ok(busy.value.allowed.includes("10.10.10.2"), "who may log in is seen");
      assert.deepEqual(await target.bar(spec, ["10.10.10.2"]), { ok: true, value: "changed" });
      const barred = await target.observe();
      assert.equal(barred.ok && barred.value.allowed.includes("10.10.10.2"), false);
      await until("their connection is closed", () => theirs.closed());
      const again = await loginAndStay(portal, spec.iqn, "10.10.10.2");
      assert.notEqual(again.status, 0);
      assert.equal(ours.closed(), false);
      assert.deepEqual(await target.bar(spec, ["10.10.10.2"]), { ok: true, value: "already" });
      ours.end();
      again.end();
    });

    it("bars one address out of an ACL of ALL by naming this host's own instead", async () => {
      const target = createTgtd(exec, exec, clock, { socketBase, notePath, ownAddresses: () => ["10.10.10.1"] });
      const everyone = { ...spec, allow: ["ALL"] };
      await target.warm();
      await target.fill(everyone);
      await target.openPortal(everyone);
      assert.deepEqual(await target.bar(everyone, ["10.10.10.2"]), { ok: true, value: "changed" });
      const portal = { host: "10.10.10.3", port: 3260 };
      const ours = await loginAndStay(portal, spec.iqn, "10.10.10.1");
      const theirs = await loginAndStay(portal, spec.iqn, "10.10.10.2");
      assert.equal(ours.status, 0);
      assert.notEqual(theirs.status, 0);
      // In a pool of three hosts and more the others keep what they had.
      const pool = { ...everyone, others: ["10.10.10.2", "10.10.10.4"] };
      assert.deepEqual(await target.bar(pool, ["10.10.10.2"]), { ok: true, value: "changed" });
      const left = await target.observe();
      assert.deepEqual(left.ok && left.value.allowed.filter((one) => one.startsWith("10.")).toSorted(), [
        "10.10.10.1",
        "10.10.10.4",
      ]);
      ours.end();
      theirs.end();
    });
  });
}

/** Pids of processes that have `path` open. */
function holders(path: string): readonly number[] {
  const pids = readdirSync("/proc").filter((entry) => /^\d+$/.test(entry));
  return pids.map(Number).filter((pid) => openFiles(pid).includes(path));
}

function openFiles(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
  } catch (thrown) {
    // The process or the file went away while we looked.
    if (thrown instanceof Error) return [];
    throw thrown;
  }
}
