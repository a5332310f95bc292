// Silence while the storage moves: packets of the portal are dropped both ways by iptables, or by nft where there is no
// iptables. Each change replaces the whole content of our own chain in one step; it must never touch a rule of others.

import { connect, isIPv6 } from "node:net";
import type { Millis } from "../../core/model/time.ts";
import { err, ok, type Result } from "../../util/result.ts";
import type { DriverError } from "../driver-error.ts";
import { finished, succeeded } from "../exec/outcome.ts";
import type { ExecPort, FeedPort, LineFeed } from "../exec/port.ts";
import type { FirewallPort, Hush } from "./port.ts";

export interface FirewallSettings {
  /** Keeps one iptables-restore waiting for `hush`. */
  readonly feed?: FeedPort;
  readonly timeoutMs?: Millis;
  /** Does this host's portal answer? For tests. */
  readonly connects?: (address: string, port: number) => Promise<boolean>;
}

/** Without the alternatives of Debian's packages only the flavours have names; Debian's legacy one serves everywhere. */
const flavours = ["iptables", "iptables-legacy"] as const;
type Tool = (typeof flavours)[number] | "nft";
interface Blocked {
  readonly address: string;
  readonly port: number;
}

const chain = "TANDEM";
/** Longer than a hand-over may take before it is rolled back (protocol.md 7: 3 s). */
const hushLimitMs: Millis = 5000;
/** How long the own portal may take to accept before a process makes sure of the rules. */
const connectMs: Millis = 150;
/**
 * The waiting process says nothing when it is done: one wake-up and one commit take a few milliseconds. Requests in flight
 * at the target get the time of a replicated write to be answered.
 */
const HUSH_MS: Readonly<Record<Hush, Millis>> = { requests: 50, all: 15, off: 0 };

/**
 * `prepare` finds the tool and hooks our chain in; it is called by the first block if nobody did before. Call it at start
 * and now and then: dom0's own firewall scripts may flush the hooks away, which only costs us the silence, not safety.
 */
