import assert from "node:assert/strict";
import { test } from "node:test";
import { createLanes } from "../../../src/act/lanes.ts";
import type { Config } from "../../../src/config/config.ts";
import { createPoolHands, type PoolHandsParts } from "../../../src/daemon/pool/pool-hands.ts";
import type { PoolOutsideEvent } from "../../../src/daemon/brain/pool-brain.ts";
import type { FencePort } from "../../../src/drivers/fence/port.ts";
import { err, ok } from "../../../src/util/result.ts";

type FenceResult = Awaited<ReturnType<FencePort["off"]>>;

function hands(change: Partial<PoolHandsParts>) {
  const fed: PoolOutsideEvent[] = [];
  const created = createPoolHands({
    drivers: {
      domains: {
        list: () => Promise.resolve(ok([])),
        pause: () => Promise.resolve(ok("changed")),
        unpause: () => Promise.resolve(ok("changed")),
        destroy: () => Promise.resolve(ok("changed")),
      } as unknown as PoolHandsParts["drivers"]["domains"],
      fence: {} as PoolHandsParts["drivers"]["fence"],
    },
    store: {
      load: () => Promise.resolve(err({ kind: "absent" })),
      save: () => Promise.resolve(ok("saved")),
    },
    pool: { perform: () => Promise.resolve(err("not in this test")) },
    lanes: createLanes((error) => assert.fail(String(error))),
    config: () => ({ self: { uuid: "a", name: "a" } }) as unknown as Config,
    alerts: { raise: () => undefined, clear: () => undefined },
    control: { settle: () => undefined },
    feed: (event) => fed.push(event),
    bars: null,
    lookAtDomains: () => Promise.resolve(),
    log: () => undefined,
    ...change,
  });
  return { created, fed };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("several hosts are fenced side by side, each result under its own number", async () => {
  const open = new Map<string, (result: FenceResult) => void>();
  const off = (hostId: string): Promise<FenceResult> => new Promise((resolve) => open.set(hostId, resolve));
  const { created, fed } = hands({
    drivers: {
      domains: {} as PoolHandsParts["drivers"]["domains"],
      fence: { off } as PoolHandsParts["drivers"]["fence"],
    },
  });
  created.perform([
    { kind: "fence", hostId: "x", id: 1 },
    { kind: "fence", hostId: "y", id: 2 },
  ]);
  await settled();
  assert.deepEqual([...open.keys()], ["x", "y"], "the second did not wait for the first");
  open.get("y")?.({ kind: "verified-off", elapsedMs: 5 });
  await settled();
  open.get("x")?.({ kind: "failed", reason: "the device does not answer" });
  await settled();
  assert.deepEqual(
    fed.map((one) => (one.kind === "result" ? [one.id, one.ok] : [])),
    [
      [2, true],
      [1, false],
    ],
  );
});

test("a procedure that xapi refuses ends as a failure with its reason, and without a snapshot nothing is permitted", async () => {
  const asked: boolean[] = [];
  const { created, fed } = hands({
    pool: {
      perform(_work, permitted = () => true) {
        asked.push(permitted());
        return Promise.resolve(err("xapi does not answer"));
      },
    },
  });
  created.perform([
    { kind: "xapi-promote", id: 7 },
    { kind: "recover-supporters", id: 8 },
  ]);
  await settled();
  await settled();
  assert.deepEqual(asked, [false, false]);
  assert.deepEqual(
    fed.map((one) => (one.kind === "result" ? [one.id, one.ok, one.detail] : [])),
    [
      [7, false, "xapi does not answer"],
      [8, false, "xapi does not answer"],
    ],
  );
  assert.equal(created.survivors("x"), null);
});
