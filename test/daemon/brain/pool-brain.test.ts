// Three hosts of a pool as they run: the pool's part of the brain on each, beats over real sockets, hands that are scripted.

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { Timers } from "../../../src/core/model/config.ts";
import type { DurableRecord } from "../../../src/core/model/durable.ts";
import { known } from "../../../src/core/model/observation.ts";
import type { PairFacts, PoolConfig } from "../../../src/core/pool/model.ts";
import {
  startPoolBrain,
  type PoolBrain,
  type PoolOuterAction,
  type PoolSnapshot,
} from "../../../src/daemon/brain/pool-brain.ts";
import { createMemberLink } from "../../../src/drivers/peer/member-link.ts";
import { derivePeerKey, peerKeys } from "../../../src/drivers/peer/keys.ts";
import type { WatchdogPort } from "../../../src/drivers/watchdog/port.ts";
import { ok } from "../../../src/util/result.ts";
import { TIMERS } from "../../core/pool/timers.ts";
import { addressOf } from "../../xapi-sim/addresses.ts";

const ids = ["a", "b", "c"];
const poolId = "pool";
const key = derivePeerKey(Buffer.from("pool-secret-of-the-lab-0123456789"), poolId);
/** The shortest that the ticks of a loaded machine keep up with. */
const timers: Timers = { ...TIMERS, dead: 2_000, lease: 3_000, watchdog: 1_000, take: 6_000 };
const pair: PairFacts = { authority: true, epoch: 1, owner: "a", ha: "on", maintenance: false, peerOff: false };

interface Host {
  readonly brain: PoolBrain;
  readonly actions: PoolOuterAction[];
  newest: PoolSnapshot | null;
  tokens: number;
}

async function start(t: TestContext, hostId: string, port: number, facts: (() => PairFacts) | null): Promise<Host> {
  const config: PoolConfig = {
    hostId,
    hosts: ids,
    storageHosts: ["a", "b"],
    cfgHash: "same",
    policy: "vote",
    timers,
    fenceEnabled: true,
    quorumRequired: true,
    minHosts: 2,
    mayRestart: true,
    mayLead: true,
    rebootLoneHost: false,
    watchdogUsed: true,
    removedRules: [],
  };
  const durable: DurableRecord = {
    poolId,
    hostId,
    ha: "on",
    flags: { manual: false, maintenance: false },
    peerHa: "on",
    peerFlags: { manual: false, maintenance: false },
    epoch: 0,
    owner: null,
    solo: {},
    lastSync: {},
    takeovers: 0,
  };
  let armed = false;
  const set = (to: boolean): ReturnType<WatchdogPort["arm"]> => {
    armed = to;
    return Promise.resolve(ok("changed"));
  };
  const watchdog: WatchdogPort = {
    arm: () => set(true),
    disarm: () => set(false),
    token: () => void (host.tokens += 1),
    armed: () => armed,
  };
  const local = { management: addressOf(ids.indexOf(hostId)) };
  const bootId = hostId.repeat(32);
  const brain = await startPoolBrain(
    {
      config,
      durable,
      bootId,
      incarnation: 1,
      names: { a: "xcp1", b: "xcp2", c: "xcp3" },
      link: {
        poolId,
        hostId,
        bootId,
        incarnation: 1,
        port,
        local,
        members: ids
          .filter((id) => id !== hostId)
          .map((id) => ({ hostId: id, addresses: { management: addressOf(ids.indexOf(id)) } })),
        keys: peerKeys(key, null),
      },
    },
    {
      link: createMemberLink,
      watchdog: hostId === "c" ? watchdog : null,
      handsAlive: () => true,
      pair: facts,
      send(message) {
        if (message.kind === "pool-snapshot") host.newest = message.snapshot;
        if (message.kind === "pool-actions") perform(message.actions);
      },
    },
  );
  const host: Host = { brain, actions: [], newest: null, tokens: 0 };
  const perform = (actions: readonly PoolOuterAction[]): void => {
    for (const action of actions) {
      host.actions.push(action);
      if (!("survivors" in action || action.kind === "persist" || action.kind === "pause-domains")) continue;
      const { id } = action;
      setTimeout(() => brain.feed({ kind: "result", id, ok: true, detail: "done" }), 1);
    }
  };
  const domains = [{ uuid: `vm-${hostId}`, domId: 1, name: `vm-${hostId}`, paused: false }];
  brain.feed({ kind: "domains", domains: known(domains, performance.now()) });
  const role = hostId === "a" ? ("master" as const) : ("supporter" as const);
  brain.feed({ kind: "xapi", xapi: known({ role, masterId: "a" }, performance.now()) });
  t.after(() => brain.stop());
  return host;
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let round = 0; round < 1_500; round += 1) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail(`never came true: ${what}`);
}

test(
  "the owner of the storage leads; a member that ends is declared dead and the hands are asked once",
  { timeout: 60_000 },
  async (t) => {
    const port = 20_000 + (process.pid % 20_000);
    const a = await start(t, "a", port, () => pair);
    const b = await start(t, "b", port, () => ({ ...pair, authority: false }));
    const c = await start(t, "c", port, null);
    await until("c follows a, with its watchdog armed and fed", () => {
      const { state, leader } = c.newest ?? { state: undefined, leader: null };
      return leader === "a" && state?.watchdogArmed === true && c.tokens > 0 && a.newest?.leads === true;
    });
    await until("a knows what runs on c", () => {
      const body = a.newest?.state.neighbours["c"]?.body;
      return body?.watchdogArmed === true && body.domains?.[0] === "vm-c";
    });
    assert.notEqual(a.newest?.restartRefusals["c"], null, "nothing may be started while it answers");
    await c.brain.stop();
    await until("a asks for its VMs", () => a.actions.some((one) => one.kind === "recover-host"));
    assert.deepEqual(
      a.actions.flatMap((one) => (one.kind === "recover-host" ? [[one.hostId, one.survivors]] : [])),
      [["c", ["a", "b"]]],
    );
    await until("the permission stands in the snapshot", () => a.newest?.restartRefusals["c"] === null);
    assert.deepEqual(b.newest?.state.dead, ["c"], "the other voter knows of the death");
  },
);
