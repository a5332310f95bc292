// What can go wrong in a pool of three hosts and more: on every host what the pair's faults are on a storage host, and
// between any two of them. Data; drawn from the seed, injected, shrunk, replayed.

import { describeFault, type Fault } from "../faults.ts";
import { drawDuration, drawFault, drawQuality, MOST_SLEWED } from "../draw.ts";
import type { Policy } from "../../../src/core/model/config.ts";
import type { PoolCommand } from "../../../src/core/pool/model.ts";
import { inject } from "../inject.ts";
import { perfect, type Quality } from "../network.ts";
import type { Random } from "../random.ts";
import { slew, type ActionFault, type Bmc } from "../stage.ts";
import { assertNever } from "../../../src/util/assert.ts";
import { memberOf, type Member, type PoolEffectKind, type PoolSim } from "./members.ts";
import type { PoolWorld } from "./world.ts";

interface At {
  readonly at: number;
}
interface OnHost extends At {
  readonly host: string;
}
interface ForTime extends OnHost {
  readonly ms: number;
}

export type PoolFault =
  /** One of the storage pair's, in the pair's own world. */
  | (At & { readonly kind: "pair"; readonly fault: Fault })
  | (OnHost & { readonly kind: "power-loss"; readonly backMs: number | null })
  | (OnHost & { readonly kind: "daemon-crash"; readonly backMs: number })
  | (OnHost & {
      readonly kind: "orderly-restart" | "announced-reboot";
      readonly afterMs: number;
      readonly backMs: number;
    })
  | (ForTime & {
      readonly kind: "brain-stall" | "hands-stall" | "kernel-freeze" | "link-loss" | "xapi-hang" | "config-differs";
    })
  | (ForTime & { readonly kind: "one-way-loss"; readonly way: "in" | "out" })
  /** Between two hosts only: a filter, a broken trunk. */
  | (ForTime & { readonly kind: "cut"; readonly to: string; readonly oneWay: boolean })
  /** This host reaches nobody of those, nor they it: the network fell in two. */
  | (At & { readonly kind: "partition"; readonly side: readonly string[]; readonly ms: number })
  | (At & { readonly kind: "switch-loss"; readonly ms: number })
  | (At & { readonly kind: "bad-network"; readonly quality: Quality; readonly ms: number })
  | (ForTime & { readonly kind: "bmc"; readonly how: Exclude<Bmc, "ok"> })
  | (ForTime & { readonly kind: "slow-host"; readonly factor: number })
  | (ForTime & {
      readonly kind: "action";
      readonly effect: PoolEffectKind;
      readonly fault: ActionFault;
      readonly always: boolean;
    })
  | (OnHost & { readonly kind: "clock-jump"; readonly ppm: number })
  | (OnHost & { readonly kind: "command"; readonly command: PoolCommand });

export function describePoolFault(fault: PoolFault): string {
  return fault.kind === "pair" ? describeFault(fault.fault) : describeFault(fault);
}

/** Makes it happen now; what has a duration ends by itself. */
export function injectPool(pool: PoolWorld, fault: PoolFault): void {
  const { stage, world } = pool;
  if (fault.kind === "pair") return world === null ? undefined : inject(world, fault.fault);
  stage.faults += 1;
  stage.note("host" in fault ? fault.host : "-", "fault", describePoolFault(fault));
  switch (fault.kind) {
    case "partition":
    case "switch-loss":
    case "bad-network":
      return injectNetwork(pool, fault);
    default:
      return injectHost(pool, memberOf(pool, fault.host), fault);
  }
}

function injectNetwork(pool: PoolSim, fault: PoolFault & { kind: "partition" | "switch-loss" | "bad-network" }): void {
  const { stage } = pool;
  switch (fault.kind) {
    case "partition": {
      const names = pool.members.map(({ machine }) => machine.name);
      const across = names.flatMap((from) =>
        names.flatMap((to) => (fault.side.includes(from) === fault.side.includes(to) ? [] : [`${from}>${to}`])),
      );
      return cut(pool, across, fault.ms);
    }
    case "switch-loss":
      pool.switchUp = false;
      return stage.after(fault.ms, () => {
        pool.switchUp = true;
      });
    case "bad-network":
      pool.quality = fault.quality;
      return stage.after(fault.ms, () => {
        pool.quality = perfect();
      });
    default:
      return assertNever(fault);
  }
}

