// The one table of all parameters: name, scope, kind, default, who may change it. It holds data only; what the
// parameters do is decided by those who read the effective configuration.

import { err, ok, type Result } from "../util/result.ts";
import { ALL_AREAS } from "./areas.ts";
import { nearestName } from "./suggest.ts";
import { parseValue, type Mismatch, type Value, type ValueType } from "./value.ts";

/** pool: XAPI database (other-config key `tandem:NAME`). storage: the `storage:` section of the local file. */
export type Scope = "pool" | "storage";
export type Group = "monitor" | "vm" | "xapi" | "fence" | "timer" | "policy" | "mail" | "family" | "storage" | "local";

export interface Parameter {
  readonly name: string;
  readonly scope: Scope;
  readonly group: Group;
  readonly type: ValueType;
  /** Canonical text; "" of a timer: by TIMER_PROFILE; null: must be given (storage). */
  readonly initial: string | null;
  readonly secret: boolean;
  /** May `overrides:` of one host change it? Never for timers, policy and heuristics (A24). */
  readonly perHost: boolean;
  /** Does a change take effect only after a restart of the daemon? */
  readonly restart: boolean;
  readonly summary: string;
  /** Accepted without effect; the sentence says why. */
  readonly deprecated: string | null;
}

type Options = Partial<Pick<Parameter, "secret" | "perHost" | "restart" | "deprecated">>;

const FLAG: ValueType = { kind: "flag" };
const integer = (min: number, max: number): ValueType => ({ kind: "integer", min, max });
const seconds = (min: number, max: number): ValueType => ({
  kind: "duration",
  unit: "s",
  minMs: min * 1000,
  maxMs: max * 1000,
});
const minutes = (min: number, max: number): ValueType => ({
  kind: "duration",
  unit: "min",
  minMs: min * 60_000,
  maxMs: max * 60_000,
});
const choice = (...values: readonly string[]): ValueType => ({ kind: "choice", values });
const text = (pattern: RegExp, expected: string): ValueType => ({ kind: "text", pattern, expected });

// Control characters would allow header injection into mails and forged log lines.
const ONE_LINE = /^[^\p{Cc}\p{Zl}\p{Zp}]{0,998}$/u;
const MAIL_ADDRESSES = /^[^\s\p{Cc},;<>@]+@[^\s\p{Cc},;<>@]+(,[^\s\p{Cc},;<>@]+@[^\s\p{Cc},;<>@]+)*$/u;
const HOST_OR_EMPTY = /^$|^[A-Za-z0-9.:_-]{1,253}$/;

function parameter(
  scope: Scope,
  group: Group,
  name: string,
  initial: string | null,
  type: ValueType,
  summary: string,
  options: Options = {},
): Parameter {
  return {
    name,
    scope,
    group,
    type,
    initial,
    summary,
    secret: false,
    perHost: true,
    restart: false,
    deprecated: null,
    ...options,
  };
}

const pool = (
  group: Group,
  name: string,
  initial: string,
  type: ValueType,
  summary: string,
  options: Options = {},
): Parameter => parameter("pool", group, name, initial, type, summary, options);

/** Must be equal on all hosts (A24): no override. */
const shared = (
  group: Group,
  name: string,
  initial: string,
  type: ValueType,
  summary: string,
  options: Options = {},
): Parameter => parameter("pool", group, name, initial, type, summary, { perHost: false, ...options });

const timer = (name: string, min: number, max: number, summary: string, whole = false): Parameter =>
  shared(
    "timer",
    name,
    "",
    { kind: "duration", unit: "s", minMs: min * 1000, maxMs: max * 1000, optional: true, ...(whole ? { whole } : {}) },
    summary,
  );

const storage = (
  name: string,
  initial: string | null,
  type: ValueType,
  summary: string,
  options: Options = {},
): Parameter => parameter("storage", "storage", name, initial, type, summary, options);

const MONITOR: readonly Parameter[] = [
  pool(
    "monitor",
    "MONITOR_MAX_STARTS",
    "20",
    integer(1, 10_000),
    "passes that may overrun before the hung-pass action",
  ),
  pool("monitor", "MONITOR_KILLALL", "1", FLAG, "hung-pass action: abort the stuck calls and start the loop again"),
  pool("monitor", "MONITOR_DELAY", "15", seconds(1, 3600), "interval of the full pool pass (events wake it at once)"),
  pool("monitor", "MONITOR_SCANRATE", "10", seconds(1, 3600), "retry while a pass still runs"),
  pool("monitor", "ENABLE_LOGGING", "1", FLAG, "write the log"),
];

