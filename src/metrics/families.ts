// Every metric: its name, its meaning, and how it is read from the daemon's answer. Pure. The names are an interface:
// dashboards and alerting rules of other people hang on them.

import type { HostState, StatusDocument } from "../core/model/status.ts";
import type { Counters } from "../drivers/control/counters.ts";

export interface Facts {
  readonly status: StatusDocument;
  readonly counters: Counters;
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "gauge" | "counter";
  readonly labels: readonly string[];
  readonly read: (facts: Facts) => readonly Sample[];
}

const HOST_STATES = {
  DISABLED: true,
  MANUAL: true,
  MAINTENANCE: true,
  JOINING: true,
  STANDBY: true,
  OWNER: true,
  OWNER_SOLO: true,
  SUSPECT_O: true,
  SUSPECT_S: true,
  FENCED_SELF: true,
  TAKING: true,
  RELEASING: true,
  BLOCKED: true,
} as const satisfies Readonly<Record<HostState, true>>;

/** Unknown is no number: the sample is left out. */
const one = (value: number | boolean | null | undefined): readonly Sample[] =>
  value === null || value === undefined ? [] : [{ labels: {}, value: Number(value) }];
const seconds = (ms: number | null): number | null => (ms === null ? null : ms / 1_000);
/** One of several words: 1 for the one that holds. */
const word = (label: string, holds: string, all: readonly string[]): readonly Sample[] =>
  all.map((name) => ({ labels: { [label]: name }, value: Number(name === holds) }));

function gauge(name: string, help: string, read: Family["read"], labels: readonly string[] = []): Family {
  return { name: `tandem_${name}`, help, type: "gauge", labels, read };
}

function counter(name: string, help: string, read: Family["read"], labels: readonly string[] = []): Family {
  return { name: `tandem_${name}_total`, help, type: "counter", labels, read };
}

type Resource = StatusDocument["own"]["resources"][number];
const perResource =
  (read: (resource: Resource) => number | boolean | null): Family["read"] =>
  ({ status }) =>
    status.own.resources.flatMap((resource) =>
      one(read(resource)).map(({ value }) => ({ labels: { resource: resource.name }, value })),
    );
const resourceWords =
  (label: string, read: (view: NonNullable<Resource["view"]>) => string): Family["read"] =>
  ({ status }) =>
    status.own.resources.flatMap(({ name, view }) =>
      view === null ? [] : [{ labels: { resource: name, [label]: read(view) }, value: 1 }],
    );
const perLink =
  (read: (link: Counters["links"][number]) => number | null): Family["read"] =>
  ({ counters }) =>
    counters.links.flatMap((link) => one(read(link)).map(({ value }) => ({ labels: { link: link.link }, value })));
const perContact =
  (read: (link: StatusDocument["contact"]["links"][number]) => number | boolean | null): Family["read"] =>
  ({ status }) =>
    status.contact.links.flatMap((link) =>
      one(read(link)).map(({ value }) => ({ labels: { link: link.link }, value })),
    );

