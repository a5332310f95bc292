// Sequences that the exhaustive exploration found, one test each.

import assert from "node:assert/strict";
import { test } from "node:test";
import { known } from "../../src/core/model/observation.ts";
import { heartbeatOf } from "../../src/core/heartbeat.ts";
import { hostLossForbidden } from "../../src/core/facts.ts";
import { releaseRefusal } from "../../src/core/decide/ownership.ts";
import type { Event } from "../../src/core/model/event.ts";
import { persist } from "../../src/core/turn.ts";
import { initialState, type State } from "../../src/core/model/state.ts";
import { step } from "../../src/core/step.ts";
import { inject } from "../sim/inject.ts";
import { R } from "../sim/settings.ts";
import { servingWorld } from "../sim/world.ts";

/** Every resource without its connection. */
function disconnected({ drbd }: State): State["drbd"] {
  if (drbd.kind !== "known") return drbd;
  const views = Object.entries(drbd.value).map(([r, v]) => [r, { ...v, connection: "Connecting" as const }] as const);
  return { ...drbd, value: Object.fromEntries(views) };
}

test("V6: a release that is rolled back while its record is on the way to the disk is written back in its epoch", () => {
  const before = servingWorld().state("a");
  const now = before.lastTick + 10;
  const { release } = before.config.timers;
  const state: State = {
    ...before,
    persisting: { id: 900, record: { ...before.durable, owner: null }, purpose: "release" },
    activity: {
      kind: "release",
      why: "switch",
      stage: 4,
      pending: [899, 900],
      failed: null,
      startedAt: now - release,
      token: null,
      to: "peer",
      record: null,
      begun: true,
    },
  };
  const { activity } = step(state, { kind: "tick" }, now).state;
  assert.equal(activity?.kind, "activate");
  assert.deepEqual(activity.record, { owner: "a" });
});

test("V6: the epoch of a record that may be on the disk although its write failed is used up", () => {
  const before = servingWorld().state("b");
  const now = before.lastTick + 10;
  const next = before.durable.epoch + 1;
  const failed = { kind: "result", id: 900, ok: false, detail: "made to fail" } as const;
  const writing = (owner: string): State["persisting"] => {
    return { id: 900, record: { ...before.durable, epoch: next, owner }, purpose: "" };
  };
  const takes: State = {
    ...before,
    syncedEpoch: before.durable.epoch,
    persisting: writing("b"),
    activity: {
      kind: "activate",
      why: "the other host released the storage",
      stage: 1,
      pending: [900],
      failed: null,
      startedAt: now,
      token: "token",
      to: "peer",
      record: null,
      begun: true,
    },
  };
  const taken = step(takes, failed, now).state;
  assert.deepEqual([taken.durable.epoch, taken.durable.owner, taken.syncedEpoch], [next, null, next]);

  const owed = [{ requestId: 1, kind: "claim", waitingFor: [900], failed: null } as const];
  const given = step({ ...before, syncedEpoch: null, persisting: writing("a"), owed }, failed, now).state;
  assert.deepEqual([given.durable.epoch, given.durable.owner, given.syncedEpoch], [next, null, null]);

  const other = step({ ...before, persisting: writing("b") }, failed, now).state;
  assert.equal(other.durable.epoch, before.durable.epoch, "a takeover is tried again in its epoch");
});

const failed = { kind: "result", id: 900, ok: false, detail: "made to fail" } as const;
const WRITE_AGAIN_MS = 250;

/** The owner's commit by consent, failed on the disk, with the other host in contact again. */
function failedCommit(): State {
  const before = servingWorld().state("a");
  const { epoch } = before.durable;
  return step(
    {
      ...before,
      persisting: { id: 900, record: { ...before.durable, epoch: epoch + 1, solo: { [R]: true } }, purpose: "" },
      solo: { proof: "consent", phase: "persisting", pending: 900, resources: [R] },
    },
    failed,
    before.lastTick + 10,
  ).state;
}

test("V6: a commit that may be on the disk although its write failed is written until it is there", () => {
  const state = failedCommit();
  const now = state.lastTick + WRITE_AGAIN_MS + 20;
  assert.equal(heartbeatOf(state, now).resources[R]?.solo, true, "the other host must not count itself in sync");
  assert.match(releaseRefusal(state, now) ?? "", /barring the other copy/);
  const { persisting } = step(state, { kind: "tick" }, now).state;
  assert.deepEqual([persisting?.record.epoch, persisting?.record.solo[R]], [state.durable.epoch + 1, true]);
});

