// Every state of protocol.md 5 and every rule that waits or refuses has a sentence with the rule's name and, where time
// alone decides, how long still.

import assert from "node:assert/strict";
import { test } from "node:test";
import { explain, type Explanation } from "../../src/core/explain.ts";
import { FLAPPING } from "../../src/core/decide/flap.ts";
import { SPLIT_DATA } from "../../src/core/decide/ownership.ts";
import { VIP_ANSWERED } from "../../src/core/decide/takeover.ts";
import { RULES, type RuleId } from "../../src/core/rules.ts";
import { hostState } from "../../src/core/view.ts";
import { known } from "../../src/core/model/observation.ts";
import type { State } from "../../src/core/model/state.ts";
import { sideOf } from "../sim/sim.ts";
import { createWorld, R, servingWorld, type World } from "../sim/world.ts";
import { cut, soon } from "./mutation.ts";

const says = (world: World, host: "a" | "b"): readonly Explanation[] => explain(world.state(host), world.now);

const told = new Set<RuleId>();

function expectIn(
  found: readonly Explanation[],
  rule: RuleId,
  sentence: RegExp,
  leftMs?: readonly [number, number],
): void {
  const one = found.find((e) => e.rule === rule && sentence.test(e.sentence));
  told.add(rule);
  assert.ok(one !== undefined, `no sentence of ${rule} like ${sentence.source} in ${JSON.stringify(found)}`);
  if (leftMs === undefined) return assert.equal(one.remainingMs, null, one.sentence);
  const [least, most] = leftMs;
  assert.ok(one.remainingMs !== null && one.remainingMs >= least && one.remainingMs <= most, `${one.remainingMs} ms`);
}

const patched = (world: World, host: "a" | "b", patch: Partial<State>): readonly Explanation[] =>
  explain({ ...world.state(host), ...patch }, world.now);

test("a healthy pair has nothing to explain", () => {
  const world = servingWorld();
  assert.deepEqual([says(world, "a"), says(world, "b")], [[], []]);
  assert.deepEqual([hostState(world.state("a")), hostState(world.state("b"))], ["OWNER", "STANDBY"]);
});

test("DISABLED, MANUAL and MAINTENANCE say which mode forbids what (D1, A4)", () => {
  const world = servingWorld();
  const { durable } = world.state("a");
  const with_ = (patch: Partial<typeof durable>): readonly Explanation[] =>
    patched(world, "a", { durable: { ...durable, ...patch } });
  expectIn(with_({ ha: "off" }), "D1", /HA is off on this host/);
  expectIn(with_({ ha: "leaving" }), "A4", /HA is leaving/);
  expectIn(with_({ flags: { manual: true, maintenance: false } }), "D1", /manual mode/);
  expectIn(with_({ peerFlags: { manual: false, maintenance: true } }), "D1", /other host is in maintenance/);
});

test("JOINING says whom it waits for (D12)", () => {
  const world = createWorld();
  world.powerOn("b");
  world.run(1_200);
  assert.equal(hostState(world.state("b")), "JOINING");
  expectIn(says(world, "b"), "D12", /first word of the other host for 1 s/);
});

test("SUSPECT_O counts the silence, then names the missing vote, then the soft fence (D4, D6, D8)", () => {
  const world = servingWorld();
  cut(world, "a");
  world.run(2_000);
  assert.equal(hostState(world.state("a")), "SUSPECT_O");
  expectIn(says(world, "a"), "D4", /more silence/, [2_000, 2_500]);
  expectIn(says(world, "a"), "D8", /when its lease ends/, [2_000, 3_500]);
  expectIn(says(world, "a"), "D6", /vote of this outage is lost/);
  world.run(2_500);
  expectIn(says(world, "a"), "D4", /the vote is not held/);
  world.run(3_000);
  assert.equal(hostState(world.state("a")), "FENCED_SELF");
  expectIn(says(world, "a"), "D8", /paused its VMs/);
});

test("SUSPECT_S counts down to the takeover (D6), longer when it is slow itself (A8)", () => {
  const world = servingWorld();
  world.powerOff("a");
  world.run(5_000);
  assert.equal(hostState(world.state("b")), "SUSPECT_S");
  expectIn(says(world, "b"), "D6", /lease and watchdog/, [7_500, 9_000]);
  world.stallDaemon("b", 1_200);
  world.run(1_400);
  expectIn(says(world, "b"), "D10", /stood still for 1\d\d\d ms/);
  expectIn(says(world, "b"), "A8", /this host itself is slow/);
});