const VM: readonly Parameter[] = [
  shared(
    "vm",
    "XC_FIELD_NAME",
    "ha-lizard-enabled",
    text(/^[A-Za-z0-9_.-]{1,64}$/, "a field name (letters, digits, _ . -)"),
    "custom field that switches HA for the pool and per VM",
  ),
  pool("vm", "OP_MODE", "2", integer(1, 2), "1 protects appliances, 2 protects VMs"),
  pool("vm", "GLOBAL_VM_HA", "1", FLAG, "1 protects every VM, 0 asks the flag of each VM (OP_MODE 2)"),
  pool(
    "vm",
    "DISABLED_VAPPS",
    "",
    { kind: "list", item: "uuid", separator: ":" },
    "appliances that are not protected (OP_MODE 1)",
  ),
  pool("vm", "SLAVE_VM_STAT", "0", FLAG, "hosts other than the pool master check and start VMs too"),
  pool("vm", "PROMOTE_SLAVE", "1", FLAG, "this host may take over storage and pool-master role"),
  pool("vm", "SLAVE_HA", "1", FLAG, "this host may start VMs of a failed host"),
  pool("vm", "HOST_SELECT_METHOD", "0", integer(0, 1), "0 only healthy hosts with room, 1 XAPI chooses"),
  shared("vm", "CUSTOM_FIELD_SWITCH", "0", FLAG, "the custom field may disable HA for the pool (never enable it)"),
];

const XAPI: readonly Parameter[] = [
  pool("xapi", "XE_TIMEOUT", "10", seconds(1, 300), "deadline of every XAPI call"),
  // Timers of every host depend on these two when FAST_DETECT=0, so they are equal everywhere.
  shared("timer", "XAPI_COUNT", "2", integer(1, 100), "retries before an unreachable toolstack is declared failed"),
  shared("timer", "XAPI_DELAY", "10", seconds(1, 300), "time between those retries"),
];

const FENCE: readonly Parameter[] = [
  shared("policy", "FENCE_ENABLED", "1", FLAG, "0: no takeover and no VM restart after a host failure"),
  shared(
    "policy",
    "FENCE_METHOD",
    "POOL",
    text(/^[A-Z0-9_]{1,32}$/, "POOL, ILO, IPMI, REDFISH, IRMC, XVM or the name of a custom agent (A-Z 0-9 _)"),
    "how a failed host is fenced; POOL is a vote, not fencing",
  ),
  shared(
    "fence",
    "FENCE_ACTION",
    "stop",
    choice("start", "stop", "reset"),
    "stop leaves the host off; start, reset switch it on again after proof",
  ),
  pool(
    "fence",
    "FENCE_FILE_LOC",
    "/etc/tandem/fence",
    choice("/etc/tandem/fence", "/etc/ha-lizard/fence"),
    "folder of the fence agents",
  ),
  pool("fence", "FENCE_PASSWD", "", text(ONE_LINE, "one line of text"), "password of the fence device", {
    secret: true,
  }),
  pool(
    "fence",
    "FENCE_IPADDRESS",
    "",
    text(HOST_OR_EMPTY, "an address, a name, or nothing"),
    "address of a fence device shared by all hosts",
  ),
  shared("policy", "FENCE_HA_ONFAIL", "0", FLAG, "DANGEROUS: take over by vote although fencing failed"),
  pool("fence", "FENCE_HOST_FORGET", "0", FLAG, "no effect", {
    deprecated: "forgetting a host is an explicit command now; this parameter has no effect",
  }),
  shared("policy", "FENCE_MIN_HOSTS", "2", integer(1, 64), "no takeover in a pool with fewer hosts"),
  shared("policy", "FENCE_QUORUM_REQUIRED", "1", FLAG, "fencing needs the vote (0 is honoured with STRICT only)"),
  shared("policy", "FENCE_REBOOT_LONE_HOST", "0", FLAG, "an isolated host reboots once instead of pausing its VMs"),
  shared("policy", "FENCE_USE_IP_HEURISTICS", "1", FLAG, "ask FENCE_HEURISTICS_IPS for the vote"),
  shared(
    "policy",
    "FENCE_HEURISTICS_IPS",
    "",
    { kind: "list", item: "address", separator: ":" },
    "addresses that must all answer for one vote",
  ),
];