test("V6: nothing is written in an epoch before that of a commit which may be on the disk", () => {
  const state = failedCommit();
  const now = state.lastTick + WRITE_AGAIN_MS + 20;
  const turn = { state, now, actions: [] };
  assert.equal(persist(turn, { flags: { manual: true, maintenance: false } }, "manual mode"), undefined);
  assert.notEqual(persist(turn, { epoch: state.durable.epoch + 1 }, "a later epoch"), undefined);
});

test("A2: a host that hears of a commit that is not sure yet is not eligible any more", () => {
  const world = servingWorld();
  const b = world.state("b");
  const now = b.lastTick + 10;
  assert.equal(b.syncedEpoch, b.durable.epoch);
  const body = heartbeatOf(failedCommit(), now);
  const heard = { body, link: "management", echoSentAt: now - 1, linkEchoSentAt: now - 1, receivedAt: now } as const;
  assert.equal(step(b, { kind: "heartbeat", heard }, now).state.syncedEpoch, null);
});

const outdate = (epoch: number): Event => ({
  kind: "request",
  id: 5,
  request: { kind: "outdate", resource: R, epoch },
});

test("V6: a host whose takeover may be on the disk gives no word for that epoch, and leaves it to the owner", () => {
  const before = servingWorld().state("b");
  const { epoch, owner } = before.durable;
  const record = { ...before.durable, epoch: epoch + 1, owner: "b", solo: { [R]: true } };
  const writing: State = { ...before, persisting: { id: 900, record, purpose: "" } };
  const now = before.lastTick + 10;
  const parted = (state: State): State => ({ ...state, drbd: disconnected(state) });
  const answered = (state: State, at: number): readonly string[] =>
    step(parted(state), outdate(epoch), at).actions.flatMap((a) => (a.kind === "answer" ? [a.reply.kind] : []));
  assert.deepEqual(answered(writing, now), ["refused"], "the write is still under way");
  const after = step(writing, failed, now).state;
  assert.deepEqual(answered(after, now + 10), ["refused"], "it failed, and may be on the disk");
  const later = now + WRITE_AGAIN_MS + 10;
  const spent = step(after, { kind: "tick" }, later).state.persisting;
  assert.deepEqual([spent?.record.epoch, spent?.record.owner, spent?.record.solo], [epoch + 1, owner, {}]);
});

test("V6: a release whose record may be on the disk although its write failed is written back before anything is promoted", () => {
  const world = servingWorld();
  const before = world.state("a");
  const now = before.lastTick + 10;
  const state: State = {
    ...before,
    persisting: { id: 900, record: { ...before.durable, owner: null }, purpose: "" },
    activity: {
      kind: "release",
      why: "switch",
      stage: 4,
      pending: [900],
      failed: null,
      startedAt: now,
      token: null,
      to: "peer",
      record: null,
      begun: true,
    },
  };
  const rolledBack = step(state, failed, now).state;
  assert.equal(rolledBack.activity?.kind, "activate");
  const later = step(rolledBack, { kind: "tick" }, now + WRITE_AGAIN_MS);
  assert.deepEqual(
    [later.state.persisting?.record.owner, later.state.persisting?.record.epoch],
    ["a", before.durable.epoch],
  );
  assert.ok(!later.actions.some(({ kind }) => kind === "promote"));
});

test("a stage that writes waits while a write failed a moment ago", () => {
  const world = servingWorld();
  const before = world.state("a");
  const now = before.lastTick + 10;
  const activity = { kind: "release", why: "switch", stage: 3, pending: [], failed: null, startedAt: now } as const;
  const state: State = {
    ...before,
    persistAfter: now + WRITE_AGAIN_MS,
    activity: { ...activity, token: null, to: "peer", record: null, begun: true },
  };
  const waits = step(state, { kind: "tick" }, now).state;
  assert.equal(waits.activity?.kind, "release");
  assert.equal(waits.handover, null, "nothing is offered that is not given up on the disk");
  const goesOn = step(waits, { kind: "tick" }, now + WRITE_AGAIN_MS).state;
  assert.equal(goesOn.persisting?.record.owner, null);
});

test("D13: after both hosts stopped themselves, contact makes the owner serve and every VM run on", () => {
  const world = servingWorld();
  world.links.management.a = false;
  world.links.management.b = false;
  world.links.replication.a = false;
  world.gateway = false;
  world.run(9_000);
  assert.equal(world.state("a").softFenced, true);
  assert.equal(world.hosts.a.domains.get("vm-a")?.paused, true);
  world.links.management.a = true;
  world.links.management.b = true;
  world.links.replication.a = true;
  world.gateway = true;
  world.until("storage serves", () => world.serving("a"), 10_000);
  world.until("vm-a runs on", () => world.hosts.a.domains.get("vm-a")?.paused === false, 5_000);
  world.until("vm-b runs on", () => world.hosts.b.domains.get("vm-b")?.paused === false, 5_000);
  assert.deepEqual(world.violations, []);
});

