// `ha-cfg check` on a host that holds no copy of the storage: what its own part in a failover needs, tried now. What
// concerns the storage is tried on the two hosts that hold it.

import { enableRefusals } from "../../config/policy.ts";
import type { Check } from "../../drivers/control/answers.ts";
import { elects, inContact, majorityOf, others } from "../../core/pool/facts.ts";
import {
  attached,
  autoPowerOn,
  clock,
  disk,
  fencing,
  mail,
  room,
  toolstack,
  watchdog,
  type CheckParts,
} from "../requests/check.ts";
import { bad, fine, skip, tryAll, warn, type Said } from "../requests/said.ts";
import type { PoolSnapshot } from "../brain/pool-brain.ts";

export interface MemberCheckParts extends Pick<
  CheckParts,
  "config" | "view" | "vms" | "fencePath" | "exec" | "login" | "mailServer" | "disk" | "deviceExists" | "selfStarting"
> {
  readonly snapshot: () => PoolSnapshot | null;
  readonly now: () => number;
}

export function runMemberChecks(parts: MemberCheckParts): Promise<readonly Check[]> {
  const state = parts.snapshot()?.state;
  const guarded = { armed: state?.watchdogArmed === true, haIsOn: state?.durable.ha === "on" };
  const leads = state !== undefined && elects(state.config);
  return tryAll([
    ["configuration", "configuration and timers", () => configuration(parts)],
    ["pool", "contact with the other hosts", () => contact(parts)],
    ["same-configuration", "same configuration on all hosts", () => sameConfiguration(parts)],
    ["fencing", "fence devices", () => (leads ? fencing(parts) : skip("the host that serves the storage fences"))],
    ["watchdog", "watchdog", () => watchdog({ ...parts, ...guarded })],
    ["xapi", "toolstack", () => toolstack(parts)],
    ["storage-attached", "storage attached on all hosts", () => attached(parts)],
    ["room", "room for the VMs of a lost host", () => room(parts)],
    ["auto-poweron", "no VM starts by itself at boot", () => autoPowerOn(parts)],
    ["mail", "mail server", () => mail(parts)],
    ["clock", "clock", () => clock(parts)],
    ["disk", "disk of the durable record", () => disk(parts)],
  ]);
}

function configuration({ config }: MemberCheckParts): Said {
  const refusals = enableRefusals(config());
  return refusals.length > 0
    ? bad(refusals.join("; "), "mend this: ha-cfg set, or /etc/tandem/tandem.yaml")
    : fine("every inequality holds");
}

const namesOf = ({ config }: MemberCheckParts, ids: readonly string[]): string =>
  ids.map((id) => config().hosts.find((host) => host.uuid === id)?.name ?? id).join(", ");

/** Members that are led talk to those who may lead; who is silent among the others is the leader's to know. */
function contact(parts: MemberCheckParts): Said {
  const now = parts.snapshot();
  if (now === null) return bad("the daemon has only just started", "try again in a second");
  const { state, leader, leads } = now;
  if (!leads && leader !== null) return fine(`${namesOf(parts, [leader])} leads the pool and answers`);
  const silent = others(state).flatMap(([id, one]) => (inContact(state, one, parts.now()) ? [] : [id]));
  const near = state.config.hosts.length - silent.length;
  const next = `there: systemctl status tandemd; is UDP ${parts.config().peerPort + 1} open?`;
  if (!leads) return bad(`nobody leads the pool; no answer from ${namesOf(parts, silent)}`, next);
  if (near < majorityOf(state.config)) return bad(`no majority: silent are ${namesOf(parts, silent)}`, next);
  return silent.length > 0
    ? warn(`no answer from ${namesOf(parts, silent)}`, next)
    : fine(`this host leads the pool; all ${near} hosts answer`);
}

function sameConfiguration(parts: MemberCheckParts): Said {
  const now = parts.snapshot();
  if (now === null) return bad("the daemon has only just started", "try again in a second");
  const other = others(now.state).flatMap(([id, { body }]) =>
    body !== null && body.cfgHash !== now.state.config.cfgHash ? [id] : [],
  );
  if (other.length === 0) return fine(`the hosts that were heard have ${now.state.config.cfgHash.slice(0, 12)} too`);
  return bad(
    `another one on ${namesOf(parts, other)} (I-f)`,
    "compare 'ha-cfg get --long' and /etc/tandem/tandem.yaml of these hosts",
  );
}