export const FAMILIES: readonly Family[] = [
  gauge(
    "build_info",
    "Version and policy of this host's daemon, always 1",
    ({ status: { own, policy } }) => [{ labels: { version: own.version, host: own.name, policy }, value: 1 }],
    ["version", "host", "policy"],
  ),
  // The pair.
  gauge(
    "host_state",
    "State of this host: 1 for the one it is in",
    ({ status }) => word("state", status.own.state, Object.keys(HOST_STATES)),
    ["state"],
  ),
  gauge("serving", "1: this host serves the storage", ({ status }) => one(status.own.serving)),
  gauge("eligible", "1: this host could take the storage over", ({ status }) => one(status.own.eligible)),
  gauge("epoch", "Epoch of the storage's ownership; grows with every change of owner", ({ status }) =>
    one(status.own.epoch),
  ),
  gauge("ha_enabled", "1: HA is on", ({ status }) => one(status.own.ha === "on")),
  gauge("pool_master", "1: this host is the pool master; absent: not known", ({ status }) =>
    one(status.own.xapiRole === "unknown" ? null : status.own.xapiRole === "master"),
  ),
  gauge("peer_contact", "1: the other host answers", ({ status }) => one(status.contact.inContact)),
  gauge("peer_silence_seconds", "Since the other host was last heard", ({ status }) =>
    one(seconds(status.contact.silentMs)),
  ),
  gauge("lease_left_seconds", "How long this host may go on serving without the other's echo", ({ counters }) =>
    one(seconds(counters.leaseLeftMs)),
  ),
  gauge("episode", "1: contact with the other host is lost, and a decision is on its way", ({ status }) =>
    one(status.episode !== null),
  ),
  gauge("vote_held", "During an episode: 1 while every vote of it passed; absent otherwise", ({ status }) =>
    one(status.episode === null || status.episode.vote === "not-needed" ? null : status.episode.vote === "held"),
  ),
  gauge(
    "heuristic_answering",
    "1: this address of the vote answers ping",
    ({ status }) =>
      status.heuristics.flatMap(({ address, answering }) =>
        answering === null ? [] : [{ labels: { address }, value: Number(answering) }],
      ),
    ["address"],
  ),
  gauge(
    "witness_answering",
    "1: this witness answers",
    ({ status }) =>
      status.witnesses.flatMap(({ address, answering }) =>
        answering === null ? [] : [{ labels: { address }, value: Number(answering) }],
      ),
    ["address"],
  ),
  gauge("watchdog_armed", "1: a hang of this host's daemon ends in a reset", ({ status }) =>
    one(status.own.watchdog === "unused" ? null : status.own.watchdog === "armed"),
  ),
  gauge(
    "fence_ready",
    "1: the fence device of the other host answered its last self-test; absent: none, or not tried",
    ({ status: { fencing } }) =>
      fencing.ready === null ? [] : [{ labels: { method: fencing.method }, value: Number(fencing.ready) }],
    ["method"],
  ),
  // Heartbeats.
  gauge(
    "link_up",
    "1: heartbeats come in on this link",
    perContact(({ up }) => up),
    ["link"],
  ),
  gauge(
    "heartbeat_age_seconds",
    "Since the newest heartbeat on this link",
    perContact(({ lastHeardMs }) => seconds(lastHeardMs)),
    ["link"],
  ),
  counter(
    "heartbeats_sent",
    "Heartbeats sent",
    perLink(({ sent }) => sent),
    ["link"],
  ),
  counter(
    "heartbeats_received",
    "Heartbeats received that were authentic and new",
    perLink(({ received }) => received),
    ["link"],
  ),
  counter(
    "heartbeats_missed",
    "Heartbeats that were due by the sender's clock and did not come",
    perLink(({ missed }) => missed),
    ["link"],
  ),
  gauge(
    "heartbeat_round_trip_seconds",
    "There and back, without the time the other host held the echo",
    perLink(({ roundTripMs }) => seconds(roundTripMs)),
    ["link"],
  ),
  // Storage.
  gauge(
    "drbd_role",
    "1 for this host's role",
    resourceWords("role", ({ role }) => role),
    ["resource", "role"],
  ),
  gauge(
    "drbd_connection",
    "1 for the state of the connection",
    resourceWords("connection", ({ connection }) => connection),
    ["resource", "connection"],
  ),
  gauge(
    "drbd_disk",
    "1 for the state of this host's copy",
    resourceWords("disk", ({ disk }) => disk),
    ["resource", "disk"],
  ),
  gauge(
    "drbd_peer_disk",
    "1 for the state of the other copy",
    resourceWords("disk", ({ peerDisk }) => peerDisk),
    ["resource", "disk"],
  ),
  gauge(
    "drbd_out_of_sync_bytes",
    "What the copies differ by",
    perResource(({ view }) => (view?.outOfSyncKiB === null || view === null ? null : view.outOfSyncKiB * 1_024)),
    ["resource"],
  ),
  gauge(
    "drbd_resync_ratio",
    "How much of a running resync is done; absent without one",
    perResource(({ view }) => (view?.donePercent === null || view === null ? null : view.donePercent / 100)),
    ["resource"],
  ),
  gauge(
    "drbd_suspended",
    "1: DRBD holds all writes back",
    perResource(({ view }) => view?.suspended ?? null),
    ["resource"],
  ),
  gauge(
    "drbd_solo",
    "1: this host goes on without the other copy",
    perResource(({ solo }) => solo),
    ["resource"],
  ),
  gauge("target_running", "1: the iSCSI target of this host runs", ({ status: { own } }) =>
    one(own.target.state === "unknown" ? null : own.target.state === "running"),
  ),
  gauge("target_sessions", "Initiators logged in at this host's target", ({ status }) =>
    one(status.own.target.sessions),
  ),
  gauge(
    "floating_ip",
    "Where the floating IP is: 1 for the place",
    ({ status }) => word("place", status.own.vip.state, ["local", "peer", "absent", "elsewhere", "unknown"]),
    ["place"],
  ),
  counter("service_gaps", "Times that nobody served the storage, as this host saw it", ({ counters }) =>
    one(counters.serviceGap.count),
  ),
  gauge(
    "service_gap_seconds",
    "How long nobody served the storage the last time (a switch or a failover)",
    ({ counters }) => one(seconds(counters.serviceGap.lastMs)),
  ),
  // VMs and people.
  gauge(
    "vms",
    "VMs of the pool",
    ({ status: { vms } }) =>
      (["total", "protected", "running"] as const)
        .map((kind) => ({ labels: { kind: kind as string }, value: vms[kind] }))
        .concat([{ labels: { kind: "down" }, value: vms.down.length }]),
    ["kind"],
  ),
  gauge("failures_tolerated", "Hosts whose loss leaves memory for every protected VM", ({ status }) =>
    one(status.vms.failuresTolerated),
  ),
  gauge("hosts_live", "Hosts of the pool that are live", ({ status }) =>
    one(status.hosts.filter(({ live }) => live).length),
  ),
  gauge("alerts", "Conditions that a person should know of", ({ status }) => one(status.alerts.length)),
  // The daemon itself.
  gauge("uptime_seconds", "Since the daemon started", ({ counters }) => one(seconds(counters.uptimeMs))),
  counter("cycles", "Turns of the decision", ({ counters }) => one(counters.turns.count)),
  counter("cycle_seconds", "Time spent in turns of the decision", ({ counters }) =>
    one(seconds(counters.turns.totalMs)),
  ),
  gauge("cycle_longest_seconds", "Longest turn of the last one to two minutes", ({ counters }) =>
    one(seconds(counters.turns.longestMs)),
  ),
  counter("xapi_calls", "Calls to the toolstack, blocked event.from included", ({ counters }) =>
    one(counters.xapiCalls),
  ),
  counter("processes_started", "Programs started", ({ counters }) => one(counters.processesStarted)),
  gauge("resident_bytes", "Memory of the daemon", ({ counters }) => one(counters.residentBytes)),
  counter("cpu_seconds", "Processor time of the daemon, all threads", ({ counters }) => one(seconds(counters.cpuMs))),
];

/** Beside the families, because it tells of a daemon that does not answer too. */
export const UP = {
  name: "tandem_up",
  help: "1: the daemon of this host answers; 0: nothing else is known",
} as const;