export function createFirewall(
  exec: ExecPort,
  settings: FirewallSettings = {},
): FirewallPort & { prepare(): Promise<Result<"changed" | "already", DriverError>> } {
  const timeoutMs = settings.timeoutMs ?? 3000;
  const answers = settings.connects ?? connects;
  /** What the chain should hold, by `address port`. An earlier daemon's blocks are not taken over but cleared away. */
  let written: ReadonlyMap<string, Blocked> = new Map();
  /** False after a failed write: it may have taken effect or not, so the next change writes whatever it is asked. */
  let certain = false;
  let tool: Tool | null = null;
  /** One change after the other: each writes the whole chain. */
  let queue: Promise<unknown> = Promise.resolve();

  async function run(file: string, args: readonly string[], stdin?: string) {
    const options = { timeoutMs, lane: "firewall", ...(stdin === undefined ? {} : { stdin }) };
    return await exec.run(file, args, options);
  }

  /** The hook of iptables: a jump from INPUT and one from OUTPUT, looked for first because -I would add a second one. */
  async function hook(iptables: string): Promise<Result<"changed" | "already", DriverError>> {
    let changed = false;
    for (const from of ["INPUT", "OUTPUT"]) {
      const found = finished("iptables -C", await run(iptables, ["-C", from, "-j", chain]));
      if (!found.ok) return found;
      if (found.value.code === 0) continue;
      const done = succeeded(`iptables -I ${from}`, await run(iptables, ["-I", from, "1", "-j", chain]));
      if (!done.ok) return done;
      changed = true;
    }
    return ok(changed ? "changed" : "already");
  }

  async function prepare(): Promise<Result<"changed" | "already", DriverError>> {
    const blocked = written;
    for (const flavour of flavours) {
      const first = await run(`${flavour}-restore`, ["--noflush"], iptablesText(blocked));
      if (first.kind === "not-started") continue;
      const done = succeeded(`${flavour}-restore`, first);
      if (!done.ok) return done;
      tool = flavour;
      certain = true;
      return await hook(flavour);
    }
    const done = succeeded("nft -f -", await run("nft", ["-f", "-"], nftText(blocked)));
    if (!done.ok) return done;
    const was = tool;
    tool = "nft";
    certain = true;
    return ok(was === "nft" ? "already" : "changed");
  }

  async function write(blocked: ReadonlyMap<string, Blocked>): Promise<Result<unknown, DriverError>> {
    if (tool === "nft") return succeeded("nft -f -", await run("nft", ["-f", "-"], nftText(blocked)));
    const restore = `${tool ?? "iptables"}-restore`;
    const once = async () => succeeded(restore, await run(restore, ["--noflush"], iptablesText(blocked)));
    const done = await once();
    // 4: somebody else holds the lock of iptables for a moment (1.8; 1.4 has no lock for restore).
    return !done.ok && done.error.kind === "exit" && done.error.code === 4 ? await once() : done;
  }

  async function change(
    address: string,
    port: number,
    block: boolean,
  ): Promise<Result<"changed" | "already", DriverError>> {
    if (isIPv6(address)) {
      return err({ kind: "missing", command: "block", reason: "an IPv6 portal cannot be blocked by this version" });
    }
    if (tool === null) {
      const prepared = await prepare();
      if (!prepared.ok) return prepared;
    }
    const key = `${address} ${port}`;
    if (certain && written.has(key) === block) return ok("already");
    // After a hush the chain is as it should be unless the waiting process failed: a connection tells, without a process.
    if (!block && !written.has(key) && (await answers(address, port))) return ok("already");
    const next = new Map(written);
    if (block) next.set(key, { address, port });
    else next.delete(key);
    const done = await write(next);
    certain = done.ok;
    if (!done.ok) return done;
    written = next;
    return ok("changed");
  }

  function queued<T>(task: () => Promise<T>): Promise<T> {
    const result = queue.then(task);
    queue = result.catch(() => undefined);
    return result;
  }

  let waiting: LineFeed | null = null;
  function keepWaiting(): LineFeed | null {
    if (settings.feed === undefined || tool === null || tool === "nft") return null;
    // It commits each table when it reads COMMIT, and then reads on (iptables-restore of 1.4 and 1.8).
    waiting ??= settings.feed.feed(`${tool}-restore`, ["--noflush"], () => {
      waiting = null;
    });
    return waiting;
  }

  let expiry: NodeJS.Timeout | undefined;
  async function hush(address: string, port: number, what: Hush): Promise<void> {
    if (isIPv6(address)) return;
    clearTimeout(expiry);
    // Nobody must stay silent because a hand-over died half-way: what is to last uses `block`.
    if (what !== "off") expiry = setTimeout(() => void hush(address, port, "off"), hushLimitMs).unref();
    const hushed = what === "off" ? [] : rulesOf({ address, port }).slice(0, what === "requests" ? 1 : 2);
    // Whether it took effect is not known: the next verified change writes all of it.
    const sent = keepWaiting()?.send([iptablesText(written, hushed).trimEnd()]) === true;
    if (!sent) return;
    certain = false;
    await new Promise((resolve) => setTimeout(resolve, HUSH_MS[what]));
  }

  return {
    hush,
    prepare: () =>
      queued(async () => {
        const done = await prepare();
        // The kernel loads the modules of a rule when it meets the first one: not in the middle of a switch.
        if (done.ok) {
          await hush("0.0.0.0", 1, "all");
          await hush("0.0.0.0", 1, "off");
        }
        return done;
      }),
    block: (address, port) => queued(() => change(address, port, true)),
    unblock: (address, port) => queued(() => change(address, port, false)),
    /** Needs INET_DIAG_DESTROY in the kernel; without it the initiator finds out by its own time-outs. */
    kick(address, port) {
      exec.detach("ss", ["-K", "dst", address, "dport", "=", `:${port}`], () => undefined);
    },
  };
}

/** True when the portal of this host answers: then neither direction of it is dropped here. */
function connects(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    const settle = (answer: boolean) => (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(settle(false), connectMs);
    socket.once("connect", settle(true));
    socket.once("error", settle(false));
  });
}

/**
 * Both directions, whether the portal is here or elsewhere: the chain hangs in INPUT and in OUTPUT. Towards the portal
 * first, from it second.
 */
const rulesOf = ({ address, port }: Blocked): readonly string[] => [
  `-A ${chain} -d ${address} -p tcp --dport ${port} -j DROP`,
  `-A ${chain} -s ${address} -p tcp --sport ${port} -j DROP`,
];

function iptablesText(blocked: ReadonlyMap<string, Blocked>, more: readonly string[] = []): string {
  const rules = [...[...blocked.values()].flatMap(rulesOf), ...more];
  // With --noflush the declaration of a chain makes or empties that chain and leaves the others alone.
  return ["*filter", `:${chain} - [0:0]`, ...rules, "COMMIT", ""].join("\n");
}

function nftText(blocked: ReadonlyMap<string, Blocked>): string {
  const rules = [...blocked.values()].flatMap(({ address, port }) => [
    `    ip daddr ${address} tcp dport ${port} drop`,
    `    ip saddr ${address} tcp sport ${port} drop`,
  ]);
  const hooked = (name: string) => [
    `  chain ${name} {`,
    `    type filter hook ${name} priority -10; policy accept;`,
    ...rules,
    "  }",
  ];
  return [
    "table ip tandem {}",
    "delete table ip tandem",
    "table ip tandem {",
    ...hooked("input"),
    ...hooked("output"),
    "}",
    "",
  ].join("\n");
}
