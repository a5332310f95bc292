// Puts the status document together from the brain's snapshot and what the hands see. Pure: reads nothing itself.

import { valueOf, type Observation } from "../../core/model/observation.ts";
import type { DrbdView, ReplicationState } from "../../core/model/drbd.ts";
import type { HeartbeatBody } from "../../core/model/peer.ts";
import type { HostState, HostStatus, ResourceStatus, StatusDocument, StatusEvent } from "../../core/model/status.ts";
import type { Config } from "../../config/config.ts";
import type { PoolView } from "../../drivers/xapi/port.ts";
import type { Snapshot } from "../brain/messages.ts";
import type { VmReport } from "../vms/vm-watch.ts";

export interface StatusInput {
  readonly snapshot: Snapshot;
  readonly config: Config;
  readonly wallMs: number;
  readonly version: string;
  readonly pid: number;
  readonly targetPid: number | null;
  readonly sessions: number | null;
  readonly drbdVersion: string | null;
  readonly pool: Observation<PoolView>;
  readonly vmReport: VmReport | null;
  readonly heuristics: ReadonlyMap<string, boolean>;
  readonly fenceReady: { readonly ready: boolean | null; readonly detail: string };
  readonly alerts: StatusDocument["alerts"];
  readonly events: readonly StatusEvent[];
  readonly eta: (resource: string, view: DrbdView) => number | null;
}

export function statusDocument(input: StatusInput): StatusDocument {
  const { snapshot, config } = input;
  const { state } = snapshot;
  return {
    protocol: 1,
    wallMs: input.wallMs,
    policy: config.core.policy,
    policyNote: config.policyNote,
    own: ownStatus(input),
    peer: state.peer.body === null ? null : peerStatus(input, state.peer.body),
    contact: { inContact: snapshot.inContact, silentMs: snapshot.silenceMs, links: snapshot.links },
    episode: snapshot.episode,
    heuristics: config.core.heuristics.map((address) => ({
      address,
      answering: input.heuristics.get(address) ?? null,
    })),
    witnesses: witnesses(snapshot),
    fencing: {
      method: config.fence.method,
      enabled: config.fence.enabled,
      ready: input.fenceReady.ready,
      detail: input.fenceReady.detail,
    },
    alerts: input.alerts,
    events: input.events,
    hosts: poolHosts(input),
    vms: vmsStatus(input.pool, input.vmReport),
  };
}

function witnesses({ state }: Snapshot): StatusDocument["witnesses"] {
  const { config, witness } = state;
  if (config.policy !== "witness") return [];
  return config.witnesses.map((address, i) => {
    const answer = witness.answers[i] ?? null;
    const answering = witness.askedAt === null ? null : answer !== null;
    return { address, answering, holder: answer?.holder ?? null };
  });
}

function ownStatus(input: StatusInput): HostStatus {
  const { snapshot, config } = input;
  const { state } = snapshot;
  const target = valueOf(state.target);
  const views = valueOf(state.drbd);
  const owner = state.durable.owner === config.self.uuid;
  return {
    hostId: config.self.uuid,
    name: config.self.name,
    version: input.version,
    state: snapshot.hostState,
    outcome: snapshot.outcome,
    ha: state.durable.ha,
    flags: state.durable.flags,
    epoch: state.durable.epoch,
    owner: state.durable.owner,
    serving: snapshot.serving,
    eligible: snapshot.eligible,
    xapiRole: valueOf(state.xapi)?.role ?? "unknown",
    resources: config.core.resources.map((name): ResourceStatus => {
      const view = views?.[name] ?? null;
      const why = state.drbd.kind === "unknown" ? state.drbd.reason : view === null ? "the resource is not up" : null;
      return {
        name,
        view,
        why,
        solo: state.durable.solo[name] === true,
        etaSeconds: view === null ? null : input.eta(name, view),
      };
    }),
    target: {
      state: target === undefined ? "unknown" : target.running ? "running" : "stopped",
      expected: owner ? "running" : "warm",
      pid: input.targetPid,
      sessions: input.sessions,
    },
    vip: {
      address: config.storage?.vip.address ?? "",
      state: vipState(snapshot),
      mac: state.probes.conflictMac,
    },
    watchdog: config.watchdogDevice === null ? "unused" : state.watchdogArmed ? "armed" : "disarmed",
    domains: (valueOf(state.domains) ?? []).map(({ uuid, name, paused }) => ({ uuid, name, paused })),
    pid: input.pid,
    drbdVersion: input.drbdVersion,
  };
}

function vipState(snapshot: Snapshot): HostStatus["vip"]["state"] {
  const { state } = snapshot;
  const mine = valueOf(state.vip);
  if (mine === undefined) return "unknown";
  if (mine === "present") return "local";
  if (state.probes.conflictMac !== null) return "elsewhere";
  return snapshot.inContact && state.peer.body?.serving === true ? "peer" : "absent";
}

