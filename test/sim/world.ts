// Hosts in virtual time: the real `step` on each, with a simulated kernel DRBD, target, floating IP, domains, toolstack,
// BMC, watchdog and network. Every effect takes time and may be made to fail. Invariants are checked after each event.
// It proves the decision function only; drivers are proven elsewhere, on the real parts.

import type { CoreConfig, Policy } from "../../src/core/model/config.ts";
import type { DurableRecord } from "../../src/core/model/durable.ts";
import type { Command, Event } from "../../src/core/model/event.ts";
import type { State } from "../../src/core/model/state.ts";
import { createWatch } from "./checks.ts";
import { createDaemons } from "./daemon.ts";
import { attachEmpty, boot, createKernel, detach, KERNEL_MS } from "./drbd.ts";
import { createNetwork, type Network } from "./network.ts";
import { observeDomains } from "./observe.ts";
import { NAMES, other, R, testConfig, type HostName } from "./settings.ts";
import {
  createHost,
  freshTarget,
  serves,
  sideOf,
  type CommandReply,
  type EffectKind,
  type Host,
  type Sim,
} from "./sim.ts";
import { advance, checkWatchdog, createStage, newClock, type LogLine } from "./stage.ts";
import { createWitness, type Witness } from "./witness.ts";

export { R, testConfig, testRecord, TIMERS, type HostName } from "./settings.ts";
export type { LogLine } from "./stage.ts";

export interface WorldOptions {
  readonly policy?: Policy;
  readonly config?: Partial<CoreConfig>;
  readonly record?: Partial<DurableRecord>;
  readonly latencyMs?: (effect: EffectKind) => number | undefined;
  /** With a seed all times vary and clocks drift; without one the world is the same every time. */
  readonly seed?: number;
  readonly tickMs?: number;
  readonly resources?: readonly string[];
}

export interface World {
  readonly now: number;
  readonly sim: Sim;
  readonly hosts: Record<HostName, Host>;
  readonly links: Network["links"];
  gateway: boolean;
  readonly network: Network;
  readonly witness: Witness;
  readonly bmc: Sim["bmc"];
  readonly drbdConnected: boolean;
  /** Newest acknowledged write of the first resource. */
  readonly acked: number;
  readonly log: LogLine[];
  readonly violations: string[];
  readonly replies: CommandReply[];
  run(ms: number): void;
  /** Runs until the condition holds, looked at every 50 ms; answers how long that took. */
  until(what: string, condition: () => boolean, limitMs: number): number;
  command(host: HostName, command: Command): void;
  powerOff(host: HostName): void;
  powerOn(host: HostName): void;
  killDaemon(host: HostName): void;
  startDaemon(host: HostName): void;
  stallDaemon(host: HostName, ms: number): void;
  /** The whole dom0 stands still; domains go on computing. */
  freeze(host: HostName, ms: number): void;
  killTarget(host: HostName): void;
  /** Reads and writes of this host's disk fail: DRBD detaches it. */
  failDisk(host: HostName): void;
  /** The new disk is empty. */
  replaceDisk(host: HostName): void;
  configure(host: HostName, patch: Partial<CoreConfig>): void;
  fail(host: HostName, kind: EffectKind | null): void;
  serving(host: HostName): boolean;
  state(host: HostName): State;
}

