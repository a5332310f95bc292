// The table of the parameters in the pool's database: name, kind, default, who may change it. It holds data only; what
// the parameters do is decided by those who read the effective configuration.

import { ALL_AREAS } from "./areas.ts";
import {
  choice,
  FLAG,
  integer,
  MAIL_ADDRESSES,
  minutes,
  ONE_LINE,
  parameter,
  seconds,
  text,
  type Group,
  type Options,
  type Parameter,
} from "./parameter.ts";
import type { ValueType } from "./value.ts";

const HOST_OR_EMPTY = /^$|^[A-Za-z0-9.:_-]{1,253}$/;

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
  shared("vm", "MASTER_ONLY", "0", FLAG, "1: another manager owns the VMs: never start, move or stop one"),
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
  shared(
    "policy",
    "EVACUATE_ON_MGT_LOSS",
    "0",
    text(
      /^0$/,
      "0: XAPI moves and stops VMs over the management network, which is what is lost; VMs stay where they run",
    ),
    "a host without management network keeps its VMs",
  ),
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

export const POOL_PARAMETERS: readonly Parameter[] = [
  ...MONITOR,
  ...VM,
  ...XAPI,
  ...FENCE,
  ...POLICY,
  ...TIMERS,
  ...MAIL,
  ...FAMILIES,
];