test("OWNER_SOLO says what it does not need, and when the lost VMs start (D5, D7, D16)", () => {
  const world = servingWorld();
  world.powerOff("b");
  world.run(6_000);
  assert.equal(hostState(world.state("a")), "OWNER_SOLO");
  expectIn(says(world, "a"), "D5", /neither lease nor vote/);
  expectIn(says(world, "a"), "D7", /the vote was held/, [6_000, 9_000]);
  const barring = { "bar-peer": { id: 1, at: world.now, failures: 0 } };
  soon(world, () => world.state("a").recovery !== null, 20_000);
  expectIn(says(world, "a"), "D7", /being started here/);
  expectIn(patched(world, "a", { recovery: null, repairs: barring }), "D16", /initiators/);
});

test("STRICT names the fence device: the delay, the attempt, the failure, the end (D4, D14)", () => {
  const world = servingWorld({ policy: "strict" });
  world.bmc.b = "dead";
  cut(world, "b");
  world.run(2_000);
  expectIn(says(world, "a"), "D14", /silent for \d+ of 3000 ms/, [2_000, 2_500]);
  soon(world, () => world.state("a").fence.pending !== null, 5_000);
  expectIn(says(world, "a"), "D14", /attempt 1/);
  expectIn(says(world, "a"), "D4", /fence device/);
  soon(world, () => world.state("a").fence.lastFailure !== null, 20_000);
  expectIn(says(world, "a"), "D14", /trying again/, [1, 8_000]);
  expectIn(says(world, "a"), "D4", /confirm-peer-off/);
  soon(world, () => world.state("a").blocked !== null, 60_000);
  assert.equal(hostState(world.state("a")), "BLOCKED");
  expectIn(says(world, "a"), "D14", /an operator is needed: .*confirm-peer-off/);
});

test("a block says what ends it (D6, D11)", () => {
  const world = servingWorld();
  for (const [rule, blocked, next] of [
    ["D11", `${SPLIT_DATA}: r holds data on each host that the other one never had`, /resolve-split-brain/],
    ["D6", `${VIP_ANSWERED} 00:11:22:33:44:55`, /find that machine/],
    ["D6", `${FLAPPING} 2 times by itself within an hour (D15)`, /confirm-peer-off/],
  ] as const)
    expectIn(patched(world, "b", { blocked }), rule, next);
});

test("one-way reception says that the vote is void (D9, A27)", () => {
  const world = servingWorld();
  world.sim.network.filtered.a = true;
  world.run(3_000);
  expectIn(says(world, "a"), "D9", /does not hear this one/);
  world.sim.network.filtered.b = true;
  world.run(1_500);
  expectIn(says(world, "a"), "A27", /void until contact/);
});

test("a lost replication link: consent, then the other copy's state, then the stalled VMs (D3, A2, D12, A22)", () => {
  const world = servingWorld();
  world.links.replication.b = false;
  soon(world, () => sideOf(world.hosts.a, R).suspended, 3_000);
  expectIn(says(world, "a"), "D3", /made its copy outdated/);
  world.run(3_000);
  expectIn(says(world, "b"), "D12", /would not take over: the disk of iscsi1 is Outdated/);
  expectIn(says(world, "a"), "A22", /stall without their disks/, [7_000, 13_000]);
  const { drbd } = servingWorld().state("a");
  if (drbd.kind !== "known") return assert.fail("DRBD is unknown");
  const view = drbd.value[R];
  assert.ok(view !== undefined);
  const syncing = known({ [R]: { ...view, replication: "SyncSource" as const } }, world.now);
  expectIn(patched(world, "a", { drbd: syncing }), "A2", /brought up to date/);
  const asking = { phase: "asking", id: 1, domains: ["vm-b"], attempts: 1, at: world.now } as const;
  expectIn(patched(world, "a", { isolated: asking }), "A22", /stops its stalled VMs/);
  soon(world, () => world.state("a").isolated?.phase === "done", 20_000);
  expectIn(says(world, "a"), "A10", /initiators stay out/);
});

test("A3 and the lack of a heuristic address", () => {
  const world = servingWorld({ config: { heuristics: [] } });
  world.powerOff("a");
  world.run(5_000);
  expectIn(says(world, "b"), "A3", /FENCE_HEURISTICS_IPS is empty/);
});

