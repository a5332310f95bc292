// The whole chain on loopback: real VM processes, a real tgtd, the collector, the verifier.
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, openSync, writeSync, closeSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { BLOCK_BYTES, slotOf } from "./block.ts";
import { createCollector, type Collector } from "./collector.ts";
import { compareAcked } from "./compare.ts";
import { openDirectDevice, openIscsiDevice } from "./device.ts";
import { createTgt, findTgt, lun, targetIqn, type Tgt } from "./tgt-fixture.ts";
import { verify, type VerifyOutput } from "./verify.ts";
import { parseVmArguments } from "./vm-options.ts";

const programs = await findTgt();
const vm1 = "aaaaaaaa-0000-4000-8000-000000000001";
const vm2 = "aaaaaaaa-0000-4000-8000-000000000002";
const regionBytes = 1_048_576;
const slots = regionBytes / BLOCK_BYTES;
const regions = [
  { vm: vm1, startBytes: 0, bytes: regionBytes },
  { vm: vm2, startBytes: regionBytes, bytes: regionBytes },
];

test("a VM does not start with an address, region or name that it would have to guess", () => {
  const sound = [
    ["--vm", vm1, "--name", "a", "--node", "xcp1", "--collector", "10.79.0.254:7000", "--device", "/dev/sda"],
    ["--region-start", "4096", "--region-bytes", "8192"],
  ].flat();
  assert.equal(parseVmArguments(sound).regionStartBytes, 4096);
  for (const [option, value] of [
    ["--vm", "vm1"],
    ["--region-start", "100"],
    ["--region-bytes", "0"],
    ["--collector", "nowhere"],
    ["--name", ""],
  ] as const) {
    assert.throws(() => parseVmArguments(sound.with(sound.indexOf(option) + 1, value)), /^Error: Cannot /, option);
  }
});