/** The peer as its last heartbeat shows it; what a heartbeat does not carry is unknown. */
function peerStatus(input: StatusInput, body: HeartbeatBody): HostStatus {
  const { config, snapshot } = input;
  const owner = body.owner === body.hostId;
  const state: HostState = body.busy
    ? body.intent === "releasing"
      ? "RELEASING"
      : "TAKING"
    : body.flags.manual
      ? "MANUAL"
      : body.flags.maintenance
        ? "MAINTENANCE"
        : !body.joined
          ? "JOINING"
          : owner
            ? Object.values(body.resources).every((r) => r.solo)
              ? "OWNER_SOLO"
              : "OWNER"
            : "STANDBY";
  return {
    hostId: body.hostId,
    name: config.peer.name,
    version: "",
    state,
    outcome: snapshot.inContact ? "in contact" : "as last heard; it is silent now",
    ha: body.ha,
    flags: body.flags,
    epoch: body.epoch,
    owner: body.owner,
    serving: body.serving,
    eligible: body.eligible,
    xapiRole: body.xapi,
    resources: Object.entries(body.resources).map(([name, r]): ResourceStatus => ({
      name,
      view: {
        role: r.role,
        disk: r.disk,
        connection: "Connecting",
        replication: "Off",
        peerRole: "Unknown",
        peerDisk: r.peerDisk,
        suspended: false,
        donePercent: null,
        generation: r.generation,
        ...mirrored(snapshot, name),
        ...(r.outOfSyncKiB === undefined ? {} : { outOfSyncKiB: r.outOfSyncKiB }),
        ...(r.lastWriteWallMs === undefined ? {} : { lastWriteWallMs: r.lastWriteWallMs }),
      },
      why: null,
      solo: r.solo,
      etaSeconds: etaOf(input, name),
    })),
    target: {
      state: body.serving ? "running" : "unknown",
      expected: owner ? "running" : "warm",
      pid: null,
      sessions: null,
    },
    vip: {
      address: config.storage?.vip.address ?? "",
      state: body.serving ? "local" : "absent",
      mac: null,
    },
    watchdog: body.watchdogArmed ? "armed" : "disarmed",
    domains: body.domains.map((uuid) => ({ uuid, name: nameOf(input.pool, uuid), paused: false })),
    pid: null,
    drbdVersion: null,
  };
}

function etaOf({ snapshot, eta }: StatusInput, resource: string): number | null {
  const own = valueOf(snapshot.state.drbd)?.[resource];
  return own === undefined ? null : eta(resource, own);
}

/** Connection and replication are one thing seen from both ends: ours is the peer's. */
function mirrored(snapshot: Snapshot, resource: string): Partial<DrbdView> & Pick<DrbdView, "outOfSyncKiB"> {
  const own = valueOf(snapshot.state.drbd)?.[resource];
  if (own === undefined) return { outOfSyncKiB: null };
  const { connection, replication, outOfSyncKiB, donePercent } = own;
  return {
    connection,
    replication: OTHER_END[replication] ?? replication,
    peerRole: own.role,
    outOfSyncKiB,
    donePercent,
  };
}

/** What one end calls source the other one calls target; the other states are the same at both ends. */
const OTHER_END: Partial<Record<ReplicationState, ReplicationState>> = {
  SyncSource: "SyncTarget",
  SyncTarget: "SyncSource",
  PausedSyncS: "PausedSyncT",
  PausedSyncT: "PausedSyncS",
  StartingSyncS: "StartingSyncT",
  StartingSyncT: "StartingSyncS",
  WFBitMapS: "WFBitMapT",
  WFBitMapT: "WFBitMapS",
  VerifyS: "VerifyT",
  VerifyT: "VerifyS",
  Ahead: "Behind",
  Behind: "Ahead",
};

const nameOf = (pool: Observation<PoolView>, uuid: string): string =>
  valueOf(pool)?.vms.find((vm) => vm.uuid === uuid)?.name ?? uuid.slice(0, 8);

function poolHosts(input: StatusInput): StatusDocument["hosts"] {
  const view = valueOf(input.pool);
  if (view === undefined) {
    return input.config.hosts.map((h) => ({
      hostId: h.uuid,
      name: h.name,
      address: h.management,
      live: h.uuid === input.config.self.uuid || input.snapshot.inContact,
      enabled: true,
      master: false,
    }));
  }
  return view.hosts.map((h) => ({
    hostId: h.uuid,
    name: h.name,
    address: h.address,
    live: h.live,
    enabled: h.enabled,
    master: h.ref === view.masterRef,
  }));
}

export function vmsStatus(pool: StatusInput["pool"], found: StatusInput["vmReport"]): StatusDocument["vms"] {
  if (pool.kind === "unknown" || found === null) {
    const reason = pool.kind === "unknown" ? pool.reason : "not looked at yet";
    const nothing = { total: 0, protected: 0, running: 0, survivorHasRoom: null, failuresTolerated: null, down: [] };
    return { ...nothing, detail: `the pool database is not readable: ${reason}` };
  }
  const { capacity, total, running, down } = found;
  const alone = capacity.usableHosts < 2;
  const short = capacity.shortage?.vms.map((vm) => vm.name) ?? [];
  return {
    total,
    protected: found.protected,
    running,
    survivorHasRoom: alone ? null : capacity.tolerated > 0,
    failuresTolerated: capacity.tolerated,
    detail: alone
      ? "only one host is live and enabled"
      : capacity.shortage === null
        ? `the pool bears the loss of ${capacity.tolerated} of ${capacity.usableHosts} hosts`
        : `without ${capacity.shortage.host} there is no memory for ${short.join(", ")}`,
    down,
  };
}
