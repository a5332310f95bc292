// Silence while the storage moves: packets of the portal are dropped both ways by iptables, or by nft where there is no
// iptables. Each change replaces the whole content of our own chain in one step; it must never touch a rule of others.

import { connect, isIP } from "node:net";
import type { Millis } from "../../core/model/time.ts";
import { err, ok, type Result } from "../../util/result.ts";
import { describe, type DriverError } from "../driver-error.ts";
import { finished, succeeded } from "../exec/outcome.ts";
import type { ExecPort, FeedPort, LineFeed } from "../exec/port.ts";
import type { FirewallPort, Hush } from "./port.ts";

export interface FirewallSettings {
  /** Of the portal's address, 4 by default; the other family is not looked at. */
  readonly family?: 4 | 6;
  /** Keeps one iptables-restore waiting for `hush`. */
  readonly feed?: FeedPort;
  readonly timeoutMs?: Millis;
  /** Does this host's portal answer? For tests. */
  readonly connects?: (address: string, port: number) => Promise<boolean>;
  /** Nobody stays silenced for longer, by default 5 s; for tests. */
  readonly hushLimitMs?: Millis;
  /** How long after a hush it is made sure of what holds, by default 3 s; for tests. */
  readonly settleMs?: Millis;
  /** It could not be made sure of, and is tried again; each new reason, once. */
  readonly onUnsettled?: (reason: string) => void;
}

/** Without the alternatives of Debian's packages only the flavours have names; Debian's legacy one serves everywhere. */
const FLAVOURS = { 4: ["iptables", "iptables-legacy"], 6: ["ip6tables", "ip6tables-legacy"] } as const;
type Tool = (typeof FLAVOURS)[4 | 6][number] | "nft";
interface Blocked {
  readonly address: string;
  readonly port: number;
}

/** Nobody's address. */
const ANY = { 4: "0.0.0.0", 6: "::" } as const;
const chain = "TANDEM";
/** Longer than a hand-over may take before it is rolled back (protocol.md 7: 3 s). */
const longestHushMs: Millis = 5000;
/** A hush is an unverified word to a process that may have died: so long after it the rules are verified. */
const settleMs: Millis = 3000;
/** The longest wait before the next try where that failed. */
const settleAgainMs: Millis = 60_000;
/** A waiting process that was ended with SIGKILL is gone after this, unless it hangs in the kernel. */
const endMs: Millis = 500;
/** How long the own portal may take to accept before a process makes sure of the rules. */
const connectMs: Millis = 150;
/**
 * The waiting process says nothing when it is done: one wake-up and one commit take a few milliseconds. Requests in flight
 * at the target get the time of a replicated write to be answered. What begins after an end of the silence must not meet it.
 */
const HUSH_MS: Readonly<Record<Hush, Millis>> = { requests: 50, all: 15, off: 15 };

/**
 * `prepare` finds the tool and hooks our chain in; it is called by the first block if nobody did before. Call it at start
 * and now and then: dom0's own firewall scripts may flush the hooks away, which only costs us the silence, not safety.
 */
