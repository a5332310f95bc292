// A pool of three to five hosts in virtual time. With storage of ours the first two are the whole simulated pair (../world.ts),
// each with the pool's decision beside the pair's; the others run VMs, vote, and hold no copy. Without it all are alike.

import { createWorld, R, testRecord } from "../world.ts";
import { perfect } from "../network.ts";
import { advance, checkWatchdog, createStage, newClock, type Machine } from "../stage.ts";
import { KERNEL_MS } from "../drbd.ts";
import { createPoolWatch } from "./checks.ts";
import { createPoolDaemons } from "./daemon.ts";
import { observeMemberDomains } from "./observe.ts";
import { createMember, poolConfig, type Member, type PoolOptions, type PoolSim } from "./members.ts";
import type { PoolCommand } from "../../../src/core/pool/model.ts";

export const HOSTS = ["a", "b", "c", "d", "e"] as const;

export interface PoolWorld extends PoolSim {
  run(ms: number): void;
  powerOn(member: Member): void;
  startDaemon(member: Member): void;
  killDaemon(member: Member): void;
  command(member: Member, command: PoolCommand): void;
  /** The host goes down in order: its VMs are shut down, then its daemon announces that it leaves (A13). */
  leave(member: Member): void;
  configure(member: Member, cfgHash: string): void;
  /** A VM of this host's own begins to run on it. */
  startVm(member: Member, uuid: string): void;
}

export function createPool(options: PoolOptions): PoolWorld {
  const { storage, policy, seed, tickMs = 100, removedRules = [] } = options;
  const names = HOSTS.slice(0, options.hosts);
  const world = storage
    ? createWorld({ policy, tickMs, resources: [R], config: { removedRules }, ...(seed === undefined ? {} : { seed }) })
    : null;
  const stage = world?.sim ?? createStage(seed);
  const members = names.map((name) => {
    const isPair = world !== null && (name === "a" || name === "b");
    return createMember(stage, {
      config: poolConfig(name, names, options),
      record: { ...testRecord("a"), hostId: name },
      masterId: "a",
      pair: isPair ? { host: world.hosts[name], network: world.network } : null,
    });
  });
  const pool: PoolSim = {
    stage,
    world,
    members,
    policy,
    tickMs,
    cuts: new Set(),
    quality: perfect(),
    switchUp: true,
    residence: world?.sim.residence ?? new Map<string, string | null>(),
    epochLeaders: new Map(),
    feed: (m, event) => daemons.feed(m, event),
    powerOff,
  };
  const daemons = createPoolDaemons(pool);
  const watch = createPoolWatch(pool);

  /** A storage host's part of the pool begins and ends with the pair's daemon. */
  function accompany(m: Member): void {
    if (m.pair === null) return;
    if (m.state !== null && (m.pair.state === null || m.lives !== m.pair.daemons)) daemons.kill(m);
    if (m.state === null && m.pair.state !== null) daemons.start(m);
  }

  if (world !== null) {
    world.sim.stepped = (host) => {
      const m = members.find(({ pair }) => pair === host);
      if (m === undefined) return;
      accompany(m);
      daemons.moved(m);
    };
  }
  const period = (): void => {
    for (const m of members) {
      if (m.pair !== null) accompany(m);
      else checkWatchdog(stage, m.machine, m.config.timers, () => powerOff(m, "watchdog"));
    }
    watch();
    stage.after(KERNEL_MS, period);
  };
  stage.after(KERNEL_MS, period);

  function powerOn(m: Member): void {
    const { machine, pair } = m;
    if (machine.power) return;
    if (pair !== null) return world?.powerOn(pair.name);
    machine.power = true;
    machine.downBy = null;
    machine.boots += 1;
    if (stage.noisy) machine.clock = newClock(stage);
    machine.watchdog = { armed: false, fedAt: stage.now, fired: false };
    machine.stalledUntil = 0;
    machine.handsUntil = 0;
    machine.frozenUntil = 0;
    m.toolstackUntil = 0;
    daemons.start(m);
  }

  function powerOff(m: Member, by: NonNullable<Machine["downBy"]>): void {
    const { machine, pair, disk } = m;
    if (!machine.power) return;
    if (pair === null) {
      stage.note(machine.name, "power.off", by);
      machine.power = false;
      machine.downBy = by;
      machine.domains.clear();
      disk.record = disk.synced;
      daemons.kill(m);
    } else world?.sim.powerOff(pair, by);
    // The smaller part of a pool that one fault cut in two may well be powered off; never the greater one.
    const left = members.filter((one) => one.machine.power || one.machine.downBy === "fault").length;
    if (stage.faults <= 1 && by !== "fault" && left < members.length / 2)
      stage.violate(`V14 one fault left ${left} of ${members.length} hosts`);
  }

  return Object.assign(pool, {
    run: (ms: number) => advance(stage, stage.now + ms),
    powerOn,
    startDaemon: (m: Member) => (m.pair === null ? daemons.start(m) : world?.startDaemon(m.pair.name)),
    killDaemon: (m: Member) => (m.pair === null ? daemons.kill(m) : world?.killDaemon(m.pair.name)),
    command: (m: Member, command: PoolCommand) =>
      daemons.feed(m, { kind: "command", id: 900_000 + stage.nextId++, command }),
    leave(m: Member) {
      if (m.state === null || !m.machine.power) return;
      // What was started elsewhere meanwhile is not this host's any more, whatever still stands here.
      for (const uuid of m.machine.domains.keys())
        if (pool.residence.get(uuid) === m.machine.name) pool.residence.set(uuid, null);
      m.machine.domains.clear();
      observeMemberDomains(pool, m);
      this.command(m, { kind: "leave" });
    },
    configure(m: Member, cfgHash: string) {
      m.config = { ...m.config, cfgHash };
      daemons.feed(m, { kind: "config", config: m.config });
    },
    startVm(m: Member, uuid: string) {
      if (!m.machine.power) return;
      m.machine.domains.set(uuid, { paused: false });
      pool.residence.set(uuid, m.machine.name);
      observeMemberDomains(pool, m);
    },
  });
}
