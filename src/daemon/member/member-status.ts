// The status document of a host that holds no copy of the storage. Pure: reads nothing itself.

import { valueOf, type Observation } from "../../core/model/observation.ts";
import type { HostState, StatusDocument, StatusEvent } from "../../core/model/status.ts";
import { inContact, majorityOf, others } from "../../core/pool/facts.ts";
import type { Config } from "../../config/config.ts";
import type { PoolView } from "../../drivers/xapi/port.ts";
import type { FenceReadiness } from "../readiness/fence-watch.ts";
import type { PoolSnapshot } from "../brain/pool-brain.ts";
import { vmsStatus } from "../status/status.ts";
import type { VmReport } from "../vms/vm-watch.ts";

export interface MemberStatusInput {
  readonly snapshot: PoolSnapshot;
  readonly config: Config;
  readonly now: number;
  readonly wallMs: number;
  readonly version: string;
  readonly pid: number;
  readonly pool: Observation<PoolView>;
  /** Null before the first pass. */
  readonly vmReport: VmReport | null;
  readonly fenceReady: FenceReadiness;
  readonly alerts: StatusDocument["alerts"];
  readonly events: readonly StatusEvent[];
}

export function memberStatus(input: MemberStatusInput): StatusDocument {
  const { snapshot, config, now } = input;
  const { state } = snapshot;
  const view = valueOf(input.pool);
  const answering = others(state)
    .filter(([, one]) => inContact(state, one, now))
    .map(([id]) => id);
  const leader =
    snapshot.leader === null ? null : (config.hosts.find((one) => one.uuid === snapshot.leader)?.name ?? null);
  return {
    protocol: 1,
    wallMs: input.wallMs,
    policy: config.core.policy,
    policyNote: config.policyNote,
    own: {
      hostId: config.self.uuid,
      name: config.self.name,
      version: input.version,
      state: stateOf(snapshot),
      outcome: outcomeOf(snapshot, leader, answering.length),
      ha: state.durable.ha,
      flags: state.durable.flags,
      epoch: state.durable.epoch,
      owner: state.durable.owner,
      serving: false,
      eligible: false,
      xapiRole: valueOf(state.xapi)?.role ?? "unknown",
      resources: [],
      target: { state: "stopped", expected: "stopped", pid: null, sessions: null },
      vip: { address: config.storage?.vip.address ?? "", state: "absent", mac: null },
      watchdog: config.watchdogDevice === null ? "unused" : state.watchdogArmed ? "armed" : "disarmed",
      domains: (valueOf(state.domains) ?? []).map(({ uuid, name, paused }) => ({ uuid, name, paused })),
      pid: input.pid,
      drbdVersion: null,
    },
    peer: null,
    contact: { inContact: answering.length + 1 >= majorityOf(state.config), silentMs: null, links: [] },
    episode: null,
    heuristics: [],
    witnesses: [],
    fencing: { method: config.fence.method, enabled: config.fence.enabled, ...input.fenceReady },
    alerts: input.alerts,
    events: input.events,
    hosts: config.hosts.map((host) => {
      const known = view?.hosts.find((one) => one.uuid === host.uuid);
      return {
        hostId: host.uuid,
        name: host.name,
        address: host.management,
        live: host.uuid === config.self.uuid || answering.includes(host.uuid),
        enabled: known?.enabled ?? true,
        master: known !== undefined && known.ref === view?.masterRef,
      };
    }),
    vms: vmsStatus(input.pool, input.vmReport),
  };
}

function stateOf({ state, leads, leader }: PoolSnapshot): HostState {
  if (state.softFenced) return "FENCED_SELF";
  if (state.durable.flags.maintenance) return "MAINTENANCE";
  if (state.durable.ha === "off") return "DISABLED";
  if (leads) return "OWNER";
  return leader === null ? (state.settled ? "SUSPECT_S" : "JOINING") : "STANDBY";
}

function outcomeOf({ state, leads }: PoolSnapshot, leader: string | null, answering: number): string {
  if (state.softFenced) return "cut off from the pool: its VMs stand still until a leader answers (D8)";
  if (leads) return "this host leads the pool";
  if (leader !== null) return `a member of the pool; ${leader} leads`;
  return `nobody leads; ${answering + 1} of ${state.config.hosts.length} hosts answer`;
}