function cut({ cuts, stage }: PoolSim, ways: readonly string[], ms: number): void {
  for (const way of ways) cuts.add(way);
  stage.after(ms, () => {
    for (const way of ways) cuts.delete(way);
  });
}

function injectHost(
  pool: PoolWorld,
  m: Member,
  fault: Exclude<PoolFault, { kind: "pair" | "partition" | "switch-loss" | "bad-network" }>,
): void {
  const { stage } = pool;
  const { machine } = m;
  const until = (before: number, ms: number): number => Math.max(before, stage.now + ms);
  switch (fault.kind) {
    case "power-loss":
      pool.powerOff(m, "fault");
      if (fault.backMs !== null) stage.after(fault.backMs, () => pool.powerOn(m));
      return;
    case "daemon-crash":
      pool.killDaemon(m);
      return stage.after(fault.backMs, () => pool.startDaemon(m));
    case "orderly-restart":
      pool.command(m, { kind: "pause" });
      stage.after(fault.afterMs, () => pool.killDaemon(m));
      return stage.after(fault.afterMs + fault.backMs, () => pool.startDaemon(m));
    case "announced-reboot":
      pool.leave(m);
      stage.after(fault.afterMs, () => pool.powerOff(m, "fault"));
      return stage.after(fault.afterMs + fault.backMs, () => pool.powerOn(m));
    case "brain-stall":
      machine.stalledUntil = until(machine.stalledUntil, fault.ms);
      return;
    case "hands-stall":
      machine.handsUntil = until(machine.handsUntil, fault.ms);
      return;
    case "kernel-freeze":
      machine.frozenUntil = until(machine.frozenUntil, fault.ms);
      return;
    case "xapi-hang":
      m.toolstackUntil = until(m.toolstackUntil, fault.ms);
      return;
    case "link-loss":
      m.port.up = false;
      return stage.after(fault.ms, () => {
        m.port.up = true;
      });
    case "one-way-loss":
      m.port[fault.way] = false;
      return stage.after(fault.ms, () => {
        m.port[fault.way] = true;
      });
    case "cut":
      return cut(pool, [`${fault.host}>${fault.to}`, ...(fault.oneWay ? [] : [`${fault.to}>${fault.host}`])], fault.ms);
    case "bmc":
      m.bmc = fault.how;
      return stage.after(fault.ms, () => {
        m.bmc = "ok";
      });
    case "slow-host":
      machine.slowness = fault.factor;
      return stage.after(fault.ms, () => {
        machine.slowness = 1;
      });
    case "action":
      m.actionFaults.set(fault.effect, { fault: fault.fault, always: fault.always });
      return stage.after(fault.ms, () => void m.actionFaults.delete(fault.effect));
    case "config-differs":
      pool.configure(m, "different");
      return stage.after(fault.ms, () => pool.configure(m, "same"));
    case "clock-jump":
      return slew(stage, machine, 1 + fault.ppm / 1e6);
    case "command":
      return pool.command(m, fault.command);
    default:
      return assertNever(fault);
  }
}

/** No fault is left on the members and between the hosts; the pair's world is healed by its own (../inject.ts). */
export function healPool(pool: PoolWorld): void {
  const { stage, members } = pool;
  stage.healed = true;
  pool.cuts.clear();
  pool.quality = perfect();
  pool.switchUp = true;
  for (const m of members) {
    const { machine, port } = m;
    port.up = true;
    port.in = true;
    port.out = true;
    m.bmc = "ok";
    m.actionFaults.clear();
    m.toolstackUntil = Math.min(m.toolstackUntil, stage.now);
    machine.slowness = 1;
    machine.stalledUntil = Math.min(machine.stalledUntil, stage.now);
    machine.handsUntil = Math.min(machine.handsUntil, stage.now);
    machine.frozenUntil = Math.min(machine.frozenUntil, stage.now);
    if (m.pair === null) pool.configure(m, "same");
  }
}

const EFFECTS: readonly PoolEffectKind[] = [
  "persist",
  "persist",
  "persist",
  "pause-domains",
  "pause-domains",
  "unpause-domains",
  "destroy-domains",
  "fence",
  "watchdog-arm",
  "xapi-promote",
  "recover-supporters",
  "recover-host",
];

