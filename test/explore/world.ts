// Two hosts and what is between them, unpacked for one move and packed into a few words for the store.

import type { Policy } from "../../src/core/model/config.ts";
import { happen, NO_ECHO } from "./happening.ts";
import { History } from "./history.ts";
import { CONN, Host, packHost, unpackHost } from "./host.ts";
import type { LocalFacts, Locals, Reaction } from "./locals.ts";
import { TICK_MS, type Side } from "./scale.ts";
import { WORDS } from "./tables.ts";
import { Witness } from "./witness.ts";

/** How the two copies' generations relate: the same, a's or b's is newer, each has one the other lacks. */
export const GENERATION = { same: 0, aNewer: 1, bNewer: 2, apart: 3 } as const;

/** Parts of the protocol's surroundings that a mutation takes away. */
export interface Surroundings {
  /** H1 holds: two votes never pass while no heartbeat can. */
  readonly h1: boolean;
  /** `resource-and-stonith`: DRBD suspends I/O at disconnect (protocol.md 8). */
  readonly suspend: boolean;
  /** F4: the hypervisor's watchdog works. */
  readonly watchdog: boolean;
  /** F6 was broken before: `--force` left two copies, each with writes of its own, and nobody owns the storage. */
  readonly split: boolean;
  /** What V10 and V12 ask about the past is remembered. */
  readonly history: boolean;
  /** Milliseconds that each host's monotonic clock goes on in a tick (F3). */
  readonly clocks: readonly [number, number];
}

export const SOUND: Surroundings = {
  h1: true,
  suspend: true,
  watchdog: true,
  split: false,
  history: false,
  clocks: [TICK_MS, TICK_MS],
};

export class World {
  readonly hosts: readonly [Host, Host] = [new Host(), new Host()];
  readonly locals: readonly [Locals, Locals];
  readonly policy: Policy;
  readonly surroundings: Surroundings;
  /** Heartbeats and requests arrive: by management, by replication; index = sender. */
  readonly management: [number, number] = [1, 1];
  readonly replication: [number, number] = [1, 1];
  /** The heuristic address, or the witness, answers this host. */
  readonly vote: [number, number] = [1, 1];
  /** This host's power can be switched by the other one. */
  readonly bmc: [number, number] = [1, 1];
  /** Age in ticks of this host's newest heartbeat that the other one heard. */
  readonly echo: [number, number] = [NO_ECHO, NO_ECHO];
  generation: number = GENERATION.same;
  /** Ticks until the running resync ends; 0 = none runs. */
  resync = 0;
  /** Epoch on disk of a minus that of b. */
  delta = 0;
  readonly witness = new Witness();
  /** Null: nobody asks. */
  readonly history: History | null;
  /** The first broken invariant. */
  violation: string | null = null;
  /** Lines for a trace; null = nobody reads them. */
  story: string[] | null = null;

  constructor(locals: readonly [Locals, Locals], policy: Policy, surroundings: Surroundings) {
    this.locals = locals;
    this.policy = policy;
    this.surroundings = surroundings;
    this.history = surroundings.history ? new History() : null;
  }

  host(side: Side): Host {
    return this.hosts[side];
  }

  facts(side: Side): LocalFacts {
    return this.locals[side].facts(this.hosts[side].local);
  }

  /** The daemon runs and is not held up. */
  awake(side: Side): boolean {
    const h = this.hosts[side];
    return h.power === 1 && h.frozen === 0 && h.stalled === 0 && this.facts(side).alive;
  }

  kernelAlive(side: Side): boolean {
    const h = this.hosts[side];
    return h.power === 1 && h.frozen === 0;
  }

  /** A packet of `from` reaches the other host. */
  hears(from: Side): boolean {
    return this.management[from] === 1 || this.replication[from] === 1;
  }

  /** A request and its answer get through, on one network. */
  twoWay(): boolean {
    return (
      (this.management[0] === 1 && this.management[1] === 1) || (this.replication[0] === 1 && this.replication[1] === 1)
    );
  }

  replicationUp(): boolean {
    return this.replication[0] === 1 && this.replication[1] === 1;
  }

  /** Writes are mirrored at this moment. */
  mirroring(): boolean {
    const [a, b] = this.hosts;
    return (
      a.conn === CONN.connected &&
      b.conn === CONN.connected &&
      this.kernelAlive(0) &&
      this.kernelAlive(1) &&
      this.replicationUp()
    );
  }

