// Giving a copy up: the order of the commands, what is kept of it, and what the kernel counts for it.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import type { ClockPort } from "../../../src/drivers/clock/port.ts";
import { countersOf } from "../../../src/drivers/drbd/counters.ts";
import { createDrbd } from "../../../src/drivers/drbd/drbdadm.ts";
import { exited, scriptedExec, type Answer } from "../exec/scripted-exec.ts";

const look = "drbdsetup events2 --now --statistics";
const standAlone = [
  "exists resource name:iscsi1 role:Secondary suspended:no write-ordering:flush",
  "exists device name:iscsi1 volume:0 minor:1 disk:UpToDate size:1000",
  "exists -",
  "",
].join("\n");
const lvs =
  "lvs --noheadings --units k --nosuffix --separator , -o vg_name,lv_name,lv_size,vg_free,segtype /dev/vg0/iscsi";
const stamp = "20261121T164500";

const clock: ClockPort = {
  now: () => 0,
  wallMs: () => Date.UTC(2026, 10, 21, 16, 45, 0, 123),
  sleep: () => Promise.resolve(),
};

const orders = {
  "drbdadm disconnect iscsi1": exited(10, "", "no connection"),
  "drbdadm secondary iscsi1": exited(0),
  "drbdadm connect --discard-my-data iscsi1": exited(0),
};
const lines = Object.keys(orders);

const directory = mkdtempSync(join(tmpdir(), "tandem-discard-"));
after(() => rmSync(directory, { recursive: true }));
let worlds = 0;
const freshNotes = (): string => join(directory, String(worlds++));

async function discard(script: Readonly<Record<string, Answer>>, snapshot = true) {
  const exec = scriptedExec({ [look]: exited(0, standAlone), ...orders, ...script });
  const drbd = createDrbd(exec, clock, { module: { version: () => "8.4.11" }, discardNotes: freshNotes() });
  return { result: await drbd.discard("iscsi1", snapshot), commands: exec.commandLines().slice(1) };
}

describe("a copy that is given up", () => {
  const disk = { "drbdadm sh-ll-dev iscsi1": exited(0, "/dev/vg0/iscsi\n") };

  it("is kept as a snapshot of all the room there is, before DRBD is told anything", async () => {
    const create = `lvcreate --snapshot --name iscsi-before-${stamp} --size 4194304k vg0/iscsi`;
    const row = "  vg0,iscsi,104857600.00,4194304.00,linear\n";
    const { result, commands } = await discard({ ...disk, [lvs]: exited(0, row), [create]: exited(0) });
    assert.deepEqual(result, { ok: true, value: `the old data is kept as /dev/vg0/iscsi-before-${stamp}` });
    assert.deepEqual(commands, ["drbdadm sh-ll-dev iscsi1", lvs, create, ...lines]);
  });

  it("needs no room of its own in a thin pool", async () => {
    const create = `lvcreate --snapshot --name iscsi-before-${stamp} vg0/iscsi`;
    const row = "  vg0,iscsi,104857600.00,0,thin\n";
    const { result } = await discard({ ...disk, [lvs]: exited(0, row), [create]: exited(0) });
    assert.equal(result.ok, true);
  });

  it("on a disk that is no logical volume is given up without, and that is said", async () => {
    for (const answer of [exited(5, "", "Failed to find"), { kind: "not-started", reason: "ENOENT" } as const]) {
      const { result, commands } = await discard({ ...disk, [lvs]: answer });
      assert.deepEqual(result, { ok: true, value: "/dev/vg0/iscsi is no logical volume: no snapshot was made" });
      assert.deepEqual(commands.slice(2), lines);
    }
  });

  it("stays where it is when a snapshot that ought to be possible fails, or has no room", async () => {
    const create = `lvcreate --snapshot --name iscsi-before-${stamp} --size 65536k vg0/iscsi`;
    const failing = await discard({
      ...disk,
      [lvs]: exited(0, "  vg0,iscsi,104857600.00,65536.00,linear\n"),
      [create]: exited(5, "", "locked"),
    });
    const full = await discard({ ...disk, [lvs]: exited(0, "  vg0,iscsi,104857600.00,4096.00,linear\n") });
    for (const { result, commands } of [failing, full]) {
      assert.equal(result.ok, false);
      assert.ok(!commands.some((line) => lines.includes(line)));
    }
    assert.match(JSON.stringify(full.result), /--no-snapshot/);
  });

  it("is not looked at by LVM where no snapshot was asked for", async () => {
    const { result, commands } = await discard({}, false);
    assert.equal(result.ok, true);
    assert.deepEqual(commands, lines);
  });

  it("is not connected while something holds the device", async () => {
    const { result, commands } = await discard({ "drbdadm secondary iscsi1": exited(11, "", "held open") }, false);
    assert.equal(result.ok, false);
    assert.deepEqual(commands, lines.slice(0, 2));
  });
});