export interface PoolFaultOptions {
  readonly policy: Policy;
  readonly storage: boolean;
  readonly names: readonly string[];
}

/** One fault at this instant, on one of the pair in one case of three where there is a pair. */
export function drawPoolFault(random: Random, at: number, options: PoolFaultOptions): PoolFault {
  const { names, storage, policy } = options;
  const needsH1 = policy === "vote" || policy === "strict+vote";
  if (storage && random.chance(0.4))
    return { at, kind: "pair", fault: drawFault(random, at, { policy, filters: !needsH1 }) };
  const host = random.pick(storage ? names.slice(2) : names);
  const ms = drawDuration(random);
  const long = (): number => Math.round(ms * random.between(1, 2));
  const back = (low: number, high: number): number => Math.round(random.between(low, high));
  const effect = random.pick(EFFECTS);
  const leader = random.pick(storage ? names.slice(0, 2) : names);
  const kinds: readonly (() => PoolFault)[] = [
    () => ({ at, kind: "power-loss", host, backMs: random.chance(0.5) ? null : back(2_000, 30_000) }),
    () => ({ at, kind: "power-loss", host, backMs: back(2_000, 60_000) }),
    () => ({ at, kind: "daemon-crash", host, backMs: back(50, random.chance(0.7) ? 1_500 : 20_000) }),
    () => ({
      at,
      kind: random.pick(["orderly-restart", "announced-reboot"] as const),
      host,
      afterMs: back(100, 9_000),
      backMs: back(300, 15_000),
    }),
    () => ({ at, kind: random.pick(["brain-stall", "hands-stall", "kernel-freeze"] as const), host, ms }),
    () => ({ at, kind: random.pick(["brain-stall", "kernel-freeze"] as const), host, ms: long() }),
    () => ({ at, kind: "link-loss", host, ms }),
    () => ({ at, kind: "link-loss", host, ms: long() }),
    () => ({ at, kind: "one-way-loss", host, way: random.pick(["in", "out"] as const), ms: long() }),
    () => drawCut(random, at, host, names, long()),
    () => ({ at, kind: "partition", side: sideOf(random, options), ms: long() }),
    () => ({ at, kind: "bad-network", quality: drawQuality(random), ms }),
    () => ({ at, kind: "bmc", host, how: random.pick(["dead", "lies", "slow"] as const), ms: 2 * ms }),
    () => ({ at, kind: "slow-host", host, factor: back(2, 20), ms }),
    () => ({ at, kind: "xapi-hang", host, ms }),
    () => ({ at, kind: "clock-jump", host, ppm: back(-MOST_SLEWED, MOST_SLEWED) }),
    () => ({ at, kind: "config-differs", host, ms }),
    () => ({
      at,
      kind: "action",
      host: /^(fence|xapi|recover)/.test(effect) ? leader : host,
      effect,
      fault: random.pick(["fails", "done-but-failed", "slow", "unsynced"] as const),
      always: random.chance(0.3),
      ms,
    }),
    () => ({ at, kind: "command", host, command: { kind: "maintenance", on: random.chance(0.6) } }),
    ...(storage
      ? []
      : [
          (): PoolFault => ({ at, kind: "switch-loss", ms }),
          (): PoolFault => ({
            at,
            kind: "command",
            host,
            command: random.pick<PoolCommand>([{ kind: "enable", force: true }, { kind: "disable" }]),
          }),
        ]),
  ];
  return random.pick(kinds)();
}

/** The pair's own paths are the pair's: between its two hosts a cut on one network only is another hypothesis (H1). */
function drawCut(random: Random, at: number, host: string, names: readonly string[], ms: number): PoolFault {
  const to = random.pick(names.filter((name) => name !== host));
  return random.chance(0.5)
    ? { at, kind: "cut", host, to, oneWay: random.chance(0.5), ms }
    : { at, kind: "cut", host: to, to: host, oneWay: random.chance(0.5), ms };
}

function sideOf(random: Random, { storage, names }: PoolFaultOptions): readonly string[] {
  if (!storage) return names.filter(() => random.chance(0.5));
  return names.filter((name) => (name === "a" || name === "b" ? false : random.chance(0.5)));
}
