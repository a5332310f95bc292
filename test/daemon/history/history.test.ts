// The history of failovers: what begins one, what ends it, and that a torn file, a full disk and growth do no harm.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openHistory, type History } from "../../../src/daemon/history/history.ts";

const folder = await mkdtemp(join(tmpdir(), "tandem-history-"));
after(() => rm(folder, { recursive: true, force: true }));

let count = 0;
interface Bench {
  readonly path: string;
  now: number;
  readonly trouble: (string | null)[];
  open(mostLines?: number): History;
}

function bench(path = join(folder, `${count++}.jsonl`)): Bench {
  const one: Bench = {
    path,
    now: Date.UTC(2026, 10, 21, 9),
    trouble: [],
    open: (mostLines) =>
      openHistory({
        path,
        node: "xcp2",
        wallMs: () => one.now,
        onTrouble: (reason) => void one.trouble.push(reason),
        ...(mostLines === undefined ? {} : { mostLines }),
      }),
  };
  return one;
}

/** A takeover as the daemon of the survivor tells it; the times are seconds after the power loss. */
function takeover(at: Bench, history: History): void {
  const zero = at.now;
  const said: readonly (readonly [number, string, string])[] = [
    [1, "peer.suspected", "no answer from the other host for 1000 ms"],
    [1, "vote.passed", "noise"],
    [3, "peer.dead", "silent on every channel for 3000 ms"],
    [13, "storage.activating", "the other host is gone"],
    [13.6, "storage.activated", "the other host is gone: 600 ms"],
    [20, "vm.started", "3 VMs"],
  ];
  for (const [seconds, event, detail] of said) {
    at.now = zero + seconds * 1000;
    history.add(event, detail);
  }
}

test("a takeover is one failover with its timeline; ordinary events are none", async () => {
  const at = bench();
  const history = at.open();
  history.add("daemon.started", "0.1.0");
  history.add("state.changed", "STANDBY");
  assert.deepEqual(history.list(10), []);
  takeover(at, history);
  const [found] = history.list(10);
  assert.equal(found?.isOver, false);
  assert.equal(found?.summary, "the other host fell silent; this host took the storage; VMs were started here");
  assert.deepEqual(
    found?.events.map(({ event }) => event),
    ["peer.suspected", "peer.dead", "storage.activating", "storage.activated", "vm.started"],
  );
  await history.settled();
});

test("it lasts until the other host is back, over hours of quiet and a restart of the daemon", async () => {
  const at = bench();
  const first = at.open();
  takeover(at, first);
  await first.settled();
  at.now += 3 * 3_600_000;
  const second = at.open();
  await second.settled();
  second.add("daemon.started", "0.1.0");
  second.add("peer.contact", "the other host answers again");
  at.now += 30_000;
  second.add("drbd.changed", "the other copy is up to date again");
  at.now += 61_000;
  second.add("storage.releasing", "switch by an operator");
  await second.settled();
  const [outage, move, ...more] = at.open().list(10);
  assert.deepEqual([outage, move, more], [undefined, undefined, []], "nothing before the file is read");
  const third = at.open();
  await third.settled();
  const found = third.list(10);
  assert.equal(found.length, 2);
  assert.equal(found[0]?.isOver, true);
  assert.equal(found[0]?.events.at(-1)?.event, "drbd.changed");
  assert.match(found[0]?.summary ?? "", /silent for 10\d\d\d(\.\d)? s/);
  assert.equal(found[1]?.events[0]?.event, "storage.releasing");
  assert.deepEqual(third.list(1), found.slice(1));
});

test("a torn last line and damaged lines are skipped, and the next line is whole", async () => {
  const at = bench();
  const first = at.open();
  takeover(at, first);
  await first.settled();
  const text = await readFile(at.path, "utf8");
  await writeFile(at.path, `\u0000\u0000garbage\n{"wallMs":"no"}\n${text.slice(0, -30)}`);
  const second = at.open();
  await second.settled();
  second.add("peer.contact", "the other host answers again");
  await second.settled();
  const third = at.open();
  await third.settled();
  assert.deepEqual(
    third.list(10).flatMap((one) => one.events.map(({ event }) => event)),
    ["peer.suspected", "peer.dead", "storage.activating", "storage.activated", "peer.contact"],
  );
  assert.deepEqual(at.trouble, []);
});

test("the file is bounded and keeps the newest", async () => {
  const at = bench();
  const history = at.open(100);
  for (let i = 0; i < 60; i++) {
    at.now += 120_000;
    history.add("target.died", `death ${i}`);
    history.add("target.restarted", `life ${i}`);
    await history.settled();
  }
  const lines = (await readFile(at.path, "utf8")).trim().split("\n");
  assert.ok(lines.length <= 100, `${lines.length} lines`);
  const newest = history.list(1000);
  assert.equal(newest.at(-1)?.events[0]?.detail, "death 59");
  assert.ok(newest.length <= 50);
});

test("what cannot be written stays in memory, is told once, and is told again when it works", async () => {
  const blocked = join(folder, "file-instead-of-folder");
  await writeFile(blocked, "");
  const at = bench(join(blocked, "history.jsonl"));
  const history = at.open();
  takeover(at, history);
  await history.settled();
  assert.equal(history.list(10).length, 1);
  assert.equal(at.trouble.length, 1);
  assert.match(at.trouble[0] ?? "", /^Cannot write .*history\.jsonl: /);
  await rm(blocked);
  history.add("peer.contact", "the other host answers again");
  await history.settled();
  assert.deepEqual(at.trouble.slice(1), [null]);
  const again = at.open();
  await again.settled();
  assert.equal(again.list(10)[0]?.events.length, 6, "what could not be written at first is there");
});
