// The rules of protocol.md 6, each with the sequence that breaks a named invariant when it is taken out.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RULES } from "../../src/core/rules.ts";
import { createWorld, R } from "../sim/world.ts";
import { observeDrbd } from "../sim/drbd.ts";
import { ZERO } from "../sim/sim.ts";
import { broken, covered, cut, mend, mutation, soon, worldWithout } from "./mutation.ts";
import "./amendments.ts";

const MANUAL = { kind: "manual", on: true, force: false } as const;

mutation("D1", "manual mode of either host forbids a takeover", /V5 b takes over in manual mode/, (removed) => {
  const world = worldWithout(removed);
  world.command("b", MANUAL);
  world.run(1_000);
  world.powerOff("a");
  world.run(30_000);
  return broken(world);
});

mutation("D2", "a host that answers again is asked, not given up", /V11/, (removed) => {
  const world = worldWithout(removed, { policy: "strict", config: { quorumRequired: false } });
  cut(world, "b");
  world.run(2_000);
  world.links.management.b = true;
  world.run(20_000);
  return broken(world, {
    "V7 both hosts stay on": world.hosts.a.power && world.hosts.b.power,
    "V11 the owner serves with the other one's consent": world.serving("a"),
  });
});

mutation("D3", "no I/O without the peer's durable consent while it may still be eligible", /V3 b serves/, (removed) => {
  const world = worldWithout(removed);
  world.links.replication.a = false;
  world.run(1_300);
  // Heard by nobody any more, it still counts the peer as in contact when DRBD gives up.
  world.sim.network.filtered.a = true;
  world.run(30_000);
  return broken(world);
});

mutation("D4", "an owner that lost everything goes on only with its vote", /V1 both serve/, (removed) => {
  const world = worldWithout(removed);
  cut(world, "a");
  world.run(30_000);
  return broken(world);
});

mutation("D5", "a heuristic address that dies later does not stop a solo owner", /V11/, (removed) => {
  const world = worldWithout(removed);
  world.powerOff("b");
  world.run(4_500);
  world.gateway = false;
  world.run(20_000);
  const stopped = world.log.some((l) => l.host === "a" && l.event === "self-fence.begun");
  return broken(world, { "V11 the solo owner serves on": world.serving("a") && !stopped });
});

mutation("D6", "nobody takes over before the old owner's lease and watchdog ran out", /V1|V2|V3/, (removed) => {
  const world = worldWithout(removed);
  world.freeze("a", 4_000);
  world.run(30_000);
  return broken(world);
});

mutation("D7", "the peer's VMs start only after it must have stopped them", /V2 vm-b runs on both/, (removed) => {
  const world = worldWithout(removed, { latencyMs: (kind) => (kind === "recover-peer" ? 200 : undefined) });
  cut(world, "b");
  world.run(30_000);
  return broken(world);
});

mutation(
  "D8",
  "a host without authority pauses its VMs before they start elsewhere",
  /V2 vm-a runs on both/,
  (removed) => {
    const world = worldWithout(removed);
    cut(world, "a");
    world.run(60_000);
    return broken(world);
  },
);

mutation(
  "D9",
  "a host that is not heard pauses its VMs although its vote passes",
  /V2 vm-b runs on both/,
  (removed) => {
    const world = worldWithout(removed);
    world.sim.network.filtered.b = true;
    world.run(40_000);
    return broken(world);
  },
);

mutation("D10", "samples that a stall skipped count as failed", /V3 b serves/, (removed) => {
  const world = worldWithout(removed);
  cut(world, "b");
  world.run(300);
  world.stallDaemon("b", 3_500);
  world.run(3_450);
  // The gateway answers b again before it looks. Nothing of a reaches b, and what b sends reaches a only when that one
  // goes on alone: H1 holds.
  world.sim.network.filtered.a = true;
  world.sim.network.filtered.b = true;
  mend(world, "b");
  world.run(1_500);
  world.sim.network.filtered.b = false;
  world.run(20_000);
  return broken(world);
});

