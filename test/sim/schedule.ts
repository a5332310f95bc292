// One schedule: a seed becomes a policy, a list of faults and all the noise; the world runs through it, is healed, and
// must then converge (V11). The same seed and the same faults give the same run.

import type { CoreConfig, Policy } from "../../src/core/model/config.ts";
import { SPLIT_BRAIN, strangers } from "../../src/core/decide/ownership.ts";
import { isSolo } from "../../src/core/facts.ts";
import { holdsData } from "./handshake.ts";
import { drawFault } from "./draw.ts";
import { type Fault } from "./faults.ts";
import { healFaults, holdsEverything, inject } from "./inject.ts";
import { drawStory } from "./stories.ts";
import { createRandom } from "./random.ts";
import { NAMES, R, type HostName } from "./settings.ts";
import { serves, sideOf, type Side } from "./sim.ts";
import { stepwise } from "./stage.ts";
import { createWorld, startVm, type LogLine, type World } from "./world.ts";

export interface Plan {
  readonly seed: number;
  readonly policy: Policy;
  readonly tickMs: number;
  readonly resources: readonly string[];
  readonly heuristics: readonly string[];
  /** What an administrator set otherwise than the defaults, on both hosts. */
  readonly parameters?: Partial<CoreConfig>;
  readonly faults: readonly Fault[];
  readonly healAt: number;
}

export interface Outcome {
  readonly seed: number;
  readonly policy: Policy;
  readonly violations: readonly string[];
  /** H1 did not hold (VOTE, STRICT+VOTE): what happened then proves nothing, the schedule does not count. */
  readonly outside: boolean;
  readonly faults: number;
  readonly virtualMs: number;
  readonly steps: number;
  /** From healing to storage that serves, in sync and stable; null when it did not happen. */
  readonly convergedMs: number | null;
  readonly log: readonly LogLine[];
  /** As it stood at the end. */
  readonly world: World;
}

export interface PlanOptions {
  readonly policies: readonly Policy[];
  /** Longer schedules with more faults, for nights. */
  readonly long: boolean;
  readonly removedRules?: readonly string[];
  /** Also draw faults that H1 excludes, whatever the policy (the expected failure of VOTE). */
  readonly violateH1?: boolean;
  /** A configuration that schedules do not draw. */
  readonly config?: Partial<CoreConfig>;
  /** What must be so when the faults are healed; the broken invariant when it is not. */
  readonly demand?: (world: World) => string | undefined;
}

/** Longest time from "all is well again" to storage in sync: boots, joining, claims with their pauses, resync. */
const CONVERGE_MS = 60_000;
const STABLE_MS = 3_000;
/** The policies that the simulated world can carry. */
export const SIMULATED_POLICIES: readonly Policy[] = ["vote", "strict", "strict+vote", "witness"];
const NEEDS_H1: readonly Policy[] = ["vote", "strict+vote"];

/** Each changes what a rule does, and none what must hold. */
const PARAMETERS: readonly Partial<CoreConfig>[] = [
  { fenceEnabled: false },
  { mayTakeOver: false },
  { mayRestart: false },
  { rebootLoneHost: true },
  { isolatedVms: "wait" },
];

export function planOf(seed: number, options: PlanOptions): Plan {
  const random = createRandom(seed + 0x5eed * 2 ** 32);
  const policy = random.pick(options.policies);
  const filters = options.violateH1 === true || !NEEDS_H1.includes(policy);
  const count = 2 + random.int(options.long ? 9 : 4);
  const faults: Fault[] = [];
  let at = random.chance(0.15) ? 0 : random.between(4_000, 12_000);
  if (random.chance(0.6)) faults.push(...drawStory(random, at));
  while (faults.length < count) {
    faults.push(drawFault(random, Math.round(at), { policy, filters }));
    // Half of the time right after the one before, into the middle of what it set off.
    at += random.chance(0.5) ? random.between(0, 3_000) : random.between(2_000, options.long ? 40_000 : 16_000);
  }
  return {
    seed,
    policy,
    tickMs: random.pick([50, 100, 125, 200]),
    resources: random.chance(0.1) ? [R, "iscsi2"] : [R],
    // A3: an administrator forgot the heuristic addresses.
    heuristics: random.chance(0.04) ? [] : ["gateway"],
    ...(random.chance(0.12) ? { parameters: random.pick(PARAMETERS) } : {}),
    faults: faults.toSorted((x, y) => x.at - y.at),
    healAt: Math.round(Math.max(at, ...faults.map((f) => f.at + 12_000), 30_000) + random.between(2_000, 20_000)),
  };
}

export function runPlan(plan: Plan, options: PlanOptions): Outcome {
  const world = createWorld({
    policy: plan.policy,
    seed: plan.seed,
    tickMs: plan.tickMs,
    resources: plan.resources,
    config: {
      heuristics: plan.heuristics,
      removedRules: options.removedRules ?? [],
      ...plan.parameters,
      ...options.config,
    },
  });
  const { sim } = world;
  const withoutH1 = (): boolean => options.violateH1 !== true && NEEDS_H1.includes(plan.policy) && sim.h1Broken;
  for (const fault of plan.faults) sim.after(fault.at, () => inject(world, fault));
  sim.after(sim.random.between(0, 1_500), () => world.powerOn("a"));
  sim.after(sim.random.between(0, 1_500), () => world.powerOn("b"));
  sim.after(3_500, () => {
    for (const name of NAMES) startVm(world, name);
  });
  stepwise(sim, plan.healAt);
  const missing = sim.violations.length === 0 ? options.demand?.(world) : undefined;
  if (missing !== undefined) sim.violate(missing);
  let convergedMs: number | null = null;
  if (sim.violations.length === 0) {
    healFaults(world);
    sim.note("-", "healed", "");
    convergedMs = converge(world);
  }
  return {
    seed: plan.seed,
    policy: plan.policy,
    violations: sim.violations,
    outside: withoutH1() || sim.f5Broken,
    faults: sim.faults,
    virtualMs: sim.now,
    steps: sim.steps,
    convergedMs,
    log: sim.log,
    world,
  };
}