const POLICY: readonly Parameter[] = [
  shared(
    "policy",
    "WITNESS",
    "",
    { kind: "list", item: "host-port", separator: "," },
    "witness daemons (host:port,host:port); makes the policy WITNESS",
  ),
  shared(
    "policy",
    "LEAVE_POLICY",
    "migrate",
    choice("migrate", "shutdown"),
    "what happens to the VMs of a host that shuts down",
  ),
  shared(
    "policy",
    "ISOLATED_VM_POLICY",
    "restart",
    choice("restart", "wait"),
    "VMs of a host that lost the storage network",
  ),
  shared("policy", "EVACUATE_ON_MGT_LOSS", "0", FLAG, "move VMs away from a host without management network"),
  shared(
    "timer",
    "MGT_LINK_LOSS_TOLERANCE",
    "60",
    seconds(1, 3600),
    "grace before a planned hand-over; VMs are not killed",
  ),
];

/** protocol.md 4. In seconds; empty means the value of TIMER_PROFILE. */
const TIMERS: readonly Parameter[] = [
  shared(
    "timer",
    "TIMER_PROFILE",
    "balanced",
    choice("conservative", "balanced", "fast"),
    "set of timers; fast needs a fence device or a witness",
  ),
  shared("timer", "FAST_DETECT", "1", FLAG, "0: a host is dead only after XAPI_COUNT x XAPI_DELAY"),
  timer("T_HB", 0.1, 5, "heartbeat period on each link"),
  timer("T_ECHO", 0.2, 30, "an echo older than this is not contact"),
  timer("T_SUSPECT", 0.2, 60, "silence before votes and probes begin"),
  timer("T_SAMPLE", 0.1, 30, "period of the vote samples"),
  timer("T_DEAD", 0.5, 300, "silence on all channels before any decision"),
  timer("T_DRBD", 0.2, 60, "DRBD detects a dead peer: ping-int + ping-timeout"),
  timer("LEASE", 0.5, 600, "lease of the owner, from its newest echoed heartbeat"),
  timer("T_SOFT", 0.2, 60, "the soft self-fence is complete this long after the lease"),
  timer("WATCHDOG", 2, 60, "watchdog timeout (Xen takes whole seconds)", true),
  timer("T_RESET", 0.1, 60, "time from the watchdog's end to the host's end"),
  timer("T_MARGIN", 0.5, 60, "safety margin for scheduling and timer granularity"),
  timer("T_TAKE", 2, 600, "earliest takeover without proof of power-off"),
  timer("T_QUIET", 0.2, 60, "no sign of life during this last interval"),
  timer("T_FDELAY", 0, 60, "extra fencing delay of the host that is not the owner"),
  timer("T_FENCE", 1, 300, "time one fencing attempt may take"),
  timer("T_LAG", 0.05, 10, "event-loop lag that counts as poor local health"),
  timer("T_LEAVE", 10, 3600, "how long a host may be leaving before fencing applies"),
  timer("T_FLAP", 0, 86_400, "least time between two automatic takeovers"),
  timer("T_RELEASE", 0.5, 60, "deadline of a planned release before it is rolled back"),
];

