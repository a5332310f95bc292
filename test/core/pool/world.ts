// A pool of three hosts and more in virtual time: the real `poolStep` on every host, links that may break in one
// direction, watchdogs, fence devices and VMs. The pair's own protocol is replaced by what it promises: at most one
// storage host has authority, and it moves only after the other one cannot serve any more.

import assert from "node:assert/strict";
import { createQueue } from "../../sim/queue.ts";
import { TIMERS } from "./timers.ts";
import { beatFor } from "../../../src/core/pool/beats.ts";
import { endangered, restartRefusal } from "../../../src/core/pool/facts.ts";
import { initialPoolState } from "../../../src/core/pool/initial.ts";
import type { MemberBeat, PoolAction, PoolConfig, PoolEvent, PoolState } from "../../../src/core/pool/model.ts";
import { poolStep } from "../../../src/core/pool/step.ts";
import type { DurableRecord } from "../../../src/core/model/durable.ts";
import type { Policy } from "../../../src/core/model/config.ts";
import { known } from "../../../src/core/model/observation.ts";

export interface WorldOptions {
  readonly hosts: number;
  /** The first two hold the storage. */
  readonly storage: boolean;
  readonly policy?: Policy;
  readonly removedRules?: readonly string[];
  readonly seed?: number;
  readonly vmsPerHost?: number;
  readonly config?: Partial<PoolConfig>;
}

export interface Host {
  readonly id: string;
  /** Its clock runs by this factor (F3). */
  readonly rate: number;
  readonly clockOffset: number;
  powered: boolean;
  /** The daemon stands still until then; the watchdog does not. */
  stalledUntil: number;
  state: PoolState;
  durable: DurableRecord;
  incarnation: number;
  /** VM -> paused. */
  readonly vms: Map<string, boolean>;
  armed: boolean;
  fedAt: number;
  fenceWorks: boolean;
  xapi: "master" | "supporter";
  masterId: string;
  /** Newest beat of each other host that it accepted: when that was sent, on the sender's clock. */
  readonly accepted: Map<string, number>;
}

const T0 = 1_000_000;
export const idOf = (n: number): string => `h${String(n).padStart(2, "0")}`;

export class World {
  now = T0;
  readonly hosts: Host[] = [];
  /** VM -> host, as the pool's database says; null: halted. */
  readonly database = new Map<string, string | null>();
  readonly actions: { readonly at: number; readonly host: string; readonly action: PoolAction }[] = [];
  packets = 0;
  readonly config: (id: string) => PoolConfig;
  readonly #queue = createQueue();
  #random: () => number;
  readonly #cut = new Set<string>();
  /** Index of the storage host with authority; null while nobody has it. */
  owner: number | null = null;
  ownerEpoch = 1;
  /** What the pair agreed on. */
  ha: "on" | "off" = "on";
  readonly options: WorldOptions;

