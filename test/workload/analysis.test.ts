import assert from "node:assert/strict";
import { test } from "node:test";
import { BLOCK_BYTES, parseBlock, prepareBlock, slotOf, stampBlock, type Writer } from "./block.ts";
import { createCollector, type Collector } from "./collector.ts";
import { compareAcked } from "./compare.ts";
import type { Body, Hello } from "./messages.ts";
import { missingSeqs, startScan, type RegionReport } from "./region.ts";

const vm = "aaaaaaaa-0000-4000-8000-000000000001";
const slots = 16;

/** A process of the VM whose monotonic clock began at `bootMs` of the collector's clock. */
function processOf(collector: Collector, node: string, id: string, bootMs: number, more: Partial<Hello> = {}) {
  const writer: Writer = { vm, node, incarnation: id.repeat(16), lineage: id.repeat(16), generation: 0, ...more };
  const say = (body: Body, atMs: number): void => {
    const mono = atMs - bootMs;
    collector.ingest(JSON.stringify({ ...body, i: writer.incarnation, mono, wall: atMs }), atMs + 1);
  };
  return {
    writer,
    start(atMs: number): void {
      const mono = atMs - bootMs;
      const hello: Hello = {
        ...writer,
        ...more,
        k: "hello",
        name: "vm1",
        pid: 1,
        storage: "iscsi",
        startedMono: mono,
        startedWall: atMs,
      };
      say(hello, atMs);
    },
    found(atMs: number, highestSeq: number, missing: number[] = []): void {
      const mono = atMs - bootMs;
      const none = { torn: 0, foreign: 0, misplaced: 0, garbage: 0 };
      say({ k: "found", highestSeq, slots, missing, ...none, readBeganMono: mono - 5, readEndedMono: mono }, atMs);
    },
    /** Numbers from..to acknowledged, one per ms from `atMs` on. */
    acks(from: number, to: number, atMs: number): void {
      const d = Array.from({ length: to - from }, () => 1000);
      say({ k: "acks", from, at: atMs - bootMs, d }, atMs + to - from);
    },
    alive(fromMs: number, toMs: number): void {
      for (let at = fromMs; at <= toMs; at += 50) say({ k: "alive" }, at);
    },
    bye: (atMs: number): void => say({ k: "bye", reason: "migrated", lastSeq: 0, dropped: 0 }, atMs),
  };
}

type Disk = Buffer[];
const newDisk = (): Disk => Array.from({ length: slots }, () => Buffer.alloc(BLOCK_BYTES));

function put(disk: Disk, writer: Writer, from: number, to: number): void {
  for (let seq = from; seq <= to; seq++) {
    const block = disk[slotOf(seq, slots)];
    assert.ok(block);
    prepareBlock(block, writer);
    stampBlock(block, seq, slotOf(seq, slots), 0);
  }
}

function read(disk: Disk): RegionReport {
  const scan = startScan({ vm, startBytes: 0, bytes: slots * BLOCK_BYTES });
  disk.forEach((block, slot) => scan.note(slot, parseBlock(block, vm, slot)));
  return scan.report();
}

/** One process, 40 acknowledged writes that are all on the disk. */
function soundRun() {
  const collector = createCollector({ nowMs: () => 2000 });
  const first = processOf(collector, "xcp1", "a", 400);
  first.start(1000);
  first.found(1005, 0);
  first.acks(1, 40, 1010);
  const disk = newDisk();
  put(disk, first.writer, 1, 40);
  return { collector, first, disk };
}

test("a disk that holds all acknowledged writes has lost none", () => {
  const { collector, disk } = soundRun();
  const result = compareAcked(collector, [read(disk)]);
  assert.deepEqual(result, {
    ackedWritesLost: 0,
    lost: [],
    twoWriters: [],
    damagedSlots: 0,
    notChecked: [],
    checkedSlots: slots,
  });
});

test("a write that landed without being acknowledged is no loss", () => {
  const { collector, first, disk } = soundRun();
  put(disk, first.writer, 41, 41);
  assert.equal(compareAcked(collector, [read(disk)]).ackedWritesLost, 0);
});

