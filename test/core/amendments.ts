// The amendments of protocol.md 15, in the manner of mutants.test.ts, which runs them.

import { notEligible } from "../../src/core/facts.ts";
import { known } from "../../src/core/model/observation.ts";
import { createWorld, R, startVm, type World } from "../sim/world.ts";
import { broken, cut, mend, mutation, soon, worldWithout } from "./mutation.ts";

const SWITCH = { kind: "switch", storageOnly: true } as const;

mutation("A2", "a stale `solo` does not exempt an isolated owner", /V1|V3/, (removed) => {
  const world = worldWithout(removed);
  world.links.replication.a = false;
  world.run(5_000);
  world.links.replication.a = true;
  world.run(5_000);
  cut(world, "a");
  world.run(30_000);
  return broken(world);
});

mutation("A3", "without a heuristic address there is no vote", /V1 both serve/, (removed) => {
  const world = worldWithout(removed, { config: { heuristics: [], removedRules: removed } });
  world.sim.network.filtered.a = true;
  world.sim.network.filtered.b = true;
  world.run(30_000);
  return broken(world);
});

mutation("A4", "HA is left in two phases", /V2 vm-a runs on both/, (removed) => {
  const world = worldWithout(removed);
  cut(world, "a");
  world.command("a", { kind: "disable", force: false });
  world.run(60_000);
  return broken(world);
});

mutation("A6", "the watchdog is armed whatever runs", /V2 vm-b runs on both/, (removed) => {
  const world = createWorld({ config: { removedRules: removed } });
  world.powerOn("a");
  world.powerOn("b");
  world.until("storage serves", () => world.serving("a"), 20_000);
  world.run(3_000);
  // xapi starts a VM on a host whose daemon hangs already.
  world.stallDaemon("b", 600_000);
  startVm(world, "b");
  world.run(200);
  cut(world, "b");
  world.run(60_000);
  return broken(world);
});

mutation("A7", "nobody takes over from a host whose daemon was stopped in an orderly way", /V2 vm-a/, (removed) => {
  const world = worldWithout(removed);
  world.command("a", { kind: "pause" });
  world.run(3_000);
  const agreed = world.replies.at(-1)?.action.outcome === "done" && !world.hosts.a.watchdog.armed;
  world.killDaemon("a");
  cut(world, "a");
  world.run(60_000);
  mend(world, "a");
  world.startDaemon("a");
  const back = soon(world, () => world.serving("a") && world.hosts.a.watchdog.armed, 10_000);
  return broken(world, { "both hosts agree": agreed, "it goes on afterwards": removed.length > 0 || back });
});

mutation("A8", "a slow owner does not wait longer before it goes on", /V11/, (removed) => {
  const world = worldWithout(removed);
  world.stallDaemon("a", 1_500);
  world.run(2_500);
  world.powerOff("b");
  const acked = world.acked;
  world.run(500);
  const before = world.acked;
  const back = soon(world, () => world.acked > before + 10, 5_000);
  return broken(world, { "V11 I/O goes on within 5 s": back && before >= acked });
});

mutation(
  "A9",
  "a release is taken back only with the other host's durable word",
  /V6 epoch \d+ has two owners/,
  (removed) => {
    let slow = false;
    const world = worldWithout(removed, { latencyMs: (kind) => (kind === "persist" && slow ? 3_400 : undefined) });
    world.command("a", SWITCH);
    soon(world, () => world.state("a").handover !== null, 3_000);
    slow = true;
    world.run(1_000);
    soon(world, () => world.state("b").activity === null, 8_000);
    slow = false;
    world.run(10_000);
    return broken(world, { "one of them serves": world.serving("a") || world.serving("b") });
  },
);

mutation("A10", "an ex-master that still is one does not get the disks back", /V2/, (removed) => {
  const world = worldWithout(removed);
  cut(world, "a");
  world.until("its VM runs on b", () => world.hosts.b.domains.has("vm-a"), 90_000);
  // The database of the old master says what it said, and its toolstack does not hear what it is told.
  world.hosts.a.disk.xapi = "master";
  world.fail("b", "recover-supporters");
  mend(world, "a");
  world.run(15_000);
  return broken(world, { "V2 the ex-master stays out": world.hosts.b.target.barred });
});