const restarted = (): State => {
  const { config, durable, lastTick } = servingWorld().state("a");
  return initialState(config, durable, "boot", 2, lastTick + 1_000);
};

test("D10: a restarted daemon finds the peer's initiators barred (D16)", () => {
  const state = restarted();
  const value = { running: true, filled: true, portalOpen: true, peerBarred: true };
  const seen = step(state, { kind: "target", target: known(value, state.startedAt) }, state.startedAt).state;
  assert.equal(seen.barred, true);
  const clean = { kind: "target", target: known({ ...value, peerBarred: false }, state.startedAt) } as const;
  assert.equal(step(state, clean, state.startedAt).state.barred, false);
});

test("D10: a restarted daemon finds the soft fence of the one before it, and contact ends it", () => {
  const state = restarted();
  const domains = (paused: boolean) =>
    ({
      kind: "domains",
      domains: known([{ uuid: "vm-a", domId: 1, name: "vm-a", paused }], state.startedAt),
    }) as const;
  assert.equal(step(state, domains(true), state.startedAt).state.softFenced, true);
  assert.equal(step(state, domains(false), state.startedAt).state.softFenced, false);
});

test("D10: a host that fenced itself lets its own VMs run on before it starts those of the other one", () => {
  const world = servingWorld();
  world.links.management.a = false;
  world.links.replication.a = false;
  world.gateway = false;
  world.until("a fences itself", () => world.state("a").softFenced, 10_000);
  world.powerOff("b");
  world.command("a", { kind: "confirm-peer-off" });
  world.until("the VMs of b are being started", () => world.state("a").recovery !== null, 60_000);
  assert.equal(world.state("a").softFenced, false);
  assert.equal(world.hosts.a.domains.get("vm-a")?.paused, false);
  world.until("vm-b runs on a", () => world.hosts.a.domains.has("vm-b"), 60_000);
  assert.deepEqual(world.violations, []);
});

test("D8: a soft-fenced host on which something runs again fences itself again and is not fed meanwhile", () => {
  const world = servingWorld();
  world.links.management.a = false;
  world.links.replication.a = false;
  world.run(7_000);
  const fenced = world.state("a");
  assert.equal(fenced.softFenced, true);
  const runs = known([{ uuid: "vm-a", domId: 1, name: "vm-a", paused: false }], fenced.lastTick);
  const after = step(fenced, { kind: "domains", domains: runs }, fenced.lastTick + 10);
  assert.equal(after.state.activity?.kind, "soft-fence");
  const tick = step(after.state, { kind: "tick" }, fenced.lastTick + 1_200);
  assert.equal(
    tick.actions.some((a) => a.kind === "token"),
    false,
  );
});

test("D16: a readmission that failed is tried again", () => {
  const world = servingWorld({ policy: "strict" });
  world.powerOff("b");
  world.until("the lost VM runs on a", () => world.hosts.a.domains.has("vm-b"), 45_000);
  assert.equal(world.hosts.a.target.barred, true);
  world.fail("a", "target-fill");
  world.powerOn("b");
  world.run(20_000);
  assert.equal(world.hosts.a.target.barred, true);
  world.fail("a", null);
  world.until("b is readmitted", () => !world.hosts.a.target.barred, 120_000);
  assert.deepEqual(world.violations, []);
});

test("V4: a host whose disk fails after it accepted the storage gives it back without a promotion", () => {
  const world = servingWorld({ latencyMs: (kind) => (kind === "persist" ? 200 : undefined) });
  world.command("a", { kind: "switch", storageOnly: true });
  world.until("b is about to own the storage", () => world.state("b").activity?.stage === 1, 5_000);
  world.failDisk("b");
  world.until("a serves again", () => world.serving("a"), 30_000);
  assert.deepEqual(world.violations, []);
});

test("V5: what would begin in the moment in which HA is switched off does not, though the record is not on the disk yet", () => {
  const latencyMs = (): number => 120;
  const lose = (): ReturnType<typeof servingWorld> => {
    const world = servingWorld({ latencyMs });
    world.powerOff("a");
    return world;
  };
  const first = lose();
  const begun = first.now;
  first.until("b takes over", () => first.state("b").activity?.kind === "activate", 60_000);
  const afterMs = first.now - begun;
  for (let beforeMs = 150; beforeMs >= 0; beforeMs -= 10) {
    const world = lose();
    world.run(afterMs - beforeMs);
    world.command("b", { kind: "disable", force: true });
    world.run(2_000);
    assert.deepEqual(world.violations, [], `${beforeMs} ms before it would take over`);
  }
});