mutation("D11", "whoever sees a higher epoch stops serving", /V/, (removed) => {
  const world = worldWithout(removed);
  cut(world, "a");
  world.run(40_000);
  mend(world, "a");
  world.run(20_000);
  return broken(world, { "V6 one owner": world.state("a").durable.owner === "b", "V11 b serves": world.serving("b") });
});

mutation("D12", "power-off of the peer does not make a rebooted copy the newest", /V3|V4/, (removed) => {
  const world = worldWithout(removed, { policy: "strict" });
  world.powerOff("b");
  world.run(8_000);
  world.links.replication.b = false;
  world.powerOn("b");
  world.run(8_000);
  world.powerOff("a");
  world.run(30_000);
  return broken(world);
});

mutation("D13", "the host with the newer data becomes the owner", /V11/, (removed) => {
  const world = createWorld({ config: { removedRules: removed } });
  const older = world.hosts.a.sides[R];
  const newer = world.hosts.b.sides[R];
  assert.ok(older !== undefined && newer !== undefined);
  newer.generation = { current: "00000000000000F0", bitmap: older.generation.current, history: [ZERO] };
  newer.peerOutdated = true;
  newer.data = 5;
  world.sim.acked[R] = 5;
  world.links.replication.a = false;
  world.powerOn("a");
  world.powerOn("b");
  world.run(30_000);
  return broken(world, { "V11 the newer copy serves": world.serving("b") });
});

mutation("D14", "a host that said that it leaves is not powered off", /V7 b fences a leaving host/, (removed) => {
  const world = worldWithout(removed, { policy: "strict" });
  world.hosts.a.domains.clear();
  world.run(10_500);
  world.command("a", { kind: "leave" });
  const moved = soon(world, () => world.serving("b"), 3_000);
  world.powerOff("a");
  const back = soon(world, () => world.serving("b"), 5_000);
  world.run(20_000);
  return broken(world, { "the storage moves first": moved, "V11 no waiting": back && world.serving("b") });
});

mutation("D15", "the storage does not run to and fro by itself", /V12/, (removed) => {
  const world = worldWithout(removed);
  const crash = (host: "a" | "b"): void => {
    for (let i = 0; i < 3; i++) {
      world.killTarget(host);
      world.run(3_000);
    }
  };
  crash("a");
  const moved = soon(world, () => world.serving("b"), 5_000);
  crash("b");
  world.run(5_000);
  return broken(world, { "D18 moves it once": moved, "V12 it stays for 300 s": world.serving("b") });
});

mutation("D16", "the lost host's initiators are out before its VMs start here", /V2/, (removed) => {
  const world = worldWithout(removed, { policy: "strict" });
  world.powerOff("b");
  const started = soon(world, () => world.hosts.a.domains.has("vm-b"), 45_000);
  return broken(world, { "its VM starts": started, "V2 its initiators are barred": world.hosts.a.target.barred });
});

mutation("D17", "the storage follows the pool master while both hosts answer", /follows/, (removed) => {
  const world = worldWithout(removed);
  world.hosts.a.disk.xapi = "supporter";
  world.hosts.b.disk.xapi = "master";
  return broken(world, { "the storage follows": soon(world, () => world.serving("b"), 20_000) });
});

mutation("D18", "an owner whose disk failed hands the storage over", /V11/, (removed) => {
  const world = worldWithout(removed);
  const side = world.hosts.a.sides[R];
  assert.ok(side !== undefined);
  world.hosts.a.disk.broken = true;
  side.disk = "Diskless";
  observeDrbd(world.sim, world.hosts.a);
  return broken(world, { "V11 the whole copy serves": soon(world, () => world.serving("b"), 20_000) });
});

/** Rules of the witness and its voters; their tests are beside them. */
const ELSEWHERE: readonly string[] = ["A1", "A5", "A17"];

test("every rule has a sequence that needs it", () => {
  assert.deepEqual(
    RULES.filter((rule) => !covered.has(rule) && !ELSEWHERE.includes(rule)),
    [],
  );
});
