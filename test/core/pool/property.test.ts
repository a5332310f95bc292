// Faults at random times from a seed, on pools of three to five hosts: no VM ever runs on two hosts (V2), no host in contact
// is fenced (V7), and when everything is mended everything runs again. A rule that is taken out must show here.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { play, settle } from "./schedule.ts";
import type { WorldOptions } from "./world.ts";

const SEEDS = Number(process.env["POOL_SEEDS"] ?? 15);

const kinds: readonly WorldOptions[] = [
  { hosts: 3, storage: true },
  { hosts: 4, storage: true },
  { hosts: 5, storage: true, policy: "strict+vote" },
  { hosts: 3, storage: false },
  { hosts: 4, storage: false },
  { hosts: 5, storage: false },
  { hosts: 5, storage: false, policy: "strict" },
];

describe("pools of three to five hosts under random faults", () => {
  for (const options of kinds) {
    const name = `${options.hosts} hosts, ${options.storage ? "a storage pair" : "no storage of ours"}, ${options.policy ?? "vote"}`;
    test(name, { timeout: 300_000 }, () => {
      for (let seed = 1; seed <= SEEDS; seed += 1) {
        try {
          const world = play({ ...options, seed });
          settle(world);
          const still = world.hosts.filter((host) => host.state.softFenced || host.state.dead.length > 0);
          assert.deepEqual(
            still.map((host) => host.id),
            [],
            "everybody lives again",
          );
          assert.notEqual(world.leader(), undefined, "somebody leads");
        } catch (error) {
          throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
        }
      }
    });
  }
});
