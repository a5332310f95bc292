// One schedule on a pool of three to five hosts: a seed becomes the pool, its policy and a list of faults; the pool runs
// through it, is healed, and every host must then live, be led, and run its VMs (V11).

import type { Policy } from "../../../src/core/model/config.ts";
import { isStorageHost, leads } from "../../../src/core/pool/facts.ts";
import { healFaults } from "../inject.ts";
import { createRandom } from "../random.ts";
import { operator as pairOperator, notSettled as pairNotSettled, dataLost } from "../schedule.ts";
import { drawStory } from "../stories.ts";
import { localNow, stepwise, advance, type LogLine } from "../stage.ts";
import { drawPoolFault, healPool, injectPool, type PoolFault } from "./faults.ts";
import { roleOf, type Member } from "./members.ts";
import { createPool, HOSTS, type PoolWorld } from "./world.ts";

export interface PoolPlan {
  readonly seed: number;
  readonly hosts: number;
  readonly storage: boolean;
  readonly policy: Policy;
  readonly tickMs: number;
  readonly faults: readonly PoolFault[];
  readonly healAt: number;
}

export interface PoolPlanOptions {
  readonly policies: readonly Policy[];
  readonly hosts: readonly number[];
  readonly long: boolean;
  readonly removedRules?: readonly string[];
}

/** A power-off under way, a boot, T_take, an election, a master's promotion and the VMs of one host after the other. */
const CONVERGE_MS = 150_000;
const STABLE_MS = 4_000;

export function poolPlanOf(seed: number, options: PoolPlanOptions): PoolPlan {
  const random = createRandom(seed + 0x9001 * 2 ** 32);
  const hosts = random.pick(options.hosts);
  const storage = random.chance(0.65);
  const policy = random.pick(options.policies.filter((one) => storage || one !== "witness"));
  const names = HOSTS.slice(0, hosts);
  const count = 2 + random.int(options.long ? 9 : 5);
  const faults: PoolFault[] = [];
  let at = random.between(6_000, 12_000);
  if (storage && random.chance(0.3))
    for (const fault of drawStory(random, at)) faults.push({ at: fault.at, kind: "pair", fault });
  while (faults.length < count) {
    faults.push(drawPoolFault(random, Math.round(at), { policy, storage, names }));
    at += random.chance(0.5) ? random.between(0, 4_000) : random.between(2_000, options.long ? 40_000 : 20_000);
  }
  const last = Math.max(at, ...faults.map((fault) => fault.at + 15_000), 30_000);
  return {
    seed,
    hosts,
    storage,
    policy,
    tickMs: random.pick([50, 100, 125, 200]),
    faults: faults.toSorted((x, y) => x.at - y.at),
    healAt: Math.round(last + random.between(2_000, 40_000)),
  };
}

export interface PoolOutcome {
  readonly violations: readonly string[];
  readonly outside: boolean;
  readonly faults: number;
  readonly virtualMs: number;
  readonly steps: number;
  readonly convergedMs: number | null;
  readonly log: readonly LogLine[];
  /** As it stood at the end. */
  readonly pool: PoolWorld;
}

export function runPoolPlan(plan: PoolPlan, options: Pick<PoolPlanOptions, "removedRules">): PoolOutcome {
  const { hosts, storage, policy, tickMs, seed } = plan;
  const pool = createPool({ hosts, storage, policy, tickMs, seed, removedRules: options.removedRules ?? [] });
  const { stage, world } = pool;
  for (const fault of plan.faults) stage.after(fault.at, () => injectPool(pool, fault));
  for (const m of pool.members) stage.after(stage.random.between(0, 1_500), () => pool.powerOn(m));
  stage.after(4_500, () => {
    for (const m of pool.members) {
      const { name } = m.machine;
      for (let i = 0; i < (m.pair === null ? 2 : 1); i++) pool.startVm(m, i === 0 ? `vm-${name}` : `vm-${name}${i}`);
    }
  });
  stepwise(stage, plan.healAt);
  let convergedMs: number | null = null;
  if (stage.violations.length === 0) {
    healPool(pool);
    if (world !== null) healFaults(world);
    stage.note("-", "healed", "");
    convergedMs = converge(pool);
  }
  const needsH1 = policy === "vote" || policy === "strict+vote";
  const outside = (needsH1 && world?.sim.h1Broken === true) || world?.sim.f5Broken === true;
  const { violations, faults, now: virtualMs, steps, log } = stage;
  return { violations, outside, faults, virtualMs, steps, convergedMs, log, pool };
}