test("V12: a move by itself that took its time is counted from its end, on the host that began it too (D15)", () => {
  const world = servingWorld({ latencyMs: () => 120 });
  world.links.management.a = false;
  world.until("b serves", () => world.serving("b"), 90_000);
  world.until("a knows", () => world.state("a").handover === null && world.state("a").durable.owner === "b", 5_000);
  assert.ok((world.state("a").moves.at(-1) ?? 0) >= (world.state("b").moves.at(-1) ?? Infinity));
});

/** Hands the storage over, a move by itself that began a while ago. */
function handingOver(before: State, phase: "offered" | "cancelling"): State {
  const at = before.lastTick;
  const handover = {
    token: "",
    epoch: 7,
    deadline: at,
    phase,
    pending: null,
    designate: false,
    automatic: true,
  } as const;
  const durable = { ...before.durable, owner: null, takeovers: 1 };
  return { ...before, durable, syncedEpoch: 7, handover, moves: [at - 5_000] };
}

test("V12: a move by itself that is taken back, or whose contact is lost, is counted from its end too (D15)", () => {
  const before = handingOver(servingWorld().state("a"), "cancelling");
  const now = before.lastTick + 10;
  const back = step(before, { kind: "tick" }, now).state;
  assert.match(back.activity?.why ?? "", /taken back/);
  assert.deepEqual(back.moves, [now]);
  const late = before.lastTick + before.config.timers.dead + 1_000;
  const lost = step({ ...before, lastTick: late - 10 }, { kind: "tick" }, late).state;
  assert.equal(lost.handover, null);
  assert.deepEqual(lost.moves, [late]);
});

test("V12: a move by itself that is offered again, for want of a disk to take it back to, stays one (V4, D15)", () => {
  const world = servingWorld();
  inject(world, { at: 0, kind: "action", host: "b", effect: "persist", fault: "fails", always: true, ms: 6_000 });
  world.failDisk("a");
  world.until("the first offer failed", () => world.state("a").activity?.why.includes("(V4)") === true, 60_000);
  world.until("b serves", () => world.serving("b"), 60_000);
  assert.equal(world.state("b").moves.length, 1);
  world.until("a knows", () => world.state("a").handover === null, 5_000);
  assert.equal(world.state("a").moves.length, 1);
});

test("A22, V5: a host whose HA is being switched off gives up none of its VMs", () => {
  const before = servingWorld({ policy: "vote" }).state("b");
  const at = before.lastTick + 10;
  const domains = known([{ uuid: "vm-b", domId: 1, name: "vm-b", paused: false }], at);
  const state: State = { ...before, domains, drbd: disconnected(before) };
  const asked: Event = { kind: "request", id: 7, request: { kind: "confirm-gone", domains: ["vm-b"] } };
  const destroys = (one: State): boolean => step(one, asked, at).actions.some((a) => a.kind === "destroy-domains");
  assert.equal(destroys(state), true);
  assert.equal(destroys({ ...state, durable: { ...state.durable, ha: "leaving" } }), false);
  const leaving = { id: 900, record: { ...state.durable, ha: "leaving" as const }, purpose: "HA is leaving (A4)" };
  assert.equal(destroys({ ...state, persisting: leaving }), false);
});

test("D1: maintenance forbids to act on the loss of a host while its record is on the way to the disk", () => {
  const before = servingWorld().state("a");
  assert.equal(hostLossForbidden(before), undefined);
  for (const flags of ["flags", "peerFlags"] as const) {
    const record = { ...before.durable, [flags]: { ...before.durable[flags], maintenance: true } };
    const ordered: State = { ...before, persisting: { id: 900, record, purpose: "maintenance" } };
    assert.match(hostLossForbidden(ordered) ?? "", /is in maintenance$/);
    assert.match(hostLossForbidden({ ...before, durable: record }) ?? "", /is in maintenance$/);
  }
});

test("A22, V5: VMs that the other host gave up are not started once HA is being switched off", () => {
  const before = servingWorld().state("a");
  const at = before.lastTick + 10;
  const state: State = { ...before, isolated: { phase: "starting", id: -1, domains: ["vm-b"], attempts: 1, at } };
  const starts = (one: State): readonly [boolean, boolean] => {
    const next = step(one, { kind: "tick" }, at);
    return [next.actions.some((a) => a.kind === "start-confirmed"), next.state.isolated === null];
  };
  assert.deepEqual(starts(state), [true, false]);
  assert.deepEqual(starts({ ...state, durable: { ...state.durable, ha: "leaving" } }), [false, true]);
});
