// A rule that is taken out must show: in each of these stories a VM then runs on two hosts (V2), and with the rule it does not.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { World, type WorldOptions } from "./world.ts";

interface Story {
  readonly rule: string;
  readonly name: string;
  readonly options: WorldOptions;
  readonly play: (world: World) => void;
}

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];

const cutOff = (world: World): void => {
  world.run(10_000);
  world.isolate(4);
  world.run(60_000);
};

const stories: readonly Story[] = [
  {
    rule: "D7",
    name: "the VMs of a host that was cut off start before it has stopped them",
    options: { hosts: 5, storage: true },
    play: cutOff,
  },
  {
    rule: "D8",
    name: "a host that was cut off does not stop its VMs",
    options: { hosts: 5, storage: true },
    play: cutOff,
  },
  {
    rule: "D16",
    name: "a host that was declared dead comes back with what it still has",
    options: { hosts: 5, storage: true },
    play(world) {
      cutOff(world);
      world.heal();
      world.run(20_000);
    },
  },
];

describe("without a rule of the pool", () => {
  for (const { rule, name, options, play } of stories) {
    test(`${rule}: ${name}`, () => {
      // What a mutant breaks may need one packet before another: with the rule it holds in every order.
      for (const seed of SEEDS) play(new World({ ...options, seed }));
      assert.throws(() => {
        for (const seed of SEEDS) play(new World({ ...options, seed, removedRules: [rule] }));
      }, /V2/);
    });
  }
});