const MAIL: readonly Parameter[] = [
  pool("mail", "ENABLE_ALERTS", "1", FLAG, "raise XAPI messages"),
  pool("mail", "DISK_MONITOR", "1", FLAG, "hourly SMART check where smartctl is installed"),
  pool("mail", "MAIL_ON", "1", FLAG, "send e-mail alerts"),
  pool("mail", "MAIL_FROM", "root@localhost", text(MAIL_ADDRESSES, "a mail address"), "sender of the alerts"),
  pool(
    "mail",
    "MAIL_TO",
    "root@localhost",
    text(MAIL_ADDRESSES, "mail addresses separated by commas"),
    "receivers of the alerts",
  ),
  pool(
    "mail",
    "MAIL_SUBJECT",
    "SYSTEM_ALERT-FROM_HOST:$HOSTNAME",
    text(ONE_LINE, "one line of text"),
    "subject of the alerts; $HOSTNAME is expanded",
  ),
  pool("mail", "SMTP_SERVER", "127.0.0.1", text(/^[A-Za-z0-9.:_-]{1,253}$/, "an address or a name"), "mail server"),
  pool("mail", "SMTP_PORT", "25", integer(1, 65_535), "port of the mail server (465: TLS)"),
  pool("mail", "SMTP_USER", "", text(ONE_LINE, "one line of text"), "login at the mail server"),
  pool("mail", "SMTP_PASS", "", text(ONE_LINE, "one line of text"), "password at the mail server", { secret: true }),
  pool("mail", "MAIL_SCREEN_TIME", "60", minutes(0, 10_080), "repeated alerts inside it are counted, not sent"),
];

const FAMILIES: readonly Parameter[] = ALL_AREAS.flatMap((area) => [
  pool("family", `LOG_${area}`, area === "write_pool_state" ? "0" : "1", FLAG, `log ${area}`),
  // The seeds have no MAIL_check_ha_enabled; it is accepted like the others.
  pool("family", `MAIL_${area}`, "1", FLAG, `e-mail ${area}`),
  pool("family", `PRIORITY_${area}`, "3", integer(0, 5), `severity of ${area} alerts (0 none, 1 highest)`),
]);