describe("with a real tgtd", { skip: typeof programs === "string" ? programs : false }, () => {
  let tgt: Tgt;
  let collector: Collector;
  let collectorPort = 0;
  const children = new Set<ChildProcess>();

  before(async () => {
    if (typeof programs === "string") return;
    tgt = await createTgt(programs, 8 * regionBytes);
    await tgt.start();
  });
  after(async () => {
    for (const child of children) child.kill("SIGKILL");
    await collector?.close();
    await tgt?.remove();
  });

  async function startCollector(): Promise<void> {
    await collector?.close();
    collector = createCollector();
    collectorPort = await collector.listen({ host: "127.0.0.1", port: 0 });
  }

  function startVm(vm: string, node: string, more: readonly string[] = []): ChildProcess {
    const region = regions.find((entry) => entry.vm === vm);
    assert.ok(region);
    const args = [
      ["--vm", vm, "--name", vm.slice(-1), "--node", node, "--collector", `127.0.0.1:${collectorPort}`],
      ["--portal", `127.0.0.1:${tgt.port}`, "--iqn", targetIqn, "--initiator-iqn", `iqn.2026-11.lab.tandem:${node}`],
      ["--lun", String(lun), "--region-start", String(region.startBytes), "--region-bytes", String(region.bytes)],
      more,
    ].flat();
    const child = spawn(process.execPath, [join(import.meta.dirname, "vm.ts"), ...args], { stdio: "inherit" });
    children.add(child);
    child.on("exit", () => children.delete(child));
    return child;
  }

  const end = (child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> =>
    new Promise((resolve) => {
      child.on("exit", (code) => resolve(code));
      child.kill(signal);
    });
  const readBack = (): Promise<VerifyOutput> => {
    const initiatorIqn = "iqn.2026-11.lab.tandem:verify";
    return verify(
      openIscsiDevice({ host: "127.0.0.1", port: tgt.port, targetIqn, initiatorIqn, lun }),
      "tgtd",
      regions,
    );
  };

  test("keeps every acknowledged write over a killed target, a migration and a crash", async (t) => {
    await startCollector();
    const stateFile = `${tgt.disk}.state`;
    const first = startVm(vm1, "xcp1", ["--state-file", stateFile]);
    const second = startVm(vm2, "xcp2");
    assert.ok(await collector.waitForAcks(vm1, 2 * slots, 20_000));
    assert.ok(await collector.waitForAcks(vm2, 2 * slots, 20_000));

    const fault = collector.markFault("kill tgtd");
    await tgt.kill();
    await new Promise((resolve) => setTimeout(resolve, 150));
    await tgt.start();
    const startedMs = performance.timeOrigin + performance.now() - fault.atMs;
    assert.ok(await collector.waitForAcks(vm1, 500, 10_000));
    assert.ok(await collector.waitForAcks(vm2, 500, 10_000));
    const back = collector.storageBack(fault.atMs);
    assert.ok(back && back.storageBackMs >= 150);
    t.diagnostic(
      `target open again after ${startedMs.toFixed(0)} ms, storage back after ${back.storageBackMs.toFixed(0)} ms`,
    );

    assert.equal(await end(first, "SIGUSR2"), 0);
    assert.ok(existsSync(stateFile));
    const resumed = startVm(vm1, "xcp2", ["--resume-from", stateFile]);
    assert.ok(await collector.waitForAcks(vm1, slots, 10_000));
    const [before, later] = collector.processes(vm1);
    assert.equal(later?.hello.lineage, before?.hello.lineage);
    assert.deepEqual([later?.hello.generation, later?.hello.resumedAfter], [1, before?.bye?.lastSeq]);

    await end(resumed, "SIGKILL");
    await end(second, "SIGKILL");
    const restarted = startVm(vm1, "xcp1");
    assert.ok(await collector.waitForAcks(vm1, slots + 10, 10_000));
    assert.equal(await end(restarted, "SIGTERM"), 0);
    const found = collector.processes(vm1).at(-1)?.found;
    assert.ok(found && found.highestSeq >= (later?.runs.at(-1)?.to ?? 0));
    assert.deepEqual(found.missing, []);

    const output = await readBack();
    const comparison = compareAcked(collector, output.regions);
    const sound = { ackedWritesLost: 0, lost: [], twoWriters: [], damagedSlots: 0, notChecked: [] };
    assert.deepEqual(comparison, { ...sound, checkedSlots: 2 * slots });
    assert.deepEqual(collector.doubleRuns(), []);
    assert.equal(collector.badLines(), 0);

    for (const of of collector.processes()) {
      const times = of.ackTimes.subarray(0, of.ackTimeCount);
      const gaps = [...times.subarray(1)].map((at, i) => at - (times[i] ?? 0)).sort((a, b) => a - b);
      const median = gaps[gaps.length >> 1] ?? 0;
      t.diagnostic(
        `${of.hello.node}: ${of.ackCount} writes, median ${median.toFixed(3)} ms each, longest gap ${gaps.at(-1)?.toFixed(0)} ms`,
      );
    }

    await tgt.kill();
    const plain = await verify(openDirectDevice({ path: tgt.disk, readOnly: true, direct: false }), tgt.disk, regions);
    assert.deepEqual(plain.regions, output.regions);

    // The same chain must see damage: the newest block of VM 2 goes back to nothing, as a lost write looks.
    const newest = output.regions[1]?.highestSeq ?? 0;
    const fd = openSync(tgt.disk, "r+");
    writeSync(fd, Buffer.alloc(BLOCK_BYTES), 0, BLOCK_BYTES, regionBytes + slotOf(newest, slots) * BLOCK_BYTES);
    closeSync(fd);
    const damaged = await verify(
      openDirectDevice({ path: tgt.disk, readOnly: true, direct: false }),
      tgt.disk,
      regions,
    );
    assert.equal(compareAcked(collector, damaged.regions).lost[0]?.vm, vm2);
    await tgt.start();
  });

  test("sees a second process of a running VM as a double run and as two writers", async () => {
    await startCollector();
    const first = startVm(vm1, "xcp1");
    assert.ok(await collector.waitForAcks(vm1, 100, 10_000));
    const second = startVm(vm1, "xcp2");
    for (let i = 0; i < 200 && collector.processes(vm1).length < 2; i++) await collector.waitForAcks(vm1, 50, 100);
    assert.ok(await collector.waitForAcks(vm1, 1000, 10_000));
    await Promise.all([end(first, "SIGKILL"), end(second, "SIGKILL")]);
    const [run] = collector.doubleRuns();
    assert.deepEqual([run?.first.node, run?.second.node], ["xcp1", "xcp2"]);
    const { twoWriters } = compareAcked(collector, (await readBack()).regions);
    assert.ok(twoWriters.length > 0);
  });

  test("a paused VM is silent and stalls, and no ack is invented for the pause", async () => {
    await startCollector();
    const child = startVm(vm1, "xcp1");
    assert.ok(await collector.waitForAcks(vm1, 100, 10_000));
    child.kill("SIGSTOP");
    await new Promise((resolve) => setTimeout(resolve, 400));
    assert.ok(!collector.isExecuting(vm1, 250));
    child.kill("SIGCONT");
    assert.ok(await collector.waitForAcks(vm1, 100, 10_000));
    assert.ok(collector.isExecuting(vm1, 1000));
    await end(child, "SIGKILL");
    const [process] = collector.processes(vm1);
    assert.ok(process && process.executing.length >= 2, "the pause splits the execution");
    assert.ok(process.stalls.some((stall) => stall.endMono - stall.beginMono >= 350));
  });

  test("a VM whose collector is away goes on writing and tells everything later", async () => {
    await startCollector();
    const child = startVm(vm1, "xcp1");
    assert.ok(await collector.waitForAcks(vm1, 100, 10_000));
    const was = collector.acks(vm1).highestSeq;
    const port = collectorPort;
    await collector.close();
    await new Promise((resolve) => setTimeout(resolve, 500));
    const next = createCollector();
    await next.listen({ host: "127.0.0.1", port });
    collector = next;
    assert.ok(await collector.waitForAcks(vm1, 500, 10_000));
    assert.equal(await end(child, "SIGTERM"), 0);
    const { ranges } = collector.acks(vm1);
    assert.equal(ranges.length, 1, "no hole since the collector came back");
    assert.ok(ranges[0] && ranges[0].from > was);
    assert.deepEqual(collector.processes(vm1)[0]?.bye?.reason, "stopped");
  });
});
