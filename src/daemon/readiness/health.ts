// Conditions that a person should know of: the other host is lost; and, before the day they matter: a failover would find no
// vote or no witness, nothing resets this host when it hangs, the management network is gone, the disk under the storage
// failed, the other copy falls behind.

import type { State } from "../../core/model/state.ts";
import type { Link } from "../../core/model/peer.ts";
import { valueOf } from "../../core/model/observation.ts";
import { voters } from "../../core/witness.ts";
import type { Alerts } from "../alerts/alerts.ts";

export interface HealthSigns {
  readonly state: State;
  readonly inContact: boolean;
  readonly heuristics: readonly { readonly address: string; readonly answering: boolean | null }[];
  /** Null: not known. */
  readonly management: boolean | null;
  /** Addresses that tandem.yaml gives this host and that it has not. */
  readonly astray: readonly { readonly network: Link; readonly address: string }[];
  /** Why packets of the other host were dropped lately; null: they were not. */
  readonly refused: string | null;
}

export interface Condition {
  readonly id: string;
  readonly text: string;
}

export const LOST =
  "the other host is silent on every channel; what is done about it: ha-cfg explain, what was: ha-cfg history";

const UNGUARDED =
  "the watchdog of this host is not armed although HA is on (A6): if this host hangs, nothing stops its VMs, and the other host may start them a second time; why it is not: ha-cfg log, and what to do: ha-cfg check";

const BROKEN: readonly string[] = ["Diskless", "Failed"];

export function conditions({
  state,
  inContact,
  heuristics,
  management,
  astray,
  refused,
}: HealthSigns): readonly Condition[] {
  const found: Condition[] = [];
  if (isLost(state)) found.push({ id: "lost", text: LOST });
  if (isUnguarded(state)) found.push({ id: "watchdog", text: UNGUARDED });
  const silent = heuristics.filter((one) => one.answering === false).map((one) => one.address);
  if (state.config.policy === "witness") found.push(...witnessConditions(state));
  else if (silent.length > 0) {
    const text = `no answer from ${silent.join(", ")}: while that is so this host has no vote, and an outage would find no failover here; check the network, or FENCE_HEURISTICS_IPS`;
    found.push({ id: "vote", text });
  }
  // Where nothing else is asked on it, a network that shows nobody does so because the other host is off.
  if (management === false && !(state.dead && heuristics.length === 0)) {
    const text = "the management network of this host is lost: check its cable, its port and the switch";
    found.push({ id: "management", text });
  }
  for (const { network, address } of astray) {
    const text = `this host has no address ${address}, which tandem.yaml gives it on the ${network} network: give it back to this host; or write the new one into tandem.yaml on both hosts, then 'systemctl restart tandemd' on each`;
    found.push({ id: `address:${network}`, text });
  }
  if (!inContact && refused !== null) found.push({ id: "refused-packets", text: refused });
  for (const [resource, view] of Object.entries(valueOf(state.drbd) ?? {})) {
    if (BROKEN.includes(view.disk)) {
      const letGo = view.disk === "Failed" ? `run 'drbdadm detach ${resource}', ` : "";
      const text = `the disk under ${resource} is ${view.disk}: ${letGo}replace it, then run 'iscsi-cfg replace-disk' on this host`;
      found.push({ id: `disk:${resource}`, text });
    } else if (inContact && view.connection !== "Connected") {
      const text = `DRBD of ${resource} is ${view.connection} although the other host answers: one copy falls behind; check the replication network`;
      found.push({ id: `replication:${resource}`, text });
    }
  }
  return found;
}

/** Not a host that said it leaves, nor one that a person works on. DRBD goes on speaking for one whose daemon is exchanged. */
const isLost = ({ dead, peer, durable }: State): boolean =>
  dead && peer.body?.intent !== "leaving" && !durable.peerFlags.maintenance;

/** Not in the time in which this daemon is away for an exchange or a stop: then the other host knows it. */
const isUnguarded = ({ config, durable, watchdogArmed, stopping }: State): boolean =>
  config.watchdogUsed && durable.ha === "on" && !watchdogArmed && stopping === null;

function witnessConditions({ config, witness }: State): readonly Condition[] {
  if (witness.askedAt === null) return [];
  const silent = config.witnesses.filter((_, i) => (witness.answers[i] ?? null) === null);
  if (silent.length === 0) return [];
  const { all, needed } = voters(config);
  const left = all - silent.length;
  const harm =
    left < needed
      ? "while that is so an outage would find no failover here"
      : `an outage needs ${needed} of ${all}, and ${left} answer`;
  const text = `no answer from the witness at ${silent.join(", ")}: ${harm}; there: systemctl status tandem-witness`;
  return [{ id: "witness", text }];
}

export interface HealthTeller {
  tell(signs: HealthSigns, now: number): void;
}

/** What lasts shorter than this is no news: a switch, a resync that begins, a watchdog holder that starts anew. */
const LASTS_MS = 3_000;

/** Raises each condition once it lasts, and ends the alert with it. */
export function createHealthTeller(alerts: Pick<Alerts, "raise" | "clear">): HealthTeller {
  const since = new Map<string, number>();
  return {
    tell(signs, now) {
      const found = conditions(signs);
      for (const id of since.keys()) {
        if (found.some((one) => one.id === id)) continue;
        since.delete(id);
        alerts.clear(id);
      }
      for (const { id, text } of found) {
        const at = since.get(id) ?? now;
        since.set(id, at);
        if (now - at >= LASTS_MS) alerts.raise(id, text);
      }
    },
  };
}