export function createWorld(options: WorldOptions = {}): World {
  const stage = createStage(options.seed);
  const { noisy } = stage;
  const resources = options.resources ?? [R];
  const policy = options.policy ?? "vote";
  const makeHost = (name: HostName): Host =>
    createHost(name, resources, {
      config: testConfig(name, policy, { resources, ...options.config }),
      ...(options.record === undefined ? {} : { record: options.record }),
      clock: newClock(stage),
    });

  const sim: Sim = {
    ...stage,
    policy,
    resources,
    hosts: { a: makeHost("a"), b: makeHost("b") },
    network: createNetwork(),
    witness: createWitness(),
    tickMs: options.tickMs ?? 50,
    bmc: { a: "ok", b: "ok" },
    vipConflict: false,
    resyncMs: null,
    grownApart: false,
    residence: new Map(),
    acked: {},
    issued: {},
    replies: [],
    epochOwners: new Map(),
    fencedAt: { a: -Infinity, b: -Infinity },
    moves: [],
    h1Broken: false,
    f5Broken: false,
    latency: options.latencyMs ?? null,
    heartbeatArrived: () => undefined,
    stepped: () => undefined,
    feed: (host: Host, event: Event) => daemons.feed(host, event),
    powerOff,
  };
  const daemons = createDaemons(sim);
  const kernel = createKernel(sim);
  const watch = createWatch(sim);
  const period = (): void => {
    kernel();
    for (const name of NAMES) {
      const h = sim.hosts[name];
      checkWatchdog(sim, h, h.config.timers, () => powerOff(h, "watchdog"));
    }
    watch();
    sim.after(KERNEL_MS, period);
  };
  sim.after(KERNEL_MS, period);

  function powerOn(h: Host): void {
    if (h.power) return;
    h.power = true;
    h.downBy = null;
    h.boots += 1;
    h.exchanged = false;
    if (noisy) h.clock = newClock(sim);
    h.bootRecord = h.disk.record;
    h.target = freshTarget();
    h.vip = false;
    h.blocked = false;
    h.hush = "off";
    h.watchdog = { armed: false, fedAt: sim.now, fired: false };
    h.stalledUntil = 0;
    h.handsUntil = 0;
    h.frozenUntil = 0;
    h.targetUntil = 0;
    h.drbdUntil = 0;
    boot(sim, h);
    daemons.start(h);
  }

  function powerOff(h: Host, by: NonNullable<Host["downBy"]>): void {
    if (by === "fence") fenced(h);
    if (!h.power) return;
    sim.note(h.name, "power.off", by);
    h.power = false;
    h.downBy = by;
    daemons.kill(h);
    h.disk.record = h.disk.synced;
    h.target = freshTarget();
    h.vip = false;
    h.domains.clear();
    for (const resource of resources) {
      const side = sideOf(h, resource);
      side.connected = false;
      side.role = "Secondary";
      side.suspended = false;
      side.handlers = [];
      side.inFlight = null;
      side.resync = null;
      side.up = false;
    }
    const peer = sim.hosts[other(h.name)];
    if (sim.faults <= 1 && by !== "fault" && (peer.downBy ?? "fault") !== "fault")
      sim.violate("V14 one fault took both hosts down");
  }

  function fenced(h: Host): void {
    if (h.power && sim.now - sim.fencedAt[other(h.name)] < h.config.timers.fence)
      sim.violate("V14 both hosts powered one another off");
    if (h.power) sim.fencedAt[h.name] = sim.now;
  }

  const tail = (): string =>
    sim.log
      .slice(-40)
      .map((l) => `${String(Math.round(l.at)).padStart(7)} ${l.host} ${l.event}: ${l.detail}`)
      .join("\n");

  return {
    sim,
    get now() {
      return sim.now;
    },
    hosts: sim.hosts,
    links: sim.network.links,
    get gateway() {
      return sim.network.gateway;
    },
    set gateway(up) {
      sim.network.gateway = up;
    },
    network: sim.network,
    witness: sim.witness,
    bmc: sim.bmc,
    get drbdConnected() {
      return resources.some((r) => sideOf(sim.hosts.a, r).connected && sideOf(sim.hosts.b, r).connected);
    },
    get acked() {
      return sim.acked[resources[0] ?? R] ?? 0;
    },
    log: sim.log,
    violations: sim.violations,
    replies: sim.replies,
    run: (ms) => advance(sim, sim.now + ms),
    until(what, condition, limitMs) {
      const begun = sim.now;
      while (!condition()) {
        if (sim.now - begun >= limitMs) throw new Error(`${what} did not happen within ${limitMs} ms\n${tail()}`);
        advance(sim, sim.now + 50);
      }
      return sim.now - begun;
    },
    command(name, command) {
      // A23: a person looked after the storage; what systemd says at a stop is no such act.
      if (command.kind !== "leave" && command.kind !== "pause") sim.moves = [];
      if (command.kind === "become-primary") sim.hosts[name].forced = command.force;
      sim.feed(sim.hosts[name], { kind: "command", id: 900_000 + sim.nextId++, command });
    },
    powerOff: (name) => powerOff(sim.hosts[name], "fault"),
    powerOn: (name) => powerOn(sim.hosts[name]),
    killDaemon: (name) => daemons.kill(sim.hosts[name]),
    startDaemon: (name) => daemons.start(sim.hosts[name]),
    stallDaemon: (name, ms) => daemons.stall(sim.hosts[name], sim.now + ms),
    freeze(name, ms) {
      const h = sim.hosts[name];
      h.frozenUntil = Math.max(h.frozenUntil, sim.now + ms);
    },
    killTarget(name) {
      const h = sim.hosts[name];
      if (!h.power) return;
      h.target = freshTarget();
      sim.feed(h, { kind: "target-died", detail: "killed" });
    },
    failDisk(name) {
      sim.hosts[name].disk.broken = true;
      detach(sim, sim.hosts[name]);
    },
    replaceDisk(name) {
      sim.hosts[name].disk.broken = false;
      attachEmpty(sim, sim.hosts[name]);
    },
    configure(name, patch) {
      const h = sim.hosts[name];
      h.config = { ...h.config, ...patch };
      sim.feed(h, { kind: "config", config: h.config });
    },
    fail(name, kind) {
      const { actionFaults } = sim.hosts[name];
      actionFaults.clear();
      if (kind !== null) actionFaults.set(kind, { fault: "fails", always: true });
    },
    serving: (name) => serves(sim, sim.hosts[name]),
    state(name) {
      const { state } = sim.hosts[name];
      if (state === null) throw new Error(`no daemon on ${name}`);
      return state;
    },
  };
}

/** Both hosts on, storage serving on one, copies in sync, each with its VM. */
export function servingWorld(options: WorldOptions = {}): World {
  const world = createWorld(options);
  world.powerOn("a");
  world.powerOn("b");
  world.until("storage serves", () => world.serving("a") || world.serving("b"), 20_000);
  world.run(3_000);
  for (const name of NAMES) startVm(world, name);
  world.run(1_000);
  return world;
}

/** A VM of this host's own runs on it. */
export function startVm(world: World, name: HostName): void {
  const { sim } = world;
  const h = sim.hosts[name];
  if (!h.power) return;
  h.domains.set(`vm-${name}`, { paused: false });
  sim.residence.set(`vm-${name}`, name);
  observeDomains(sim, h);
}
