// May a changed configuration be taken up while the daemon runs, and how? Pure. A change that this process cannot take up,
// or that would break the safety of a running failover protocol, is refused whole; the old values stay in force.

import type { CoreConfig, Timers } from "../core/model/config.ts";
import type { Config } from "./config.ts";
import { canonicalText, type Canonical } from "./hash.ts";

export type ReloadPlan =
  | { readonly kind: "now" }
  /** The other host may still decide by the old values: until it shows the new hash, `cautious` of both holds. */
  | { readonly kind: "staged" }
  | { readonly kind: "refused"; readonly reasons: readonly string[] };

const same = (left: unknown, right: unknown): boolean => canonicalText(plain(left)) === canonicalText(plain(right));

/** What a Config holds is plain data (numbers, texts, lists); undefined fields do not count. */
const plain = (value: unknown): Canonical => JSON.parse(JSON.stringify(value ?? null)) as Canonical;

/** Named after what an administrator wrote, with how to look at the part in question. */
type Part = readonly [name: string, of: (config: Config) => unknown];

/** Drivers, sockets and kernel objects were made with these at the start. */
const RESTART: readonly Part[] = [
  ["pool and hosts", (c) => [c.poolId, c.hosts, c.self, c.managementInterface]],
  ["PEER_PORT", (c) => c.peerPort],
  ["WATCHDOG_DEVICE", (c) => c.watchdogDevice],
  ["WITNESS_KEY_FILE", (c) => c.witnessKeyFile],
  ["the storage section", (c) => c.storage !== null],
  ["DRBD_RESOURCES", (c) => c.storage?.resources],
  ["DRBD_VIRTUAL_IP or DRBD_INTERFACE", (c) => c.storage?.vip],
  ["the iSCSI target (TARGET_*, LUNS)", (c) => [c.storage?.targetBackend, c.storage?.target]],
];

/** Two hosts that judge a death by different proofs for even a moment could both be right: these wait until HA is off. */
const HA_OFF: readonly Part[] = [
  ["FENCE_METHOD, FENCE_HA_ONFAIL or WITNESS (the policy)", (c) => [c.core.policy, c.fence.method, c.witnesses]],
  // With 0 a host goes on alone at once, because the other one leaves it alone.
  ["FENCE_ENABLED", (c) => c.core.fenceEnabled],
  ["FENCE_QUORUM_REQUIRED", (c) => c.core.quorumRequired],
  ["FENCE_REBOOT_LONE_HOST", (c) => c.core.rebootLoneHost],
  // The device runs with the timeout it was armed with.
  ["WATCHDOG", (c) => c.core.timers.watchdog],
];

export function planReload(running: Config, next: Config, haIsOn: boolean): ReloadPlan {
  const changed = (parts: readonly Part[]): readonly string[] =>
    parts.filter(([, of]) => !same(of(running), of(next))).map(([name]) => name);
  const restart = changed(RESTART).map(
    (name) =>
      `${name} changed: this takes effect only at a start of the daemon; run \`iscsi-cfg switch\` if this host serves, then \`systemctl restart tandemd\``,
  );
  const haOff = (haIsOn ? changed(HA_OFF) : []).map(
    (name) => `${name} cannot change while HA is on; run \`ha-cfg disable\`, then \`ha-cfg enable\` again`,
  );
  if (restart.length + haOff.length > 0) return { kind: "refused", reasons: [...restart, ...haOff] };
  if (!haIsOn || running.core.cfgHash === next.core.cfgHash) return { kind: "now" };
  return { kind: "staged" };
}

/**
 * Gives up early, acts late: keeps the inequalities against a peer that decides by `old` and against one that decides by
 * `next`. Shows the hash of `next`, which differs from the peer's and so disarms automatic takeover (I-f).
 */
export function cautious(old: CoreConfig, next: CoreConfig): CoreConfig {
  return {
    ...next,
    timers: cautiousTimers(old.timers, next.timers),
    heuristics: [...new Set([...old.heuristics, ...next.heuristics])],
    mayTakeOver: old.mayTakeOver && next.mayTakeOver,
    mayRestart: old.mayRestart && next.mayRestart,
  };
}

/** What a host allows itself, and how soon it tells and notices: the shorter of the two. All other waits: the longer. */
const SHORTER: ReadonlySet<keyof Timers> = new Set(["hb", "echo", "suspect", "sample", "lease", "soft", "lag"]);

function cautiousTimers(old: Timers, next: Timers): Timers {
  const choose = (name: keyof Timers): number => (SHORTER.has(name) ? Math.min : Math.max)(old[name], next[name]);
  // The keys of Timers, all of them numbers.
  const names = Object.keys(next) as (keyof Timers)[];
  return { ...next, ...Object.fromEntries(names.map((name) => [name, choose(name)])) };
}