export function createFirewall(
  exec: ExecPort,
  settings: FirewallSettings = {},
): FirewallPort & {
  prepare(): Promise<Result<"changed" | "already", DriverError>>;
  /** This daemon ends: a hush that is on has nobody left who would lift it. */
  lift(): Promise<void>;
} {
  const timeoutMs = settings.timeoutMs ?? 3000;
  const answers = settings.connects ?? connects;
  const family = settings.family ?? 4;
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
    for (const flavour of FLAVOURS[family]) {
      const first = await run(`${flavour}-restore`, ["--noflush"], iptablesText(blocked));
      if (first.kind === "not-started") continue;
      const done = succeeded(`${flavour}-restore`, first);
      if (!done.ok) return done;
      tool = flavour;
      certain = true;
      return await hook(flavour);
    }
    const done = succeeded("nft -f -", await run("nft", ["-f", "-"], nftText(family, blocked)));
    if (!done.ok) return done;
    const was = tool;
    tool = "nft";
    certain = true;
    return ok(was === "nft" ? "already" : "changed");
  }

  async function write(blocked: ReadonlyMap<string, Blocked>): Promise<Result<unknown, DriverError>> {
    if (tool === "nft") return succeeded("nft -f -", await run("nft", ["-f", "-"], nftText(family, blocked)));
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
    if (isIP(address) !== family) {
      return err({
        kind: "unverified",
        action: `filter ${address}`,
        expected: `an IPv${family} address`,
        found: address,
      });
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
    // What the waiting process has not read yet must not undo what is verified now.
    const alone = certain || (await endWaiting());
    const done = await write(next);
    certain = done.ok && alone;
    if (!done.ok) return done;
    written = next;
    return ok("changed");
  }

  function queued<T>(task: () => Promise<T>): Promise<T> {
    const result = queue.then(task);
    queue = result.catch(() => undefined);
    return result;
  }

  let waiting: { readonly feed: LineFeed; readonly gone: Promise<void> } | null = null;
  function keepWaiting(): LineFeed | null {
    if (settings.feed === undefined || tool === null || tool === "nft") return null;
    if (waiting !== null) return waiting.feed;
    const gone = Promise.withResolvers<void>();
    // It commits each table when it reads COMMIT, and then reads on (iptables-restore of 1.4 and 1.8).
    const feed = settings.feed.feed(`${tool}-restore`, ["--noflush"], () => {
      if (waiting?.feed === feed) waiting = null;
      gone.resolve();
    });
    waiting = { feed, gone: gone.promise };
    return feed;
  }

  /** False when it hangs in the kernel: what it was told may still come. */
  async function endWaiting(): Promise<boolean> {
    if (waiting === null) return true;
    const { feed, gone } = waiting;
    feed.stop();
    const late = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), endMs));
    return await Promise.race([gone.then(() => true), late]);
  }

  let hushed: Blocked | null = null;
  let expiry: NodeJS.Timeout | undefined;
  let settling: NodeJS.Timeout | undefined;
  const hush = (address: string, port: number, what: Hush): Promise<void> => {
    clearTimeout(settling);
    return queued(() => hushNow(address, port, what));
  };

  async function hushNow(address: string, port: number, what: Hush): Promise<void> {
    if (isIP(address) !== family) return;
    clearTimeout(expiry);
    // Nobody must stay silent because a hand-over died half-way: what is to last uses `block`.
    const longest = settings.hushLimitMs ?? longestHushMs;
    if (what !== "off") expiry = setTimeout(() => void hush(address, port, "off"), longest).unref();
    hushed = what === "off" ? null : { address, port };
    const rules = what === "off" ? [] : rulesOf({ address, port }).slice(0, what === "requests" ? 1 : 2);
    // Whether it took effect is not known: the next verified change writes all of it.
    const sent = keepWaiting()?.send([iptablesText(written, rules).trimEnd()]) === true;
    if (sent) certain = false;
    if (what === "off") settleLater(address, port, settings.settleMs ?? settleMs);
    if (sent) await new Promise((resolve) => setTimeout(resolve, HUSH_MS[what]));
  }

  let unsettled = "";
  /** The silence of a hush is over, or this host's own initiators never see the portal again: verified, and tried until it is. */
  function settleLater(address: string, port: number, waitMs: Millis): void {
    clearTimeout(settling);
    settling = setTimeout(() => void queued(() => settle(address, port, waitMs)), waitMs).unref();
  }

  async function settle(address: string, port: number, waitMs: Millis): Promise<void> {
    if (certain || tool === null) return;
    // The portal of the host that serves now answers: nothing is dropped here on the way to it and back.
    if (!written.has(`${address} ${port}`) && (await answers(address, port))) return;
    const alone = await endWaiting();
    const done = await write(written);
    certain = done.ok && alone;
    const reason = done.ok ? "" : describe(done.error);
    if (!certain) settleLater(address, port, Math.min(2 * waitMs, settleAgainMs));
    if (reason !== "" && reason !== unsettled) settings.onUnsettled?.(reason);
    unsettled = reason;
  }

  return {
    hush,
    prepare: () =>
      queued(async () => {
        const done = await prepare();
        // The kernel loads the modules of a rule when it meets the first one: not in the middle of a switch.
        if (done.ok) {
          await hushNow(ANY[family], 1, "all");
          await hushNow(ANY[family], 1, "off");
          // Nobody is silenced by that.
          clearTimeout(settling);
        }
        return done;
      }),
    lift: () =>
      queued(async () => {
        if (hushed !== null) await hushNow(hushed.address, hushed.port, "off");
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

function nftText(family: 4 | 6, blocked: ReadonlyMap<string, Blocked>): string {
  const ip = family === 4 ? "ip" : "ip6";
  const rules = [...blocked.values()].flatMap(({ address, port }) => [
    `    ${ip} daddr ${address} tcp dport ${port} drop`,
    `    ${ip} saddr ${address} tcp sport ${port} drop`,
  ]);
  const hooked = (name: string) => [
    `  chain ${name} {`,
    `    type filter hook ${name} priority -10; policy accept;`,
    ...rules,
    "  }",
  ];
  return [
    `table ${ip} tandem {}`,
    `delete table ${ip} tandem`,
    `table ${ip} tandem {`,
    ...hooked("input"),
    ...hooked("output"),
    "}",
    "",
  ].join("\n");
}
