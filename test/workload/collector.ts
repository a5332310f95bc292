// Listens to the measuring VMs and keeps what they reported.
// Must never answer a VM, and must survive any line: a half-dead node sends half lines.
import { createServer, type AddressInfo, type ListenOptions, type Server, type Socket } from "node:net";
import {
  findDoubleRuns,
  longestStall,
  mergeRanges,
  storageBack,
  type DoubleRun,
  type Stall,
  type StorageBack,
  type TimeWindow,
} from "./analysis.ts";
import { noteMessage, startIncarnation, type Incarnation } from "./facts.ts";
import type { Message } from "./messages.ts";

export interface CollectorOptions {
  /** Clock of all results, ms since 1970, never going back. */
  readonly nowMs?: () => number;
}

export interface Fault {
  readonly atMs: number;
  readonly what: string;
}

export interface VmAcks {
  readonly vm: string;
  readonly count: number;
  readonly highestSeq: number;
  readonly ranges: readonly { readonly from: number; readonly to: number }[];
}

export interface VmSnapshot extends VmAcks {
  readonly name: string;
  readonly processes: readonly {
    readonly node: string;
    readonly incarnation: string;
    readonly generation: number;
    readonly startedAtMs: number;
    readonly lastSeenMs: number;
    readonly acked: number;
    readonly left: "migrated" | "stopped" | null;
    /** At its start, the VM found its disk at this number, with so many numbers missing. Null: not read (yet). */
    readonly foundSeq: number | null;
    readonly foundMissing: number;
    readonly stalls: number;
    readonly errors: Readonly<Record<string, number>>;
    readonly clockSlipMs: number;
    readonly wallMinusCollectorMs: number;
  }[];
}

export interface Collector {
  /** Resolves with the port. Takes { host, port }, { path } or { fd }. */
  listen(where: ListenOptions | { readonly fd: number }): Promise<number>;
  /** Uses a server that somebody else made and listens with. */
  attach(server: Server): void;
  accept(socket: Socket): void;
  ingest(line: string, receivedAtMs: number): void;
  close(): Promise<void>;

  vms(): readonly string[];
  processes(vm?: string): readonly Incarnation[];
  ackedCount(vm: string): number;
  /** True as soon as `vm` got `more` acknowledgements further than now, false after `timeoutMs`. */
  waitForAcks(vm: string, more: number, timeoutMs: number): Promise<boolean>;
  markFault(what: string): Fault;
  faults(): readonly Fault[];
  acks(vm: string): VmAcks;
  stalls(window: TimeWindow): readonly Stall[];
  storageBack(faultMs: number, untilMs?: number): StorageBack | undefined;
  doubleRuns(): readonly DoubleRun[];
  /** Is any process of `vm` known to execute within the last `withinMs`? */
  isExecuting(vm: string, withinMs: number): boolean;
  /** Lines that could not be read. */
  badLines(): number;
  snapshot(): {
    readonly atMs: number;
    readonly faults: readonly Fault[];
    readonly doubleRuns: readonly DoubleRun[];
    readonly vms: readonly VmSnapshot[];
  };
}

const MAX_LINE_BYTES = 1_048_576;

/** A parser, not a cast: lines come from programs of ours, but a killed one may leave a torn line behind. */
function parseMessage(line: string): Message | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== "object" || value === null) return undefined;
    const has = (key: string, type: string): boolean => key in value && typeof Reflect.get(value, key) === type;
    // The fields every line has; the rest is written by messages.ts' own types on the other side.
    return has("k", "string") && has("i", "string") && has("mono", "number") && has("wall", "number")
      ? (value as Message)
      : undefined;
  } catch {
    return undefined;
  }
}

