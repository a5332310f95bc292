// Two hosts in virtual time: the real `step` on each, with a simulated kernel DRBD, target, floating IP, domains,
// toolstack, BMC and network. Every effect takes time and may be made to fail. Invariants are checked after each event.
// It proves the decision function only; drivers are proven elsewhere, on the real parts.

import { heartbeatOf } from "../../src/core/heartbeat.ts";
import type { CoreConfig, Policy } from "../../src/core/model/config.ts";
import type { DiskState, DrbdView } from "../../src/core/model/drbd.ts";
import type { DurableRecord } from "../../src/core/model/durable.ts";
import type { Command, Event } from "../../src/core/model/event.ts";
import { known } from "../../src/core/model/observation.ts";
import type { HeartbeatBody, Link } from "../../src/core/model/peer.ts";
import { initialState, type State } from "../../src/core/model/state.ts";
import type { Action, Effect } from "../../src/core/plan/action.ts";
import { step } from "../../src/core/step.ts";
import { assertNever } from "../../src/util/assert.ts";

export type HostName = "a" | "b";
const other = (h: HostName): HostName => (h === "a" ? "b" : "a");
const LINKS: readonly Link[] = ["management", "replication"];
export const R = "iscsi1";

export const TIMERS = {
  hb: 250,
  echo: 1000,
  suspect: 1000,
  sample: 500,
  dead: 3000,
  drbd: 1500,
  lease: 5000,
  soft: 2000,
  watchdog: 5000,
  reset: 1000,
  margin: 1500,
  take: 13000,
  quiet: 1000,
  fenceDelay: 1500,
  fence: 10000,
  lag: 500,
  leave: 120000,
  managementGrace: 60000,
  flap: 300000,
  release: 3000,
};

export function testConfig(host: HostName, policy: Policy, patch: Partial<CoreConfig> = {}): CoreConfig {
  return {
    poolId: "pool",
    hostId: host,
    peerId: other(host),
    cfgHash: "same",
    policy,
    timers: TIMERS,
    resources: [R],
    heuristics: ["gateway"],
    fenceEnabled: true,
    quorumRequired: true,
    minHosts: 2,
    hosts: 2,
    mayTakeOver: true,
    mayRestart: true,
    rebootLoneHost: false,
    watchdogUsed: true,
    removedRules: [],
    ...patch,
  };
}

export function testRecord(host: HostName, patch: Partial<DurableRecord> = {}): DurableRecord {
  return {
    poolId: "pool",
    hostId: host,
    ha: "on",
    flags: { manual: false, maintenance: false },
    peerHa: "on",
    peerFlags: { manual: false, maintenance: false },
    epoch: 0,
    owner: null,
    solo: {},
    lastSync: {},
    takeovers: 0,
    ...patch,
  };
}

/** What survives a loss of power: disk, DRBD's metadata, the durable record, pool.conf. */
interface Disk {
  record: DurableRecord;
  drbd: DiskState;
  peerOutdated: boolean;
  /** Newest write on this disk. */
  data: number;
  xapi: "master" | "supporter";
}

interface Host {
  readonly name: HostName;
  readonly disk: Disk;
  power: boolean;
  /** The daemon; null while it is down. */
  state: State | null;
  boots: number;
  daemons: number;
  up: boolean;
  role: "Primary" | "Secondary";
  suspended: boolean;
  handlers: string[];
  target: { running: boolean; filled: boolean; portalOpen: boolean; barred: boolean };
  blocked: boolean;
  vip: boolean;
  domains: Map<string, { paused: boolean }>;
  stalledUntil: number;
  watchdog: { armed: boolean; fedAt: number };
  heard: Record<Link, { body: HeartbeatBody; echo: number | null; at: number } | null>;
  sendSeq: number;
  sent: Map<number, number>;
  lastHeardSeq: number | null;
}

