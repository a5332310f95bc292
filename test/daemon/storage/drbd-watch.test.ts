// An event stream that hangs without ending: what the brain is told of DRBD all the same.

import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { test, type TestContext } from "node:test";
import type { DrbdView } from "../../../src/core/model/drbd.ts";
import { startDrbdWatch } from "../../../src/daemon/storage/drbd-watch.ts";
import type { OutsideEvent } from "../../../src/daemon/brain/messages.ts";
import type { DriverError } from "../../../src/drivers/driver-error.ts";
import { err, ok, type Result } from "../../../src/util/result.ts";
import { sampleView } from "../../drivers/drbd/sample-view.ts";

const CONNECTED = sampleView();
const LOST: DrbdView = { ...CONNECTED, connection: "Connecting", replication: "Off", peerDisk: "DUnknown" };
const LOOK_MS = 30;

function setUp(t: TestContext, inContact: boolean) {
  const heard: OutsideEvent[] = [];
  const streams: { say(view: DrbdView): void; stopped: boolean }[] = [];
  const looks: { answer: Result<ReadonlyMap<string, DrbdView>, DriverError>; count: number } = {
    answer: ok(new Map([["r", CONNECTED]])),
    count: 0,
  };
  let counters = { writtenSectors: 10, outOfSyncKiB: 0 };
  const watch = startDrbdWatch({
    drbd: {
      follow(onChange) {
        const stream = { say: (view: DrbdView) => onChange(new Map([["r", view]])), stopped: false };
        streams.push(stream);
        return { stop: () => (stream.stopped = true) };
      },
      async observe() {
        looks.count += 1;
        return looks.answer;
      },
      generation: async () => ok({ current: "A", bitmap: "0", history: [] }),
      counters: async () => counters,
    },
    inContact: () => inContact,
    now: () => 0,
    wallMs: () => 1_000,
    partedMs: LOOK_MS,
    feed: (event) => heard.push(event),
    log: () => undefined,
    lookMs: LOOK_MS,
    progressMs: LOOK_MS,
  });
  t.after(() => watch.stop());
  const connection = (): string => {
    const last = heard.findLast((event) => event.kind === "drbd");
    assert.ok(last?.kind === "drbd");
    return last.views.kind === "known" ? (last.views.value["r"]?.connection ?? "absent") : "unknown";
  };
  const view = (): DrbdView | undefined => {
    const last = heard.findLast((event) => event.kind === "drbd");
    return last?.kind === "drbd" && last.views.kind === "known" ? last.views.value["r"] : undefined;
  };
  const count = (writtenSectors: number, outOfSyncKiB: number): void => {
    counters = { writtenSectors, outOfSyncKiB };
  };
  return { watch, streams, looks, connection, view, count };
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let round = 0; round < 500; round++) {
    if (condition()) return;
    await delay(10);
  }
  assert.fail(`never happened: ${what}`);
}

test("a waiting fence-peer handler outweighs a picture that says Connected, and what repeats that picture", async (t) => {
  const { watch, streams, connection } = setUp(t, true);
  streams[0]?.say(CONNECTED);
  watch.handlerWaits("r");
  assert.equal(connection(), "NetworkFailure");
  // The generation is read meanwhile and told with the picture.
  await delay(10);
  assert.equal(connection(), "NetworkFailure");
  await until("the silent stream is replaced", () => streams.length === 2 && streams[0]?.stopped === true);
  streams[1]?.say(LOST);
  assert.equal(connection(), "Connecting");
});

test("a handler whose event comes a moment later leaves the stream as it is", async (t) => {
  const { watch, streams, connection } = setUp(t, true);
  streams[0]?.say(CONNECTED);
  watch.handlerWaits("r");
  streams[0]?.say(LOST);
  await delay(3 * LOOK_MS);
  assert.deepEqual([streams.length, connection()], [1, "Connecting"]);
});

test("without the other host's word Connected is believed only as long as a look confirms it", async (t) => {
  const { streams, looks, connection } = setUp(t, false);
  streams[0]?.say(CONNECTED);
  await until("it is confirmed", () => looks.count >= 2);
  assert.deepEqual([streams.length, connection()], [1, "Connected"]);
  looks.answer = ok(new Map([["r", LOST]]));
  await until("the look is believed", () => connection() === "Connecting");
  assert.equal(streams.length, 2);
});

test("what cannot be looked at is not known", async (t) => {
  const { streams, looks, connection } = setUp(t, false);
  streams[0]?.say(CONNECTED);
  looks.answer = err({ kind: "timeout", command: "drbdsetup", afterMs: 3_000 });
  await until("nothing is known", () => connection() === "unknown");
  assert.equal(streams.length, 2);
});

test("while the daemons talk nothing is looked at", async (t) => {
  const { streams, looks } = setUp(t, true);
  streams[0]?.say(CONNECTED);
  await delay(3 * LOOK_MS);
  assert.equal(looks.count, 0);
});

test("a resync is looked at while it runs, and nothing else is taken from that look", async (t) => {
  const { streams, looks, view } = setUp(t, true);
  const syncing: DrbdView = { ...CONNECTED, replication: "SyncSource", outOfSyncKiB: 900, donePercent: 10 };
  looks.answer = ok(new Map([["r", { ...syncing, role: "Secondary" as const, outOfSyncKiB: 500, donePercent: 50 }]]));
  streams[0]?.say(syncing);
  await until("the progress is seen", () => view()?.donePercent === 50);
  assert.equal(view()?.outOfSyncKiB, 500);
  assert.equal(view()?.role, "Primary");
  // A look at a resync that is over meanwhile changes nothing.
  streams[0]?.say(CONNECTED);
  const before = looks.count;
  await delay(3 * LOOK_MS);
  assert.ok(looks.count <= before + 1);
  assert.equal(view()?.donePercent, null);
});

test("a copy that stands alone tells what it has alone, and when it was written last", async (t) => {
  const { streams, view, count } = setUp(t, true);
  streams[0]?.say({ ...CONNECTED, connection: "Connecting" });
  await delay(4 * LOOK_MS);
  count(18, 64);
  await delay(4 * LOOK_MS);
  assert.equal(view()?.lastWriteWallMs, undefined, "nobody has to choose yet");
  streams[0]?.say({ ...CONNECTED, role: "Secondary", connection: "StandAlone", outOfSyncKiB: null });
  await until("the size is seen", () => view()?.outOfSyncKiB === 64);
  assert.equal(view()?.lastWriteWallMs, 1_000);
  // Found again, it is one copy of two that agree.
  streams[0]?.say(CONNECTED);
  assert.equal(view()?.outOfSyncKiB, 0);
  assert.equal(view()?.lastWriteWallMs, undefined);
});