export function createCollector(options: CollectorOptions = {}): Collector {
  const nowMs = options.nowMs ?? ((): number => performance.timeOrigin + performance.now());
  const known = new Map<string, Incarnation>();
  const wallOffset = new Map<string, number>();
  const marked: Fault[] = [];
  const sockets = new Set<Socket>();
  const waiters = new Set<() => void>();
  let server: Server | undefined;
  let bad = 0;

  const processes = (vm?: string): Incarnation[] =>
    [...known.values()].filter((of) => vm === undefined || of.hello.vm === vm);
  const ackedCount = (vm: string): number => processes(vm).reduce((sum, of) => sum + of.ackCount, 0);
  const vms = (): string[] => [...new Set(processes().map((of) => of.hello.vm))];

  function ingest(line: string, receivedAtMs: number): void {
    const message = parseMessage(line);
    if (!message) {
      bad++;
      return;
    }
    let of = known.get(message.i);
    if (!of) {
      if (message.k !== "hello") {
        bad++;
        return;
      }
      of = startIncarnation(message, known.size);
      known.set(message.i, of);
    }
    noteMessage(of, message, receivedAtMs);
    wallOffset.set(message.i, message.wall - message.mono);
    if (message.k === "acks" || message.k === "ack-range") for (const wake of waiters) wake();
  }

  function accept(socket: Socket): void {
    let rest = "";
    sockets.add(socket);
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => {
      const receivedAtMs = nowMs();
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) ingest(line, receivedAtMs);
      if (rest.length > MAX_LINE_BYTES) socket.destroy();
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket));
  }

  function acks(vm: string): VmAcks {
    const ranges = mergeRanges(processes(vm).flatMap((of) => of.runs));
    return { vm, count: ackedCount(vm), highestSeq: ranges.at(-1)?.to ?? 0, ranges };
  }

  const lastSeen = (of: Incarnation): number => (of.executing.at(-1)?.[1] ?? 0) + of.offsetMs;

  function describe(vm: string): VmSnapshot {
    const own = processes(vm);
    return {
      ...acks(vm),
      name: own.at(-1)?.hello.name ?? "",
      processes: own.map((of) => ({
        node: of.hello.node,
        incarnation: of.hello.incarnation,
        generation: of.hello.generation,
        startedAtMs: of.hello.startedMono + of.offsetMs,
        lastSeenMs: lastSeen(of),
        acked: of.ackCount,
        left: of.bye?.reason ?? null,
        foundSeq: of.found?.highestSeq ?? null,
        foundMissing: of.found?.missing.length ?? 0,
        stalls: of.stalls.length,
        errors: Object.fromEntries(of.errors),
        clockSlipMs: of.clockSlipMs,
        wallMinusCollectorMs: (wallOffset.get(of.hello.incarnation) ?? 0) - of.offsetMs,
      })),
    };
  }

  return {
    listen(where) {
      const own = createServer(accept);
      server = own;
      return new Promise((resolve, reject) => {
        own.once("error", reject);
        own.listen(where, () => {
          const address = own.address();
          resolve(typeof address === "object" && address !== null ? (address satisfies AddressInfo).port : 0);
        });
      });
    },
    attach: (given) => void given.on("connection", accept),
    accept,
    ingest,
    async close() {
      for (const socket of sockets) socket.destroy();
      const own = server;
      if (own) await new Promise<void>((resolve) => own.close(() => resolve()));
    },
    vms,
    processes,
    ackedCount,
    waitForAcks(vm, more, timeoutMs) {
      const goal = ackedCount(vm) + more;
      return new Promise((resolve) => {
        const settle = (isReached: boolean): void => {
          waiters.delete(check);
          clearTimeout(timer);
          resolve(isReached);
        };
        const check = (): void => {
          if (ackedCount(vm) >= goal) settle(true);
        };
        const timer = setTimeout(() => settle(false), timeoutMs);
        waiters.add(check);
        check();
      });
    },
    markFault(what) {
      const fault = { atMs: nowMs(), what };
      marked.push(fault);
      return fault;
    },
    faults: () => marked,
    acks,
    stalls: (window) => vms().map((vm) => longestStall(vm, processes(vm), window)),
    storageBack: (faultMs, untilMs) => storageBack(processes(), faultMs, untilMs ?? nowMs()),
    doubleRuns: () => findDoubleRuns(processes()),
    isExecuting: (vm, withinMs) => processes(vm).some((of) => lastSeen(of) > nowMs() - withinMs),
    badLines: () => bad,
    snapshot: () => ({
      atMs: nowMs(),
      faults: marked,
      doubleRuns: findDoubleRuns(processes()),
      vms: vms().map(describe),
    }),
  };
}