  /** V1: Primary, not suspended, exported, at the floating IP, reachable. */
  serves(side: Side): boolean {
    const h = this.hosts[side];
    return (
      h.role === 1 &&
      h.suspended === 0 &&
      h.portal === 1 &&
      h.filled === 1 &&
      h.vip === 1 &&
      h.blocked === 0 &&
      h.power === 1 &&
      h.frozen === 0
    );
  }

  h1Holds(): boolean {
    return this.vote[0] === 0 || this.vote[1] === 0 || this.hears(0) || this.hears(1);
  }

  /** How far `side`'s epochs are ahead of the other host's. */
  ahead(side: Side): number {
    return side === 0 ? this.delta : -this.delta;
  }

  /** Lets something happen to a host's software and returns what the world must do about it. */
  apply(side: Side, event: number): Reaction {
    const h = this.hosts[side];
    if (event === happen.stop) this.witness.forget(side);
    const locals = this.locals[side];
    const follows = locals.after(h.local, event);
    const { shift, reaction } = locals.outcome(follows);
    h.local = locals.next(follows);
    if (shift !== 0) this.#shift(side, shift);
    return reaction;
  }

  #shift(side: Side, epochs: number): void {
    this.delta += side === 0 ? epochs : -epochs;
    if (side === 0) this.witness.shift(epochs);
  }

  broke(what: string): void {
    this.violation ??= what;
  }

  newerSide(): Side | null {
    if (this.generation === GENERATION.aNewer) return 0;
    return this.generation === GENERATION.bNewer ? 1 : null;
  }

  /** Loses everything that is not on disk. */
  powerOff(side: Side): void {
    const h = this.hosts[side];
    const { disk, peerOutdated, master, fresh } = h;
    this.apply(side, happen.stop);
    const { local } = h;
    unpackHost(h, 0);
    h.local = local;
    Object.assign(h, { disk, peerOutdated, master, fresh });
    this.echo[0] = NO_ECHO;
    this.echo[1] = NO_ECHO;
    if (this.resync > 0) this.resync = 0;
  }

  pack(words: Int32Array): void {
    words[0] = this.hosts[0].local;
    words[1] = this.hosts[1].local;
    words[2] = packHost(this.hosts[0]);
    words[3] = packHost(this.hosts[1]);
    words[4] =
      this.management[0] |
      (this.management[1] << 1) |
      (this.replication[0] << 2) |
      (this.replication[1] << 3) |
      (this.vote[0] << 4) |
      (this.vote[1] << 5) |
      (this.bmc[0] << 6) |
      (this.bmc[1] << 7) |
      (this.echo[0] << 8) |
      (this.echo[1] << 10) |
      (this.generation << 12) |
      (this.resync << 14) |
      ((this.delta + 128) << 16);
    words[5] = this.policy === "witness" ? this.witness.pack() : 0;
    words[6] = this.history?.pack() ?? 0;
  }

  unpack(words: Int32Array): void {
    const [a, b, hostA, hostB, shared, witness, history] = words;
    this.hosts[0].local = a ?? 0;
    this.hosts[1].local = b ?? 0;
    unpackHost(this.hosts[0], hostA ?? 0);
    unpackHost(this.hosts[1], hostB ?? 0);
    const s = shared ?? 0;
    this.management[0] = s & 1;
    this.management[1] = (s >> 1) & 1;
    this.replication[0] = (s >> 2) & 1;
    this.replication[1] = (s >> 3) & 1;
    this.vote[0] = (s >> 4) & 1;
    this.vote[1] = (s >> 5) & 1;
    this.bmc[0] = (s >> 6) & 1;
    this.bmc[1] = (s >> 7) & 1;
    this.echo[0] = (s >> 8) & 3;
    this.echo[1] = (s >> 10) & 3;
    this.generation = (s >> 12) & 3;
    this.resync = (s >> 14) & 3;
    this.delta = (s >> 16) - 128;
    this.witness.unpack(witness ?? 0);
    this.history?.unpack(history ?? 0);
    this.violation = null;
  }

  say(side: Side, what: string): void {
    this.story?.push(`${side === 0 ? "a" : "b"}  ${what}`);
  }
}

export const newWords = (): Int32Array => new Int32Array(WORDS);
