// The fence path is tried before it is needed: what status shows, and when the device is left alone.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startFenceWatch, type FenceReadiness } from "../../../src/daemon/readiness/fence-watch.ts";
import type { StatusResult } from "../../../src/drivers/fence/port.ts";

const PEER = "22222222-2222-4222-8222-222222222222";

interface Bend {
  readonly method?: string;
  readonly enabled?: boolean;
  readonly hosts?: readonly { readonly uuid: string; readonly name: string }[];
}

function setUp(answer: (hostId: string) => StatusResult | Promise<StatusResult>, bend: Bend = {}) {
  const asked: string[] = [];
  const news: FenceReadiness[] = [];
  const world = { contact: true, silent: "" };
  const watch = startFenceWatch({
    fence: {
      async check(hostId) {
        asked.push(hostId);
        return answer(hostId);
      },
    },
    target: () => ({ method: "ILO", enabled: true, hosts: [{ uuid: PEER, name: "xcp2" }], ...bend }),
    inContact: (hostId) => world.contact && hostId !== world.silent,
    onChange: (readiness) => news.push(readiness),
    periodMs: 40,
    retryMs: 20,
  });
  return { watch, asked, news, world };
}

test("nothing is known before the first try", () => {
  const { watch } = setUp(() => ({ kind: "power", state: "on" }));
  assert.deepEqual(watch.readiness(), { ready: null, detail: "not tried yet" });
  watch.stop();
});

test("a device that answers is ready, is tried again and again, and is told once", async () => {
  const { watch, asked, news } = setUp(() => ({ kind: "power", state: "on" }));
  assert.deepEqual(await watch.check(), { ready: true, detail: "ILO answers: xcp2 is on" });
  while (asked.length < 3) await sleep(10);
  assert.deepEqual(asked.slice(0, 3), [PEER, PEER, PEER]);
  assert.equal(news.length, 1);
  watch.stop();
});

test("a device that fails is not ready, with its reason, and is ready when it answers again", async () => {
  let works = false;
  const { watch, news } = setUp(() =>
    works ? { kind: "power", state: "on" } : { kind: "failed", reason: "wrong password" },
  );
  assert.deepEqual(await watch.check(), { ready: false, detail: "wrong password" });
  works = true;
  while (news.length < 2) await sleep(10);
  assert.equal(watch.readiness().ready, true);
  watch.stop();
});

test("a device that calls a host off which answers is another machine's", async () => {
  const { watch } = setUp(() => ({ kind: "power", state: "off" }));
  const found = await watch.check();
  assert.equal(found.ready, false);
  assert.match(found.detail, /says that xcp2 is off, but xcp2 answers/);
  watch.stop();
});

test("while the other host is silent the device is left alone and the last word stands", async () => {
  const { watch, asked, world } = setUp(() => ({ kind: "power", state: "on" }));
  await watch.check();
  world.contact = false;
  const before = asked.length;
  assert.equal((await watch.check()).ready, true);
  assert.equal(asked.length, before);
  watch.stop();
});

test("POOL and FENCE_ENABLED=0 have nothing to try", async () => {
  for (const bend of [{ method: "POOL" }, { enabled: false }]) {
    const { watch, asked } = setUp(() => ({ kind: "failed", reason: "never asked" }), bend);
    assert.equal((await watch.check()).ready, null);
    assert.deepEqual(asked, []);
    watch.stop();
  }
});

test("two who ask at once share one try", async () => {
  const { watch, asked } = setUp(async () => {
    await sleep(20);
    return { kind: "power", state: "on" };
  });
  await Promise.all([watch.check(), watch.check()]);
  assert.equal(asked.length, 1);
  watch.stop();
});

test("in a larger pool every host's device is tried, and the one that fails is named", async () => {
  const hosts = ["xcp2", "xcp3", "xcp4"].map((name) => ({ uuid: name, name }));
  let broken = "xcp3";
  const { watch, asked, world } = setUp(
    (hostId) => (hostId === broken ? { kind: "failed", reason: "wrong password" } : { kind: "power", state: "on" }),
    { hosts },
  );
  world.silent = "xcp4";
  assert.deepEqual(await watch.check(), { ready: false, detail: "xcp3: wrong password" });
  assert.deepEqual(asked.toSorted(), ["xcp2", "xcp3"]);
  assert.equal(watch.readiness("xcp2").ready, true);
  broken = "";
  assert.deepEqual(await watch.check(), { ready: null, detail: "not tried yet: xcp4" });
  world.silent = "";
  assert.deepEqual(await watch.check(), { ready: true, detail: "ILO answers for 3 hosts" });
  watch.stop();
});