  constructor(options: WorldOptions) {
    this.options = options;
    this.#random = mulberry(options.seed ?? 1);
    const ids = Array.from({ length: options.hosts }, (_, i) => idOf(i + 1));
    this.config = (hostId) => ({
      hostId,
      hosts: ids,
      storageHosts: options.storage ? ids.slice(0, 2) : [],
      cfgHash: "same",
      policy: options.policy ?? "vote",
      timers: TIMERS,
      fenceEnabled: true,
      quorumRequired: true,
      minHosts: 2,
      mayRestart: true,
      mayLead: true,
      rebootLoneHost: false,
      watchdogUsed: true,
      removedRules: options.removedRules ?? [],
      ...options.config,
    });
    for (const [index, id] of ids.entries()) {
      const durable: DurableRecord = {
        poolId: "pool",
        hostId: id,
        ha: "on",
        flags: { manual: false, maintenance: false },
        peerHa: "on",
        peerFlags: { manual: false, maintenance: false },
        epoch: 0,
        owner: null,
        solo: {},
        lastSync: {},
        takeovers: 0,
      };
      const rate = 1 + (this.#random() - 0.5) * 0.002;
      const clockOffset = Math.floor(this.#random() * 1e6);
      const host: Host = {
        id,
        rate,
        clockOffset,
        powered: true,
        stalledUntil: 0,
        state: initialPoolState({ config: this.config(id), durable, bootId: id, incarnation: 1 }, 0),
        durable,
        incarnation: 1,
        vms: new Map(),
        armed: false,
        fedAt: 0,
        fenceWorks: true,
        xapi: index === 0 ? "master" : "supporter",
        masterId: idOf(1),
        accepted: new Map(),
      };
      for (let i = 0; i < (options.vmsPerHost ?? 2); i += 1) {
        const vm = `${id}-vm${i}`;
        host.vms.set(vm, false);
        this.database.set(vm, id);
      }
      this.hosts.push(host);
    }
    if (options.storage) this.owner = 0;
    for (const host of this.hosts) {
      this.#boot(host);
      this.#tick(host);
    }
  }

  random(): number {
    return this.#random();
  }

  host(n: number): Host {
    const host = this.hosts[n - 1];
    assert.ok(host);
    return host;
  }

  local(host: Host): number {
    return (this.now - T0) * host.rate + host.clockOffset;
  }

  after(ms: number, run: () => void): void {
    this.#queue.add(this.now + ms, run);
  }

  run(ms: number): void {
    const end = this.now + ms;
    while (this.#queue.nextAt() <= end) {
      const task = this.#queue.take();
      if (task === undefined) break;
      this.now = Math.max(this.now, task.at);
      task.run();
      this.check();
    }
    this.now = end;
  }

  /** Nothing of `from` reaches `to` any more; `both`: and the reverse. */
  cut(from: number, to: number, both = true): void {
    this.#cut.add(`${idOf(from)}>${idOf(to)}`);
    if (both) this.#cut.add(`${idOf(to)}>${idOf(from)}`);
  }

  isolate(n: number): void {
    for (let other = 1; other <= this.hosts.length; other += 1) if (other !== n) this.cut(n, other);
  }

  heal(): void {
    this.#cut.clear();
  }

  powerOff(n: number): void {
    const host = this.host(n);
    host.powered = false;
    host.vms.clear();
    host.armed = false;
  }

  /** Boots with what it remembers on disk; nothing runs on it. */
  powerOn(n: number): void {
    const host = this.host(n);
    if (host.powered) return;
    host.powered = true;
    host.stalledUntil = this.now + 5_000;
    if (!this.hosts.some((other) => other.powered && other !== host && other.xapi === "master")) {
      host.xapi = host.masterId === host.id ? "master" : "supporter";
    } else {
      host.xapi = "supporter";
      host.masterId = this.hosts.find((other) => other.xapi === "master" && other.powered)?.id ?? host.masterId;
    }
    this.after(5_000, () => this.#boot(host));
  }

  restartDaemon(n: number): void {
    const host = this.host(n);
    if (host.powered) this.#boot(host);
  }

  #boot(host: Host): void {
    if (!host.powered) return;
    host.incarnation += 1;
    host.accepted.clear();
    const start = {
      config: this.config(host.id),
      durable: host.durable,
      bootId: host.id,
      incarnation: host.incarnation,
    };
    host.state = initialPoolState(start, this.local(host));
    this.#look(host);
  }

  #look(host: Host): void {
    const at = this.local(host);
    const domains = [...host.vms].map(([uuid, paused], i) => ({ uuid, domId: i + 1, name: uuid, paused }));
    this.feed(host, { kind: "watchdog", armed: host.armed });
    this.feed(host, { kind: "domains", domains: known(domains, at) });
    this.feed(host, { kind: "xapi", xapi: known({ role: host.xapi, masterId: host.masterId }, at) });
  }

  #tick(host: Host): void {
    this.after(100 + this.#random() * 50, () => this.#tick(host));
    if (!host.powered) return;
    // F4: the watchdog does not care whether the daemon stands still.
    if (host.armed && this.now - host.fedAt > TIMERS.watchdog) {
      this.powerOff(this.hosts.indexOf(host) + 1);
      this.after(20_000, () => this.powerOn(this.hosts.indexOf(host) + 1));
      return;
    }
    if (this.now < host.stalledUntil) return;
    this.#pair(host);
    if (this.#random() < 0.2) this.#look(host);
    this.feed(host, { kind: "tick" });
  }

  #pair(host: Host): void {
    if (!this.options.storage) return;
    const index = this.hosts.indexOf(host);
    if (index > 1) return;
    const partner = this.hosts[1 - index];
    const facts = {
      authority: this.owner === index,
      epoch: this.ownerEpoch,
      owner: this.owner === null ? null : (this.hosts[this.owner]?.id ?? null),
      ha: this.ha,
      maintenance: false,
      peerOff: partner?.powered === false && this.options.policy === "strict",
    };
    if (JSON.stringify(facts) !== JSON.stringify(host.state.pair)) this.feed(host, { kind: "pair", facts });
  }

  /** The pair's promise: the storage moves only long after its owner stopped serving. */
  moveStorage(to: number): void {
    this.owner = null;
    this.after(TIMERS.take, () => {
      if (!this.host(to).powered) return;
      this.owner = to - 1;
      this.ownerEpoch += 1;
      this.after(3_000, () => {
        const host = this.host(to);
        if (this.owner === to - 1 && host.powered) this.#become(host);
      });
    });
  }

  #become(host: Host): void {
    host.xapi = "master";
    host.masterId = host.id;
  }