test("an acknowledged write whose slot holds the former number is lost", () => {
  const { collector, first, disk } = soundRun();
  put(disk, first.writer, 39 - slots, 39 - slots);
  const result = compareAcked(collector, [read(disk)]);
  assert.deepEqual(
    result.lost.map((write) => write.seq),
    [39],
  );
  assert.match(result.lost[0]?.found ?? "", /number 23 of a/);
});

test("an acknowledged write whose slot is empty is lost", () => {
  const { collector, disk } = soundRun();
  disk[3]?.fill(0);
  assert.deepEqual(
    compareAcked(collector, [read(disk)]).lost.map((write) => write.seq),
    [36],
  );
});

test("a torn block is a lost write and a damaged slot", () => {
  const { collector, disk } = soundRun();
  const block = disk[7];
  assert.ok(block);
  block.fill(1, 1024, 1536);
  const report = read(disk);
  assert.deepEqual(report.torn, [{ slot: 7, headSeq: 40, tailSeq: 40 }]);
  const result = compareAcked(collector, [report]);
  assert.deepEqual([result.ackedWritesLost, result.damagedSlots, result.lost[0]?.found], [1, 1, "half a block"]);
});

test("a VM whose region was not read is named as not checked", () => {
  assert.deepEqual(compareAcked(soundRun().collector, []).notChecked, [vm]);
});

test("writes lost before a restart are found though the new process wrote over the place", () => {
  const { collector, disk } = soundRun();
  const second = processOf(collector, "xcp2", "b", 900);
  second.start(1500);
  second.found(1510, 38); // 39 and 40 were acknowledged to the first process
  second.acks(39, 60, 1520);
  put(disk, second.writer, 39, 60);
  const result = compareAcked(collector, [read(disk)]);
  assert.deepEqual(
    result.lost.map((write) => write.seq),
    [39, 40],
  );
  assert.deepEqual(result.twoWriters, []);
});

test("a hole that a restarted VM found is a lost write only if it was acknowledged", () => {
  const { collector, disk } = soundRun();
  const second = processOf(collector, "xcp2", "b", 900);
  second.start(1500);
  second.found(1510, 41, [33, 4711]);
  second.acks(42, 60, 1520);
  put(disk, second.writer, 42, 60);
  assert.deepEqual(
    compareAcked(collector, [read(disk)]).lost.map((write) => write.seq),
    [33],
  );
});

test("missing numbers of a region are those below the highest that are not in their place", () => {
  const { first, disk } = soundRun();
  put(disk, first.writer, 39 - slots, 39 - slots);
  disk[0]?.fill(9);
  assert.deepEqual(missingSeqs(read(disk)), [33, 39]);
});

test("acknowledgements to an older process after a newer one began are two writers", () => {
  const { collector, first, disk } = soundRun();
  const second = processOf(collector, "xcp2", "b", 900);
  second.start(1500);
  second.found(1510, 40);
  second.acks(41, 60, 1520);
  first.acks(41, 45, 1600);
  put(disk, second.writer, 41, 60);
  const result = compareAcked(collector, [read(disk)]);
  assert.deepEqual(
    result.twoWriters.map(({ older, newer, count }) => [older.node, newer.node, count]),
    [["xcp1", "xcp2", 5]],
  );
});

test("a late block of an older process is two writers and a lost write", () => {
  const { collector, first, disk } = soundRun();
  const second = processOf(collector, "xcp2", "b", 900);
  second.start(1500);
  second.found(1510, 40);
  second.acks(41, 50, 1520);
  put(disk, second.writer, 41, 50);
  put(disk, first.writer, 41, 41);
  const result = compareAcked(collector, [read(disk)]);
  assert.equal(result.twoWriters.length, 1);
  assert.deepEqual(
    result.lost.map((write) => [write.seq, write.ackedBy]),
    [[41, second.writer.incarnation]],
  );
});