/** Operators switch on what is off and end every mode they began; then the hosts must find together by themselves. */
function converge(world: World): number | null {
  const healedAt = world.now;
  let since: number | null = null;
  let nextTry = 0;
  while (world.now - healedAt < CONVERGE_MS && world.violations.length === 0) {
    const missing = notSettled(world);
    if (missing === undefined) since ??= world.now;
    else since = null;
    if (since !== null && world.now - since >= STABLE_MS && world.now >= 60_000) return since - healedAt;
    if (missing !== undefined && world.now >= nextTry) {
      nextTry = world.now + 3_000;
      for (const name of NAMES) operator(world, name);
    }
    world.run(250);
  }
  if (world.violations.length === 0 && !dataLost(world))
    world.sim.violate(`V11 ${CONVERGE_MS} ms after healing: ${notSettled(world)}`);
  return null;
}

/** No disk holds every acknowledged write any more: the second copy broke before the first was whole again. */
export function dataLost({ sim }: World): boolean {
  return sim.resources.some((resource) =>
    NAMES.every((name) => {
      const side = sideOf(sim.hosts[name], resource);
      return !holdsData(side) || side.data < (sim.acked[resource] ?? 0);
    }),
  );
}

export function operator(world: World, name: HostName): void {
  const h = world.hosts[name];
  if (!h.power) return world.powerOn(name);
  if (h.state === null) return world.startDaemon(name);
  const { flags, ha } = h.state.durable;
  if (h.state.commands.length > 0) return;
  const { body } = h.state.peer;
  const apart = body !== null && strangers(h.state, body).length > 0;
  if (world.sim.grownApart && (apart || h.state.blocked?.startsWith(SPLIT_BRAIN) === true))
    return name === chosen(world) ? world.command(name, { kind: "resolve-split-brain", snapshot: true }) : undefined;
  if (flags.manual) world.command(name, { kind: "manual", on: false, force: true });
  else if (flags.maintenance) world.command(name, { kind: "maintenance", on: false });
  else if (ha !== "on") world.command(name, { kind: "enable", force: false });
}

/**
 * Whose data stays when copies grew apart: of the host that serves, or of the first one that has it all and could serve. A
 * copy that was given up already is not chosen.
 */
function chosen(world: World): HostName | undefined {
  const { hosts, sim } = world;
  const every = (name: HostName, holds: (side: Side) => boolean): boolean =>
    sim.resources.every((resource) => holds(sideOf(hosts[name], resource)));
  const whole = NAMES.filter((name) => every(name, ({ disk }) => disk === "UpToDate" || disk === "Consistent"));
  return (
    NAMES.find((name) => serves(sim, hosts[name])) ??
    whole.find((name) => holdsEverything(world, name) && every(name, ({ discards }) => !discards)) ??
    whole[0]
  );
}

/** What is still missing to "storage serves on one host, both agree, both copies in sync, everything armed". */
export function notSettled(world: World): string | undefined {
  const { sim } = world;
  const serving = NAMES.filter((name) => serves(sim, sim.hosts[name]));
  const owner = serving[0];
  if (owner === undefined) return "no host serves";
  for (const name of NAMES) {
    const { state, watchdog } = sim.hosts[name];
    if (state === null) return `no daemon on ${name}`;
    if (state.durable.owner !== owner) return `${name} takes ${state.durable.owner} for the owner, ${owner} serves`;
    if (state.durable.epoch !== sim.hosts[owner].state?.durable.epoch) return "the hosts are in different epochs";
    if (state.blocked !== null) return `${name} is blocked: ${state.blocked}`;
    if (state.softFenced) return `${name} is still fenced by itself`;
    if (state.durable.ha !== "on" || state.durable.peerHa !== "on") return `HA is not on for ${name}`;
    if (state.durable.flags.manual || state.durable.flags.maintenance)
      return `${name} is in manual mode or maintenance`;
    if (!watchdog.armed) return `the watchdog of ${name} is not armed`;
    for (const resource of sim.resources) {
      const side = sideOf(sim.hosts[name], resource);
      if (!side.connected || side.disk !== "UpToDate") return `${resource} on ${name} is ${side.disk}, not in sync`;
    }
    if (name !== owner && state.syncedEpoch !== state.durable.epoch) return `${name} could not take over`;
    if (name === owner && isSolo(state)) return `${name} still calls the other copy behind`;
  }
  return undefined;
}

/** What a run of any kind of schedule told. */
interface Judged {
  readonly violations: readonly string[];
  readonly outside: boolean;
}

/** Fewer faults that still break the same invariant: drops one after the other as long as that works. */
export function shrink<Fault, P extends { readonly faults: readonly Fault[] }, O extends Judged>(
  plan: P,
  run: (plan: P) => O,
): { readonly plan: P; readonly outcome: O } {
  const first = (violations: readonly string[]): string => violations[0]?.split(" ")[0] ?? "";
  let best = { plan, outcome: run(plan) };
  const wanted = first(best.outcome.violations);
  for (let again = true; again;) {
    again = false;
    for (const dropped of best.plan.faults) {
      const smaller = { ...best.plan, faults: best.plan.faults.filter((fault) => fault !== dropped) };
      const outcome = run(smaller);
      if (first(outcome.violations) !== wanted || outcome.outside) continue;
      best = { plan: smaller, outcome };
      again = true;
      break;
    }
  }
  return best;
}