mutation("A13", "a host that leaves and hangs with its VMs is powered off all the same", /V11/, (removed) => {
  const world = worldWithout(removed, { policy: "strict" });
  world.command("b", { kind: "leave" });
  world.run(500);
  world.freeze("b", 600_000);
  cut(world, "b");
  const restarted = soon(world, () => world.hosts.a.domains.has("vm-b"), 60_000);
  return broken(world, { "V11 its VM runs again": restarted });
});

mutation("A15", "a suspension without a handler is lifted only with proof", /V6 a resumes I\/O before/, (removed) => {
  const world = worldWithout(removed);
  cut(world, "a");
  world.run(2_000);
  const side = world.hosts.a.sides[R];
  if (side !== undefined) side.handlers = [];
  for (const { handler } of world.state("a").handlers) world.sim.feed(world.hosts.a, { kind: "handler-gone", handler });
  world.run(4_000);
  return broken(world);
});

mutation("A16", "a takeover needs every resource", /iscsi2/, (removed) => {
  const world = worldWithout(removed, { resources: [R, "iscsi2"] });
  const state = world.state("b");
  if (state.drbd.kind !== "known") return ["the state of DRBD is unknown"];
  const { value } = state.drbd;
  const view = value["iscsi2"];
  if (view === undefined) return ["iscsi2 is not up"];
  const drbd = known({ ...value, iscsi2: { ...view, disk: "Outdated" as const } }, state.drbd.at);
  const refusal = notEligible({ ...state, drbd }, state.lastTick);
  return broken(world, { "the Outdated copy of iscsi2 forbids it": refusal === "the disk of iscsi2 is Outdated" });
});

mutation("A18", "of two unrelated copies none is served", /D11/, (removed) => {
  const world = createWorld({ config: { removedRules: removed } });
  for (const [name, current] of [
    ["a", "00000000000000A0"],
    ["b", "00000000000000B0"],
  ] as const) {
    const side = world.hosts[name].sides[R];
    if (side === undefined) continue;
    side.generation = { current, bitmap: "00000000000000C0", history: [] };
    side.peerOutdated = true;
  }
  world.links.replication.a = false;
  world.powerOn("a");
  world.powerOn("b");
  world.run(20_000);
  const told = world.log.some((l) => l.event === "alert.raised" && l.detail.startsWith("split brain of the data"));
  const served = world.serving("a") || world.serving("b");
  return broken(world, { "D11 a person picks": told && !served });
});

mutation("A19", "manual mode and loss of the owner raise the alarm at once", /told/, (removed) => {
  const world = worldWithout(removed);
  world.command("b", { kind: "manual", on: true, force: false });
  world.run(1_000);
  world.powerOff("a");
  world.run(5_000);
  const told = world.log.some((l) => l.event === "alert.raised" && /confirm-peer-off/.test(l.detail));
  return broken(world, { "a person is told": told });
});

mutation("A22", "VMs that stall on a living host run again here, after it gave them up", /V11/, (removed) => {
  const world = worldWithout(removed);
  world.links.replication.b = false;
  const moved = (): boolean => world.hosts.a.domains.has("vm-b") && !world.hosts.b.domains.has("vm-b");
  const restarted = soon(world, moved, 40_000);
  return broken(world, {
    "V11 its VM runs again": restarted,
    "D16 its initiators are barred": removed.length > 0 || barredOn(world),
  });
});

const barredOn = (world: World): boolean => world.hosts.a.target.barred;

mutation("A23", "an operator's act starts the count of D15 anew", /V11/, (removed) => {
  const world = worldWithout(removed);
  for (let i = 0; i < 3; i++) {
    world.killTarget("a");
    world.run(3_000);
  }
  const moved = soon(world, () => world.serving("b"), 5_000);
  world.command("b", SWITCH);
  const back = soon(world, () => world.serving("a"), 5_000);
  world.run(3_000);
  world.powerOff("a");
  const taken = soon(world, () => world.serving("b"), 18_000);
  return broken(world, { "D18 moves it": moved, "an operator moves it back": back, "V11 b takes over": taken });
});

mutation("A27", "one one-way heartbeat voids the vote for the whole outage", /V1 both serve/, (removed) => {
  const world = worldWithout(removed);
  const { filtered } = world.sim.network;
  filtered.a = true;
  filtered.b = true;
  // H1 holds: within every T_dead a heartbeat of b reaches a.
  for (let i = 0; i < 6; i++) {
    world.run(2_640);
    filtered.b = false;
    world.run(260);
    filtered.b = true;
  }
  return broken(world);
});