test("two processes of one VM executing at the same time are a double run with its length", () => {
  const collector = createCollector();
  const first = processOf(collector, "xcp1", "a", 0);
  const second = processOf(collector, "xcp2", "b", 700);
  first.start(1000);
  first.alive(1000, 2000);
  second.start(1800);
  second.alive(1800, 2500);
  const [run, ...more] = collector.doubleRuns();
  assert.deepEqual(more, []);
  assert.deepEqual([run?.first.node, run?.second.node, run?.fromMs, run?.toMs], ["xcp1", "xcp2", 1801, 2001]);
});

test("a paused process does not execute, and does again once it beats", () => {
  const collector = createCollector();
  const first = processOf(collector, "xcp1", "a", 0);
  const second = processOf(collector, "xcp2", "b", 0);
  first.start(1000);
  first.alive(1000, 1500);
  second.start(2000);
  second.alive(2000, 3000);
  assert.deepEqual(collector.doubleRuns(), []);
  first.alive(2600, 2800);
  assert.equal(collector.doubleRuns().length, 1);
});

test("a migration that hands over is no double run and no second writer", () => {
  const { collector, first, disk } = soundRun();
  first.alive(1010, 1060);
  first.bye(1061);
  const lineage = { lineage: first.writer.lineage, generation: 1, resumedAfter: 40 };
  const second = processOf(collector, "xcp2", "b", 1050, lineage);
  second.start(1063);
  second.acks(41, 50, 1065);
  second.alive(1100, 1500);
  put(disk, second.writer, 41, 50);
  assert.deepEqual(collector.doubleRuns(), []);
  const { ackedWritesLost, twoWriters } = compareAcked(collector, [read(disk)]);
  assert.deepEqual([ackedWritesLost, twoWriters], [0, []]);
});

test("the longest stall is the gap that touches the window, on the collector's clock", () => {
  const { collector, first } = soundRun(); // acknowledged until 1049 (+1 of transport)
  first.acks(41, 60, 1649);
  const [stall] = collector.stalls({ fromMs: 1100, toMs: 1700 });
  assert.deepEqual(
    [stall?.stallMs, stall?.fromMs, stall?.isOngoing, stall?.isAcrossProcesses],
    [600, 1050, false, false],
  );
});

test("a stall that nothing ended is ongoing, and one before the window does not count", () => {
  const { collector, first } = soundRun();
  assert.deepEqual(
    collector.stalls({ fromMs: 1020, toMs: 2000 }).map((s) => [s.stallMs, s.isOngoing]),
    [[950, true]],
  );
  first.acks(41, 60, 1649);
  const [later] = collector.stalls({ fromMs: 1655, toMs: 1660 });
  assert.deepEqual([later?.stallMs, later?.isOngoing], [1, false]);
});

test("storage is back at the end of the outage, not at the answer that was still on the wire", () => {
  const { collector, first } = soundRun();
  first.acks(41, 60, 1649);
  const back = collector.storageBack(1040, 1700);
  assert.deepEqual(back, { storageBackMs: 610, firstAckAfterMs: 1, outageMs: 600 });
});

test("storage that does not come back has no time of coming back", () => {
  const { collector } = soundRun();
  assert.equal(collector.storageBack(1045, 1700), undefined);
  assert.equal(collector.storageBack(1060, 1700), undefined);
});

test("waiting for acknowledgements ends when they come and says no when they do not", async () => {
  const { collector, first } = soundRun();
  const wait = collector.waitForAcks(vm, 10, 5000);
  first.acks(41, 50, 1700);
  assert.equal(await wait, true);
  assert.equal(await collector.waitForAcks(vm, 1, 1), false);
  assert.deepEqual(collector.acks(vm), { vm, count: 50, highestSeq: 50, ranges: [{ from: 1, to: 50 }] });
});

test("a line that cannot be read is counted and harms nothing", () => {
  const { collector } = soundRun();
  for (const line of ['{"k":"acks","from":1', "", "null", '{"k":"alive","i":"unknown","mono":1,"wall":1}'])
    collector.ingest(line, 1);
  assert.equal(collector.badLines(), 4);
  assert.equal(collector.ackedCount(vm), 40);
});