/** Operators switch on what is off and end every mode they began; then the hosts must find together by themselves. */
function converge(pool: PoolWorld): number | null {
  const { stage, world } = pool;
  const healedAt = stage.now;
  let since: number | null = null;
  let nextTry = 0;
  while (stage.now - healedAt < CONVERGE_MS && stage.violations.length === 0) {
    const missing = notSettled(pool);
    if (missing === undefined) since ??= stage.now;
    else since = null;
    if (since !== null && stage.now - since >= STABLE_MS && stage.now >= 60_000) return since - healedAt;
    if (missing !== undefined && stage.now >= nextTry) {
      nextTry = stage.now + 3_000;
      for (const m of pool.members) operator(pool, m);
    }
    advance(stage, stage.now + 250);
  }
  if (stage.violations.length === 0 && (world === null || !dataLost(world)))
    stage.violate(`V11 ${CONVERGE_MS} ms after healing: ${notSettled(pool)}`);
  return null;
}

function operator(pool: PoolWorld, m: Member): void {
  const { world } = pool;
  if (m.pair !== null && world !== null) return pairOperator(world, m.pair.name);
  if (!m.machine.power) return pool.powerOn(m);
  const { state } = m;
  if (state === null) return pool.startDaemon(m);
  if (state.departure !== null) {
    // It was to stop: somebody starts it anew.
    pool.killDaemon(m);
    return pool.startDaemon(m);
  }
  const { ha, flags } = state.durable;
  if (flags.maintenance) return pool.command(m, { kind: "maintenance", on: false });
  const isLeader = leads(state, localNow(pool.stage, m.machine));
  if (isLeader && ha !== "on") return pool.command(m, { kind: "enable", force: true });
}

/** What is still missing to "one host leads, all others follow it, nothing is barred or fenced, every VM runs". */
export function notSettled(pool: PoolWorld): string | undefined {
  const { stage, members, world } = pool;
  const pair = world === null ? undefined : pairNotSettled(world);
  if (pair !== undefined) return pair;
  const leader = members.find(({ state, machine }) => state !== null && leads(state, localNow(stage, machine)));
  if (leader === undefined) return "nobody leads the pool";
  for (const m of members) {
    const { state, machine } = m;
    const { name } = machine;
    if (state === null) return `no daemon on ${name}`;
    const { durable } = state;
    if (durable.ha !== "on") return `HA is ${durable.ha} on ${name}`;
    if (durable.flags.maintenance) return `${name} is in maintenance`;
    if (durable.epoch !== leader.state?.durable.epoch) return `${name} is in another epoch than the leader`;
    if (durable.owner !== leader.machine.name) return `${name} takes ${durable.owner} for the leader`;
    if (state.softFenced) return `${name} is still fenced by itself`;
    if (state.bars.length > 0 || state.dead.length > 0)
      return `${name} still bars ${[...state.bars, ...state.dead].join()}`;
    if (!isStorageHost(state.config) && !machine.watchdog.armed) return `the watchdog of ${name} is not armed`;
    const { role, masterId } = roleOf(m);
    const master = roleOf(leader);
    if (role === "master" ? m !== leader && master.role === "master" : masterId !== master.masterId)
      return `the toolstack of ${name} follows ${masterId}, that of the leader ${master.masterId}`;
    for (const [uuid, { paused }] of machine.domains) if (paused) return `${uuid} stands still on ${name}`;
  }
  return undefined;
}