  feed(host: Host, event: PoolEvent): void {
    const { state, actions } = poolStep(host.state, event, this.local(host));
    host.state = state;
    for (const action of actions) this.#perform(host, action);
  }

  #result(host: Host, id: number, ms: number, done: () => boolean): void {
    const { incarnation } = host;
    this.after(ms, () => {
      if (!host.powered) return;
      const ok = done();
      this.#look(host);
      if (host.incarnation === incarnation) this.feed(host, { kind: "result", id, ok, detail: ok ? "done" : "failed" });
    });
  }

  #perform(host: Host, action: PoolAction): void {
    if (action.kind !== "beat" && action.kind !== "token")
      this.actions.push({ at: this.now - T0, host: host.id, action });
    switch (action.kind) {
      case "beat":
        return this.#send(host, action.to, action.asks);
      case "token":
        host.fedAt = this.now;
        return;
      case "persist":
        return this.#result(host, action.id, 20, () => {
          host.durable = action.record;
          return true;
        });
      case "watchdog-arm":
      case "watchdog-disarm":
        return this.#result(host, action.id, 10, () => {
          host.armed = action.kind === "watchdog-arm";
          host.fedAt = this.now;
          return true;
        });
      case "pause-domains":
        return this.#result(host, action.id, 200, () => {
          for (const vm of host.vms.keys()) host.vms.set(vm, true);
          return true;
        });
      case "unpause-domains":
        return this.#result(host, action.id, 200, () => {
          for (const vm of action.destroy) host.vms.delete(vm);
          for (const vm of host.vms.keys()) host.vms.set(vm, false);
          return true;
        });
      case "destroy-domains":
        return this.#result(host, action.id, 200, () => {
          for (const vm of action.domains) host.vms.delete(vm);
          return true;
        });
      case "fence": {
        const target = this.hosts.findIndex((one) => one.id === action.hostId) + 1;
        return this.#result(host, action.id, 2_000, () => {
          if (!this.host(target).fenceWorks) return false;
          this.powerOff(target);
          return true;
        });
      }
      case "xapi-promote":
        return this.#result(host, action.id, 10_000, () => {
          this.#become(host);
          return true;
        });
      case "recover-supporters":
        return this.#result(host, action.id, 3_000, () => {
          for (const other of this.hosts) {
            if (!other.powered || other === host || !this.#joined(host.id, other.id)) continue;
            other.xapi = "supporter";
            other.masterId = host.id;
          }
          return true;
        });
      case "recover-host":
        return this.#recover(host, action);
      default:
        return;
    }
  }

  /** declare_dead, then one start after the other; permission is asked before each. */
  #recover(host: Host, action: PoolAction & { readonly kind: "recover-host" }): void {
    const lost = [...this.database].filter(([, at]) => at === action.hostId).map(([vm]) => vm);
    const permitted = (): boolean => restartRefusal(host.state, action.hostId, this.local(host)) === undefined;
    const { incarnation } = host;
    for (const vm of lost) if (permitted()) this.database.set(vm, null);
    for (const [i, vm] of lost.entries()) {
      this.after(500 * (i + 1), () => {
        const target = this.hosts.find((one) => one.id === action.survivors[i % action.survivors.length]);
        const alive = host.powered && host.incarnation === incarnation && this.now >= host.stalledUntil;
        if (!alive || !permitted() || target === undefined || !target.powered) return;
        if (target !== host && !this.#joined(host.id, target.id)) return;
        if (this.database.get(vm) !== null) return;
        this.database.set(vm, target.id);
        target.vms.set(vm, false);
      });
    }
    this.#result(host, action.id, 500 * (lost.length + 1), () => true);
  }

  #joined(from: string, to: string): boolean {
    return !this.#cut.has(`${from}>${to}`) && !this.#cut.has(`${to}>${from}`);
  }

  #send(host: Host, to: string, asks: boolean): void {
    const body = beatFor(host.state, to, asks, this.local(host));
    const sentAt = this.local(host);
    const echo = host.accepted.get(to) ?? null;
    this.packets += 1;
    if (this.#cut.has(`${host.id}>${to}`)) return;
    this.after(1 + this.#random() * 30, () => this.#receive(to, body, sentAt, echo));
  }

  #receive(to: string, body: MemberBeat, sentAt: number, echo: number | null): void {
    const host = this.hosts.find((one) => one.id === to);
    if (host === undefined || !host.powered) return;
    if (this.now < host.stalledUntil) {
      // It waits in the socket until the daemon wakes.
      this.after(host.stalledUntil - this.now + this.#random() * 20, () => this.#receive(to, body, sentAt, echo));
      return;
    }
    // The driver's session: nothing that is older than what was accepted, and echoes of this boot only.
    const newest = host.accepted.get(body.hostId);
    if (newest !== undefined && sentAt <= newest) return;
    host.accepted.set(body.hostId, sentAt);
    const echoSentAt = echo !== null && echo >= host.state.startedAt ? echo : null;
    this.#pair(host);
    this.feed(host, { kind: "beat", heard: { body, echoSentAt, receivedAt: this.local(host) } });
  }

  /** V2 after every event. */
  check(): void {
    const running = new Map<string, string>();
    for (const host of this.hosts) {
      for (const [vm, paused] of host.vms) {
        if (paused) continue;
        const other = running.get(vm);
        if (other !== undefined) throw new Error(`V2 at ${this.now - T0} ms: ${vm} runs on ${other} and ${host.id}`);
        running.set(vm, host.id);
      }
    }
  }

  running(vm: string): string | undefined {
    return this.hosts.find((host) => host.vms.get(vm) === false)?.id;
  }

  stopped(): readonly string[] {
    return [...this.database.keys()].filter((vm) => this.running(vm) === undefined);
  }

  did<K extends PoolAction["kind"]>(
    kind: K,
  ): readonly (Extract<PoolAction, { kind: K }> & { at: number; by: string })[] {
    const is = (action: PoolAction): action is Extract<PoolAction, { kind: K }> => action.kind === kind;
    return this.actions.flatMap(({ at, host, action }) => (is(action) ? [{ ...action, at, by: host }] : []));
  }

  leader(): string | undefined {
    return this.hosts.find((host) => host.powered && host.state.leadsSince !== null)?.id;
  }

  isEndangered(n: number): boolean {
    const host = this.host(n);
    return endangered(host.state, this.local(host));
  }
}

/** Repeatable pseudo-random numbers (mulberry32). */
export function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