describe("an order to give a copy up that may still stand", () => {
  const connect = "drbdadm connect iscsi1";
  const primary = "drbdsetup primary 1";
  const seen = (connection: string, replication: string, role = "Secondary"): string =>
    [
      `exists resource name:iscsi1 role:${role} suspended:no write-ordering:flush`,
      `exists connection name:iscsi1 peer-node-id:0 conn-name:peer connection:${connection} role:Secondary congested:no`,
      "exists device name:iscsi1 volume:0 minor:1 disk:UpToDate size:1000",
      `exists peer-device name:iscsi1 peer-node-id:0 conn-name:peer volume:0 replication:${replication} peer-disk:UpToDate out-of-sync:0`,
      "exists -",
      "",
    ].join("\n");
  const waiting = seen("Connecting", "Off");
  const promoted = seen("Connecting", "Off", "Primary");

  /** The copy was given up by an earlier daemon; this one knows only what it finds. */
  async function promote(looks: readonly string[], script: Readonly<Record<string, Answer>> = {}) {
    const discardNotes = freshNotes();
    const options = { module: { version: () => "8.4.11" }, discardNotes };
    const before = scriptedExec({ [look]: exited(0, standAlone), ...orders });
    assert.equal((await createDrbd(before, clock, options).discard("iscsi1", false)).ok, true);
    assert.deepEqual(readdirSync(discardNotes), ["iscsi1"]);
    const exec = scriptedExec({
      [look]: looks.map((text) => exited(0, text)),
      "drbdadm disconnect iscsi1": exited(0),
      [connect]: exited(0),
      [primary]: exited(0),
      "drbdsetup events2 --statistics": exited(0),
      ...script,
    });
    const drbd = createDrbd(exec, clock, options);
    const run = async () => {
      const result = await drbd.promote("iscsi1");
      return { result, commands: exec.commandLines().filter((line) => !line.includes("events2")) };
    };
    return { drbd, exec, run, notes: () => readdirSync(discardNotes) };
  }

  it("is withdrawn before the copy is promoted, once", async () => {
    const { run, notes } = await promote([waiting, promoted]);
    const { result, commands } = await run();
    assert.deepEqual(result, { ok: true, value: "changed" });
    assert.deepEqual(commands, ["drbdadm disconnect iscsi1", connect, primary]);
    assert.deepEqual(notes(), []);
    assert.deepEqual((await run()).commands.slice(3), [primary]);
  });

  it("forbids the promotion while it cannot be withdrawn", async () => {
    for (const [line, orders] of [
      ["drbdadm disconnect iscsi1", ["drbdadm disconnect iscsi1"]],
      [connect, ["drbdadm disconnect iscsi1", connect]],
    ] as const) {
      const { run, notes } = await promote([waiting], { [line]: exited(10, "", "no") });
      const { result, commands } = await run();
      assert.equal(result.ok, false);
      assert.deepEqual(commands, orders);
      assert.deepEqual(notes(), ["iscsi1"]);
    }
  });

  it("at StandAlone has nothing to disconnect, and is withdrawn all the same", async () => {
    const alone = seen("StandAlone", "Off");
    const { run, notes } = await promote([alone, promoted], { "drbdadm disconnect iscsi1": exited(10, "", "none") });
    const { result, commands } = await run();
    assert.equal(result.ok, true);
    assert.deepEqual(commands, ["drbdadm disconnect iscsi1", connect, primary]);
    assert.deepEqual(notes(), []);
  });

  it("is used up by the connection that it was for", async () => {
    const { drbd, exec, notes } = await promote([waiting]);
    const following = drbd.follow(
      () => {},
      () => {},
    );
    // DRBD 9 is Connected before the generations are compared.
    exec.streams[0]?.say(...seen("Connected", "Off").split("\n"));
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(notes(), ["iscsi1"]);
    exec.streams[0]?.say(
      "change peer-device name:iscsi1 peer-node-id:0 conn-name:peer volume:0 replication:SyncTarget peer-disk:UpToDate out-of-sync:4",
    );
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(notes(), []);
    following.stop();
  });

  it("is not given where it cannot be noted, nor to copies that are connected", async () => {
    const file = freshNotes();
    writeFileSync(file, "");
    const options = { module: { version: () => "8.4.11" }, discardNotes: file };
    const full = scriptedExec({ [look]: exited(0, standAlone), ...orders });
    assert.equal((await createDrbd(full, clock, options).discard("iscsi1", false)).ok, false);
    assert.deepEqual(full.commandLines().slice(1), lines.slice(0, 2));
    const joined = scriptedExec({ [look]: exited(0, seen("Connected", "Established")) });
    assert.equal((await createDrbd(joined, clock, options).discard("iscsi1", false)).ok, false);
    assert.deepEqual(joined.commandLines().slice(1), []);
  });
});

describe("what the kernel counts", () => {
  const fixture = new URL("../../fixtures/drbd-8.4.11/11-split-brain-standalone.txt", import.meta.url);
  const text = readFileSync(fixture, "utf8");
  const proc = text.slice(text.indexOf("version: 8.4"));

  it("is read from /proc/drbd of 8.4 also at StandAlone, and from the block layer", () => {
    const stat =
      "     523     0    4200      80      12       0     4096      33        0       60      113 0 0 0 0 0 0\n";
    const { writtenSectors, outOfSyncKiB } = countersOf(0, stat, proc);
    assert.equal(writtenSectors, 4096);
    assert.equal(outOfSyncKiB, 64);
  });

  it("is not known where the kernel says nothing (DRBD 9 prints only its version)", () => {
    assert.deepEqual(countersOf(1, "", ""), { writtenSectors: null, outOfSyncKiB: null });
    assert.deepEqual(countersOf(1, "", "version: 9.2.12 (api:2/proto:86-122)\n"), {
      writtenSectors: null,
      outOfSyncKiB: null,
    });
  });
});