interface Timed {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export interface WorldOptions {
  readonly policy?: Policy;
  readonly config?: Partial<CoreConfig>;
  readonly record?: Partial<DurableRecord>;
  readonly latencyMs?: (effect: Effect["kind"]) => number;
}

export interface LogLine {
  readonly at: number;
  readonly host: HostName;
  readonly event: string;
  readonly detail: string;
}

export interface World {
  now: number;
  readonly hosts: Record<HostName, Host>;
  readonly links: Record<Link, { a: boolean; b: boolean }>;
  gateway: boolean;
  bmc: Record<HostName, "ok" | "dead" | "lies">;
  drbdConnected: boolean;
  acked: number;
  readonly log: LogLine[];
  readonly violations: string[];
  readonly replies: { host: HostName; action: Action & { kind: "command-reply" } }[];
  run(ms: number): void;
  until(what: string, condition: () => boolean, limitMs: number): number;
  command(host: HostName, command: Command): void;
  powerOff(host: HostName): void;
  powerOn(host: HostName): void;
  killDaemon(host: HostName): void;
  startDaemon(host: HostName): void;
  stallDaemon(host: HostName, ms: number): void;
  killTarget(host: HostName): void;
  fail(host: HostName, kind: Effect["kind"] | null): void;
  serving(host: HostName): boolean;
  state(host: HostName): State;
}

const DEFAULT_LATENCY: Partial<Record<Effect["kind"], number>> = {
  persist: 20,
  promote: 80,
  demote: 80,
  outdate: 60,
  "target-fill": 100,
  "vip-add": 40,
  "vip-remove": 40,
  fence: 600,
  "xapi-promote": 14000,
  "recover-peer": 3000,
};

export function createWorld(options: WorldOptions = {}): World {
  const policy = options.policy ?? "vote";
  const queue: Timed[] = [];
  let order = 0;
  const failing: Record<HostName, Effect["kind"] | null> = { a: null, b: null };
  const after = (ms: number, run: () => void): void => {
    queue.push({ at: world.now + ms, order: order++, run });
  };
  const makeHost = (name: HostName): Host => ({
    name,
    disk: {
      record: testRecord(name, options.record),
      drbd: "UpToDate",
      peerOutdated: false,
      data: 0,
      xapi: name === "a" ? "master" : "supporter",
    },
    power: false,
    state: null,
    boots: 0,
    daemons: 0,
    up: false,
    role: "Secondary",
    suspended: false,
    handlers: [],
    target: { running: false, filled: false, portalOpen: false, barred: false },
    blocked: false,
    vip: false,
    domains: new Map(),
    stalledUntil: 0,
    watchdog: { armed: false, fedAt: 0 },
    heard: { management: null, replication: null },
    sendSeq: 0,
    sent: new Map(),
    lastHeardSeq: null,
  });
  const hosts: Record<HostName, Host> = { a: makeHost("a"), b: makeHost("b") };

  const world: World = {
    now: 0,
    hosts,
    links: { management: { a: true, b: true }, replication: { a: true, b: true } },
    gateway: true,
    bmc: { a: "ok", b: "ok" },
    drbdConnected: false,
    acked: 0,
    log: [],
    violations: [],
    replies: [],
    run(ms) {
      const end = world.now + ms;
      while (world.now < end) advance(Math.min(world.now + 50, end));
    },
    until(what, condition, limitMs) {
      const begun = world.now;
      while (!condition()) {
        if (world.now - begun >= limitMs) throw new Error(`${what} did not happen within ${limitMs} ms\n${tail()}`);
        advance(world.now + 50);
      }
      return world.now - begun;
    },
    command: (name, command) => feed(hosts[name], { kind: "command", id: 900_000 + order++, command }),
    powerOff,
    powerOn,
    killDaemon(name) {
      hosts[name].state = null;
    },
    startDaemon,
    stallDaemon(name, ms) {
      hosts[name].stalledUntil = world.now + ms;
    },
    killTarget(name) {
      const h = hosts[name];
      h.target = { running: false, filled: false, portalOpen: false, barred: false };
      feed(h, { kind: "target-died", detail: "killed" });
    },
    fail(name, kind) {
      failing[name] = kind;
    },
    serving: (name) => serves(hosts[name]),
    state(name) {
      const { state } = hosts[name];
      if (state === null) throw new Error(`no daemon on ${name}`);
      return state;
    },
  };

  const tail = (): string =>
    world.log
      .slice(-40)
      .map((l) => `${String(l.at).padStart(7)} ${l.host} ${l.event}: ${l.detail}`)
      .join("\n");

  const linkUp = (link: Link): boolean => world.links[link].a && world.links[link].b;
  const serves = (h: Host): boolean =>
    h.power && h.role === "Primary" && !h.suspended && h.target.portalOpen && h.target.filled && h.vip && !h.blocked;

  function drbdView(h: Host): DrbdView {
    const peer = hosts[other(h.name)];
    const connected = world.drbdConnected;
    return {
      role: h.role,
      disk: h.disk.drbd,
      connection: connected ? "Connected" : "Connecting",
      replication: connected ? "Established" : "Off",
      peerRole: connected ? peer.role : "Unknown",
      peerDisk: connected ? peer.disk.drbd : h.disk.peerOutdated ? "Outdated" : "DUnknown",
      suspended: h.suspended,
      outOfSyncKiB: 0,
      donePercent: null,
      generation: null,
    };
  }

  const observeDrbd = (h: Host): void =>
    feed(h, { kind: "drbd", views: known(h.up ? { [R]: drbdView(h) } : {}, world.now) });
  const observeTarget = (h: Host): void =>
    feed(h, {
      kind: "target",
      target: known({ running: h.target.running, filled: h.target.filled, portalOpen: h.target.portalOpen }, world.now),
    });
  const observeVip = (h: Host): void => feed(h, { kind: "vip", vip: known(h.vip ? "present" : "absent", world.now) });
  const observeDomains = (h: Host): void =>
    feed(h, {
      kind: "domains",
      domains: known(
        [...h.domains].map(([uuid, d], i) => ({ uuid, domId: i + 1, name: uuid, paused: d.paused })),
        world.now,
      ),
    });
  const observeXapi = (h: Host): void =>
    feed(h, { kind: "xapi", xapi: known({ role: h.disk.xapi, masterId: masterSeenBy(h) }, world.now) });
  const masterSeenBy = (h: Host): string | null => (h.disk.xapi === "master" ? h.name : other(h.name));

  function powerOn(name: HostName): void {
    const h = hosts[name];
    h.power = true;
    h.boots += 1;
    h.up = false;
    h.role = "Secondary";
    h.suspended = false;
    h.handlers = [];
    h.target = { running: false, filled: false, portalOpen: false, barred: false };
    h.vip = false;
    h.blocked = false;
    h.watchdog = { armed: false, fedAt: world.now };
    // DRBD attaches UpToDate only where the peer is known Outdated, else Consistent (protocol.md F5, R1.7).
    if (h.disk.drbd === "UpToDate" && !h.disk.peerOutdated) h.disk.drbd = "Consistent";
    startDaemon(name);
  }

  function startDaemon(name: HostName): void {
    const h = hosts[name];
    if (!h.power) return;
    h.daemons += 1;
    h.sent = new Map();
    h.lastHeardSeq = null;
    const config = testConfig(name, policy, options.config);
    h.state = initialState(config, h.disk.record, `boot-${name}-${h.boots}`, h.daemons, world.now);
    observeDrbd(h);
    observeTarget(h);
    observeVip(h);
    observeDomains(h);
    observeXapi(h);
    feed(h, { kind: "watchdog", armed: h.watchdog.armed });
    for (const handler of h.handlers) feed(h, { kind: "handler", resource: R, handler });
  }

  function powerOff(name: HostName): void {
    const h = hosts[name];
    h.power = false;
    h.state = null;
    h.role = "Secondary";
    h.target = { running: false, filled: false, portalOpen: false, barred: false };
    h.vip = false;
    h.domains.clear();
    h.handlers = [];
    h.suspended = false;
    h.up = false;
  }

  function feed(h: Host, event: Event): void {
    if (h.state === null || !h.power) return;
    const { state, actions } = step(h.state, event, world.now);
    h.state = state;
    for (const action of actions) perform(h, action);
    check();
  }

  function perform(h: Host, action: Action): void {
    const daemon = h.daemons;
    const alive = (): boolean => h.power && h.state !== null && h.daemons === daemon;
    const answer = (event: Event): void => {
      if (alive()) feed(h, event);
    };
    switch (action.kind) {
      case "log":
        world.log.push({ at: world.now, host: h.name, event: action.event, detail: action.detail });
        return;
      case "alert":
        world.log.push({ at: world.now, host: h.name, event: "alert.raised", detail: action.text });
        return;
      case "alert-over":
      case "beat":
      case "kick-initiators":
      case "look-at-domains":
        return;
      case "token":
        h.watchdog.fedAt = world.now;
        return;
      case "command-reply":
        world.replies.push({ host: h.name, action });
        world.log.push({ at: world.now, host: h.name, event: `reply.${action.outcome}`, detail: action.text });
        return;
      case "answer-handler":
        after(10, () => {
          if (!h.power || !h.handlers.includes(action.handler)) return;
          h.handlers = h.handlers.filter((x) => x !== action.handler);
          if (action.code === 4 || action.code === 7) {
            h.disk.peerOutdated = true;
            h.suspended = false;
          }
          observeDrbd(h);
        });
        return;
      case "sample":
        after(60, () =>
          answer({ kind: "sample", id: action.id, passed: world.gateway && world.links.management[h.name] }),
        );
        return;
      case "probe": {
        const peer = hosts[other(h.name)];
        const seen = peer.power && LINKS.some(linkUp);
        const vipSeen = peer.vip && linkUp("replication");
        after(200, () =>
          answer({
            kind: "probe",
            id: action.id,
            peer: seen ? "answered" : "silent",
            vip: vipSeen ? "answered" : "free",
            mac: vipSeen ? "peer" : null,
          }),
        );
        return;
      }
      case "ask": {
        const peer = hosts[other(h.name)];
        const reachable = (): boolean =>
          peer.power && peer.state !== null && peer.stalledUntil <= world.now && LINKS.some(linkUp);
        const requestId = order++;
        pendingAsks.set(requestId, (reply) => after(2, () => answer({ kind: "reply", id: action.id, reply })));
        after(action.timeoutMs, () => settle(requestId, { kind: "silent", reason: "no answer" }));
        after(2, () => {
          if (reachable()) feed(peer, { kind: "request", id: requestId, request: action.request });
        });
        return;
      }
      case "answer":
        settle(action.id, action.reply);
        return;
      default: {
        const latency = options.latencyMs?.(action.kind) ?? DEFAULT_LATENCY[action.kind] ?? 10;
        after(latency, () => {
          if (!h.power) return;
          const outcome = failing[h.name] === action.kind ? "made to fail" : apply(h, action);
          if (!alive()) return;
          // The look after the act comes before the result, as the executor does it.
          observeDrbd(h);
          if (world.drbdConnected) observeDrbd(hosts[other(h.name)]);
          observeTarget(h);
          observeVip(h);
          observeDomains(h);
          observeXapi(h);
          feed(h, { kind: "watchdog", armed: h.watchdog.armed });
          answer({
            kind: "result",
            id: action.id,
            ok: outcome === true,
            detail: outcome === true ? action.kind : outcome,
          });
        });
      }
    }
  }

  const pendingAsks = new Map<
    number,
    (reply: { kind: "done" } | { kind: "refused"; reason: string } | { kind: "silent"; reason: string }) => void
  >();
  function settle(
    id: number,
    reply: { kind: "done" } | { kind: "refused"; reason: string } | { kind: "silent"; reason: string },
  ): void {
    const resolve = pendingAsks.get(id);
    pendingAsks.delete(id);
    resolve?.(reply);
  }

  /** The world's side of an effect: true, or why it failed. */
  function apply(h: Host, action: Effect): true | string {
    const peer = hosts[other(h.name)];
    switch (action.kind) {
      case "persist":
        if (action.record.epoch < h.disk.record.epoch) world.violations.push(`V6 epoch went back on ${h.name}`);
        h.disk.record = action.record;
        return true;
      case "drbd-up":
        h.up = true;
        return true;
      case "drbd-connect":
        return true;
      case "promote":
        if (h.role === "Primary") return true;
        if (world.drbdConnected && peer.role === "Primary") return "both primary (11)";
        if (h.disk.drbd !== "UpToDate" && !(world.drbdConnected && peer.disk.drbd === "UpToDate")) {
          return `no UpToDate data (17): ${h.disk.drbd}`;
        }
        if (!h.disk.peerOutdated && !world.drbdConnected) {
          // The kernel asks the handler before it promotes; the record must say yes by now.
          if (h.state?.durable.owner !== h.name || h.state.durable.solo[R] !== true) return "fence-peer said no";
          h.disk.peerOutdated = true;
        }
        h.role = "Primary";
        return true;
      case "demote":
        if (h.target.filled) return "device is held open (11)";
        h.role = "Secondary";
        h.suspended = false;
        return true;
      case "outdate":
        if (world.drbdConnected || h.role === "Primary") return "connected";
        h.disk.drbd = "Outdated";
        return true;
      case "resume-io":
        h.suspended = false;
        return true;
      case "target-warm":
        h.target = { ...h.target, running: true };
        return true;
      case "target-fill":
        if (h.role !== "Primary") return "not primary";
        h.target = { ...h.target, running: true, filled: true, barred: action.bar };
        return true;
      case "target-bar-peer":
        h.target = { ...h.target, barred: true };
        return true;
      case "portal-open":
        h.target = { ...h.target, portalOpen: true };
        return true;
      case "target-withdraw":
        h.target = { running: false, filled: false, portalOpen: false, barred: false };
        return true;
      case "hush-portal":
        h.blocked = action.what !== "off";
        return true;
      case "block-portal":
        h.blocked = true;
        return true;
      case "unblock-portal":
        h.blocked = false;
        return true;
      case "vip-add":
        if (h.role !== "Primary" || !h.target.filled) world.violations.push(`V9 floating IP added early on ${h.name}`);
        h.vip = true;
        return true;
      case "vip-remove":
        h.vip = false;
        return true;
      case "pause-domains":
        for (const d of h.domains.values()) d.paused = true;
        return true;
      case "unpause-domains":
        for (const uuid of action.destroy) h.domains.delete(uuid);
        for (const d of h.domains.values()) d.paused = false;
        return true;
      case "fence": {
        if (action.hostId === h.name) world.violations.push("V7 fenced itself");
        if (!world.links.management[h.name] || !world.gateway) return "the BMC does not answer";
        if (world.bmc[peer.name] === "dead") return "the BMC does not answer";
        if (world.bmc[peer.name] === "lies") return "power state was read back as on";
        powerOff(peer.name);
        return true;
      }
      case "watchdog-arm":
        h.watchdog = { armed: true, fedAt: world.now };
        return true;
      case "watchdog-disarm":
        h.watchdog = { armed: false, fedAt: world.now };
        return true;
      case "xapi-promote":
        h.disk.xapi = "master";
        return true;
      case "xapi-designate":
        h.disk.xapi = "supporter";
        peer.disk.xapi = "master";
        if (peer.power) observeXapi(peer);
        return true;
      case "recover-peer":
        for (const uuid of startedOn[peer.name]) h.domains.set(uuid, { paused: false });
        return true;
      default:
        return assertNever(action);
    }
  }

  const startedOn: Record<HostName, string[]> = { a: ["vm-a"], b: ["vm-b"] };

  function drbdNetwork(): void {
    const { a, b } = hosts;
    const possible = a.power && b.power && a.up && b.up && linkUp("replication");
    if (possible && !world.drbdConnected && downSince === null) upSince ??= world.now;
    if (possible && !world.drbdConnected && upSince !== null && world.now - upSince >= 300) connect();
    if (!possible) {
      upSince = null;
      if (world.drbdConnected) {
        downSince ??= world.now;
        if (world.now - downSince >= 1400) disconnect();
      }
    } else downSince = null;
  }
  let upSince: number | null = null;
  let downSince: number | null = null;

  function connect(): void {
    const { a, b } = hosts;
    if (a.role === "Primary" && b.role === "Primary") return;
    world.drbdConnected = true;
    upSince = null;
    const source = a.role === "Primary" ? a : b.role === "Primary" ? b : a.disk.data >= b.disk.data ? a : b;
    const sink = hosts[other(source.name)];
    if (sink.disk.data > source.disk.data && source.role === "Primary")
      world.violations.push("V3 stale data serves: resync would lose acknowledged writes");
    sink.disk.data = source.disk.data;
    for (const h of [a, b]) {
      h.disk.drbd = "UpToDate";
      h.disk.peerOutdated = false;
      h.suspended = false;
      h.handlers = [];
    }
    observeDrbd(a);
    observeDrbd(b);
  }

  function disconnect(): void {
    world.drbdConnected = false;
    downSince = null;
    for (const h of [hosts.a, hosts.b]) {
      if (!h.power) continue;
      if (h.role === "Primary") {
        h.suspended = true;
        const handler = `h${order++}`;
        h.handlers = [handler];
        observeDrbd(h);
        feed(h, { kind: "handler", resource: R, handler });
      } else observeDrbd(h);
    }
  }

  /** One write per host and turn where storage serves: acknowledged when both copies have it, or the peer is out of the way. */
  function write(): void {
    for (const h of [hosts.a, hosts.b]) {
      if (!serves(h)) continue;
      const peer = hosts[other(h.name)];
      if (world.drbdConnected && !(peer.power && linkUp("replication"))) continue; // waits for the lost peer
      if (h.disk.data < world.acked) world.violations.push(`V3 ${h.name} serves without acknowledged writes`);
      h.disk.data = Math.max(h.disk.data, world.acked) + 1;
      if (world.drbdConnected) peer.disk.data = h.disk.data;
      world.acked = h.disk.data;
    }
  }

  function beats(): void {
    for (const h of [hosts.a, hosts.b]) {
      if (!h.power || h.state === null || h.stalledUntil > world.now) continue;
      if (world.now % TIMERS.hb !== 0) continue;
      const body = heartbeatOf(h.state, world.now);
      const peer = hosts[other(h.name)];
      const seq = h.sendSeq++;
      h.sent.set(seq, world.now);
      const echo = h.lastHeardSeq;
      for (const link of LINKS) {
        if (!linkUp(link)) continue;
        after(1, () => {
          if (!peer.power || peer.state === null || peer.stalledUntil > world.now) return;
          peer.lastHeardSeq = seq;
          const echoSentAt = echo === null ? null : (peer.sent.get(echo) ?? null);
          feed(peer, { kind: "heartbeat", heard: { link, body, echoSentAt, receivedAt: world.now } });
        });
      }
    }
  }

  function watchdogs(): void {
    for (const h of [hosts.a, hosts.b]) {
      if (h.power && h.watchdog.armed && world.now - h.watchdog.fedAt > TIMERS.watchdog) {
        world.log.push({ at: world.now, host: h.name, event: "watchdog.fired", detail: "" });
        powerOff(h.name);
      }
    }
  }

  function advance(to: number): void {
    for (;;) {
      queue.sort((x, y) => x.at - y.at || x.order - y.order);
      const next = queue[0];
      if (next === undefined || next.at > to) break;
      queue.shift();
      world.now = Math.max(world.now, next.at);
      next.run();
    }
    world.now = to;
    drbdNetwork();
    write();
    beats();
    for (const h of [hosts.a, hosts.b]) if (h.stalledUntil <= world.now) feed(h, { kind: "tick" });
    watchdogs();
    check();
  }

  function check(): void {
    const { a, b } = hosts;
    if (serves(a) && serves(b)) world.violations.push(`V1 both serve at ${world.now}`);
    for (const [uuid, d] of a.domains) {
      const there = b.domains.get(uuid);
      if (!d.paused && there !== undefined && !there.paused)
        world.violations.push(`V2 ${uuid} on both at ${world.now}`);
    }
  }

  return world;
}

/** Both hosts on, storage serving on one, copies in sync, each with its VM. */
export function servingWorld(options: WorldOptions = {}): World {
  const world = createWorld(options);
  world.hosts.a.disk.drbd = "UpToDate";
  world.powerOn("a");
  world.powerOn("b");
  world.until("storage serves", () => world.serving("a") || world.serving("b"), 20_000);
  world.run(3_000);
  for (const name of ["a", "b"] as const) {
    const h = world.hosts[name];
    h.domains.set(`vm-${name}`, { paused: false });
    const domains = known([{ uuid: `vm-${name}`, domId: 1, name: `vm-${name}`, paused: false }], world.now);
    if (h.state !== null) h.state = step(h.state, { kind: "domains", domains }, world.now).state;
  }
  world.run(1_000);
  return world;
}