const IQN =
  /^(iqn\.[0-9]{4}-(0[1-9]|1[0-2])\.[a-z0-9][a-z0-9.-]*(:[^\s",]+)?|eui\.[0-9A-F]{16}|naa\.([0-9A-F]{16}|[0-9A-F]{32}))$/;
const ADDRESS = /^[0-9A-Fa-f.:]{2,45}$/;

const STORAGE: readonly Parameter[] = [
  storage(
    "DRBD_RESOURCES",
    null,
    { kind: "list", item: "resource", separator: ":" },
    "DRBD resources that follow the pool master",
  ),
  storage("DRBD_VIRTUAL_IP", null, text(ADDRESS, "an IPv4 or IPv6 address"), "floating IP of the iSCSI target"),
  storage(
    "DRBD_VIRTUAL_MASK",
    "",
    text(/^$|^[0-9.]{1,15}$/, "a netmask such as 255.255.255.0, a prefix length, or nothing"),
    "network the floating IP lies in",
  ),
  storage(
    "DRBD_INTERFACE",
    null,
    text(/^[A-Za-z0-9_.:@-]{1,15}$/, "a network device"),
    "device that carries replication and floating IP",
  ),
  storage(
    "ISCSI_TARGET_SERVICE",
    "tgtd",
    text(/^(\/[A-Za-z0-9_./-]+|[A-Za-z0-9_.@-]{1,64})$/, "a unit or an init script"),
    "the iSCSI target service",
  ),
  storage(
    "TARGET_IQN",
    null,
    text(IQN, "an iSCSI name such as iqn.2026-11.org.example:store1"),
    "name of the iSCSI target; never change it",
  ),
  storage("TARGET_PORT", "3260", integer(1, 65_535), "TCP port on the floating IP"),
  storage(
    "TARGET_INITIATORS",
    "ALL",
    { kind: "list", item: "initiator", separator: "," },
    "who may log in: ALL, addresses or networks",
  ),
  // 694 (ha-cluster) belongs to xhad and is privileged; 7694 is free, unprivileged, away from DRBD's 7788 and up,
  // and below the ephemeral range (32768), so that no outgoing connection can sit on it.
  storage("PEER_PORT", "7694", integer(1024, 32_767), "UDP and TCP port of the peer link on both networks", {
    restart: true,
  }),
  storage(
    "WATCHDOG_DEVICE",
    "/dev/watchdog",
    text(/^$|^\(\)$|^\/[A-Za-z0-9_./-]+$/, "a device path, or () for none"),
    "watchdog; without one HA cannot be enabled",
    { restart: true },
  ),
  storage(
    "WITNESS_KEY_FILE",
    "/etc/tandem/witness.key",
    text(/^\/[A-Za-z0-9_./-]+$/, "an absolute path"),
    "the key that the hosts share with the witness (WITNESS)",
    { restart: true },
  ),
  storage("MONITOR_DELAY", "10", seconds(1, 3600), "interval of the full storage pass"),
  storage("MONITOR_MAX_STARTS", "5", integer(1, 10_000), "storage passes that may overrun"),
  storage("MONITOR_KILLALL", "1", FLAG, "abort the stuck calls of a hung storage pass"),
  storage("MONITOR_SCANRATE", "5", seconds(1, 3600), "retry while a storage pass still runs"),
  storage("ENABLE_LOGGING", "1", FLAG, "write the log of the storage part"),
  storage("MAIL_USE_SHARED_PARAMS", "1", FLAG, "use the mail parameters of the pool"),
  storage("MAIL_ON", "1", FLAG, "send e-mail (MAIL_USE_SHARED_PARAMS=0)"),
  storage("MAIL_FROM", "root@localhost", text(MAIL_ADDRESSES, "a mail address"), "sender (MAIL_USE_SHARED_PARAMS=0)"),
  storage(
    "MAIL_TO",
    "root@localhost",
    text(MAIL_ADDRESSES, "mail addresses separated by commas"),
    "receivers (MAIL_USE_SHARED_PARAMS=0)",
  ),
  storage(
    "MAIL_SUBJECT",
    "SYSTEM_ALERT-FROM_HOST:$HOSTNAME",
    text(ONE_LINE, "one line of text"),
    "subject (MAIL_USE_SHARED_PARAMS=0)",
  ),
];

export const PARAMETERS: readonly Parameter[] = [
  ...MONITOR,
  ...VM,
  ...XAPI,
  ...FENCE,
  ...POLICY,
  ...TIMERS,
  ...MAIL,
  ...FAMILIES,
  ...STORAGE,
];

/** Written with the parameters by older programs, or kept beside them by this one; never reported as unknown. */
const RESERVED = new Set(["FENCE_PASSWD_SECRET", "SMTP_PASS_SECRET"]);

const INDEX = new Map(PARAMETERS.map((one) => [`${one.scope}:${one.name.toUpperCase()}`, one]));
const NAMES: Readonly<Record<Scope, readonly string[]>> = {
  pool: PARAMETERS.filter((one) => one.scope === "pool").map((one) => one.name),
  storage: PARAMETERS.filter((one) => one.scope === "storage").map((one) => one.name),
};

/** By name in any case; undefined when there is none. */
export function findParameter(scope: Scope, name: string): Parameter | undefined {
  return INDEX.get(`${scope}:${name.toUpperCase()}`);
}

export function isReservedName(name: string): boolean {
  return RESERVED.has(name.toUpperCase());
}

export function parametersOf(scope: Scope): readonly Parameter[] {
  return PARAMETERS.filter((one) => one.scope === scope);
}

/** What to do about an unknown name, with the nearest known one. */
export function unknownNameAdvice(scope: Scope, name: string): string {
  const near = nearestName(name, NAMES[scope]);
  return near === null ? "remove it; `ha-cfg get` lists the parameters" : `did you mean ${near}?`;
}

/** Parses one value; the text of a secret is never part of the mismatch. */
export function parseParameter(one: Parameter, raw: string | readonly string[]): Result<Value, Mismatch> {
  const parsed = parseValue(one.type, raw);
  return parsed.ok || !one.secret ? parsed : err({ ...parsed.error, found: "a text that is not shown" });
}

/** `ha-cfg set NAME VALUE`: like a file value, but without spaces, as the seeds demand. */
export function parseCommandLineValue(
  name: string,
  raw: string,
): Result<{ readonly parameter: Parameter; readonly value: Value }, string> {
  const one = findParameter("pool", name);
  if (one === undefined) {
    const advice = unknownNameAdvice("pool", name);
    return err(`Cannot set ${JSON.stringify(name.slice(0, 64))}: found no parameter of that name; ${advice}`);
  }
  if (/\s/.test(raw))
    return err(
      `Cannot set ${one.name}: found a space in the value, expected none; write such a value into the overrides of tandem.yaml`,
    );
  const parsed = parseParameter(one, raw);
  return parsed.ok
    ? ok({ parameter: one, value: parsed.value })
    : err(`Cannot set ${one.name}: found ${parsed.error.found}, expected ${parsed.error.expected}`);
}