test("RELEASING and TAKING tell the step, the offer and its deadline (A9, D6)", () => {
  const world = servingWorld();
  world.command("a", { kind: "switch", storageOnly: true });
  assert.equal(hostState(world.state("a")), "RELEASING");
  expectIn(says(world, "a"), "D13", /release, step 1/, [1, 3_000]);
  soon(world, () => world.state("a").handover !== null, 3_000);
  expectIn(says(world, "a"), "A9", /offered to the other host/, [1, 3_000]);
  const taking = servingWorld({ latencyMs: (kind) => (kind === "persist" ? 400 : undefined) });
  taking.powerOff("a");
  soon(taking, () => taking.state("b").activity !== null, 20_000);
  assert.equal(hostState(taking.state("b")), "TAKING");
  expectIn(says(taking, "b"), "D6", /takeover/);
});

test("split brain, a conflict of the floating IP, a claim and nobody's storage (D11, D6, D13)", () => {
  const world = servingWorld();
  expectIn(patched(world, "a", { blocked: "split brain: both" }), "D11", /blocked: split brain/);
  expectIn(patched(world, "b", { blocked: "the floating IP is answered by x" }), "D6", /operator/);
  const claim = { id: 1, epoch: 2, operator: false, phase: "asking" } as const;
  expectIn(patched(world, "b", { claim }), "D13", /asking the other host/);
  const { durable } = world.state("b");
  expectIn(patched(world, "b", { durable: { ...durable, owner: null } }), "D13", /nobody owns the storage/);
  const standDown = { ...releasing(world), kind: "stand-down" as const, why: "epoch 9 seen (D11)" };
  expectIn(patched(world, "a", { activity: standDown }), "D11", /epoch 9 seen/);
});

test("pausing and leaving (A7, A13)", () => {
  const world = servingWorld();
  const since = world.now;
  expectIn(patched(world, "a", { stopping: { intent: "paused", phase: "asking", since } }), "A7", /about to stop/);
  expectIn(patched(world, "a", { stopping: { intent: "leaving", phase: "asking", since } }), "A13", /this host leaves/);
  const { peer } = world.state("a");
  assert.ok(peer.body !== null);
  const heard = (intent: "paused" | "leaving", domains: readonly string[]): readonly Explanation[] =>
    patched(world, "a", { peer: { ...peer, body: { ...(peer.body ?? assert.fail()), intent, domains } } });
  expectIn(heard("paused", []), "A7", /not armed again: .*'ha-cfg check' there/);
  const silent = { ...peer, contactAt: world.now - 20_000, body: { ...peer.body, intent: "paused" as const } };
  expectIn(
    patched(world, "a", { peer: silent, suspected: true }),
    "A7",
    /not armed again: .*'iscsi-cfg confirm-peer-off'/,
  );
  expectIn(heard("leaving", []), "A13", /not powered off/, [100_000, 120_000]);
  expectIn(heard("leaving", ["vm-b"]), "A13", /not given everything back/);
});

test("automatic releases: the grace, the cause that waits, the pause between two (D15, D17, D18)", () => {
  const world = servingWorld();
  const at = world.now;
  expectIn(
    patched(world, "a", { managementLostAt: at - 10_000 }),
    "D18",
    /management network is gone/,
    [49_000, 51_000],
  );
  const deaths = { targetDeaths: [at, at, at] };
  expectIn(patched(world, "a", { ...deaths, moves: [at - 100_000] }), "D15", /by itself 100 s ago/, [199_000, 201_000]);
  expectIn(patched(world, "a", { ...deaths, moves: [at - 900_000, at - 800_000] }), "D15", /an operator decides/);
  expectIn(patched(world, "a", { ...deaths, released: ["target"] }), "D18", /and stayed/);
  const { durable } = world.state("a");
  const old = { ...durable, epoch: durable.epoch + 1 };
  expectIn(patched(world, "a", { ...deaths, durable: old }), "D18", /and stays: the other host has not followed/);
  expectIn(patched(world, "a", { following: true, durable: old }), "D17", /follows the pool master/);
});

/** Rules that never keep a person waiting: they reset, arm, tell an alert, or are judged inside another one's sentence. */
const SILENT: readonly string[] = ["D2", "A1", "A5", "A6", "A15", "A16", "A17", "A18", "A19", "A23"];

test("every rule that waits or refuses has its sentence", () => {
  assert.deepEqual(
    RULES.filter((rule) => !told.has(rule) && !SILENT.includes(rule)),
    [],
  );
});

function releasing(world: World): NonNullable<State["activity"]> {
  return {
    kind: "release",
    why: "test",
    stage: 0,
    pending: [],
    failed: null,
    startedAt: world.now,
    token: null,
    to: "peer",
    record: null,
    begun: false,
  };
}
