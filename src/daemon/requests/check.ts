// `ha-cfg check`: tries now what a failover will need, each thing for real and with a deadline of its own, and says what to
// do about each that fails. Changes nothing. A thing that cannot be tried has failed: nobody knows whether it works.

import type { Config } from "../../config/config.ts";
import { adviseDrbdOptions } from "../../config/drbd-requirements.ts";
import { POOL_KEY_PREFIX } from "../../config/pool-values.ts";
import { enableRefusals, policyWarnings } from "../../config/policy.ts";
import { describeProblem } from "../../config/problem.ts";
import type { TimerFacts } from "../../config/timers.ts";
import { isOwner } from "../../core/facts.ts";
import { valueOf, type Observation } from "../../core/model/observation.ts";
import type { StatusDocument } from "../../core/model/status.ts";
import type { Millis } from "../../core/model/time.ts";
import type { Check } from "../../drivers/control/answers.ts";
import { describe } from "../../drivers/driver-error.ts";
import type { DrbdPort } from "../../drivers/drbd/port.ts";
import type { ExecPort } from "../../drivers/exec/port.ts";
import type { TargetPort } from "../../drivers/iscsi-target/port.ts";
import type { PoolView } from "../../drivers/xapi/port.ts";
import { INSTALL } from "../../report/packages.ts";
import { VERSION } from "../../report/version.ts";
import type { Result } from "../../util/result.ts";
import type { FenceReadiness } from "../readiness/fence-watch.ts";
import type { Snapshot } from "../brain/messages.ts";
import { bad, fine, skip, tryAll, warn, type Said } from "./said.ts";

export interface CheckParts {
  readonly config: () => Config;
  readonly snapshot: () => Snapshot | null;
  readonly view: () => Observation<PoolView>;
  readonly vms: () => StatusDocument["vms"] | null;
  readonly facts: () => readonly Partial<TimerFacts>[];
  readonly fencePath: () => Promise<FenceReadiness>;
  /** One vote sample now. */
  readonly sample: (addresses: readonly string[], windowMs: Millis) => Promise<boolean>;
  readonly answering: (address: string) => boolean | null;
  readonly drbd: Pick<DrbdPort, "configured" | "version">;
  readonly target: Pick<TargetPort, "observe">;
  readonly exec: Pick<ExecPort, "run">;
  /** Logs in to the local toolstack and out again. */
  readonly login: () => Promise<Result<string, string>>;
  readonly mailServer: (server: string, port: number, timeoutMs: Millis) => Promise<Result<string, string>>;
  /** Writes, syncs and removes a file beside the durable record; free bytes there. */
  readonly disk: () => Promise<Result<{ readonly freeBytes: number; readonly writeMs: Millis }, string>>;
  /** Why packets of the other host were dropped lately; null: they were not. */
  readonly refused: () => string | null;
  readonly deviceExists: (path: string) => boolean;
  /** The kernels that may be booted next (next-boot.ts). */
  readonly nextBoot: () => Promise<Said>;
  /** Protected VMs that xapi would start by itself at boot. */
  readonly selfStarting: () => readonly string[];
}

const TRY_MS: Millis = 5_000;
const SAMPLE_MS: Millis = 1_000;
const LEAST_FREE = 50 * 1024 * 1024;
/** A durable write longer than this delays every takeover. */
const SLOW_WRITE_MS: Millis = 500;

export const runChecks = (parts: CheckParts): Promise<readonly Check[]> =>
  tryAll([
    ["configuration", "configuration and timers", () => configuration(parts)],
    ["peer", "contact with the other host", () => contact(parts)],
    ["same-configuration", "same configuration on both hosts", () => sameConfiguration(parts)],
    ["versions", "versions of tandem", () => versions(parts)],
    ["fencing", "fence device", () => fencing(parts)],
    ["heuristics", "heuristic addresses", () => heuristics(parts)],
    ["witness", "witness", () => witness(parts)],
    ["watchdog", "watchdog", () => watchdog({ ...parts, ...guarded(parts.snapshot()) })],
    ["drbd", "DRBD resources", () => drbd(parts)],
    ["drbd-options", "DRBD's configuration", () => drbdOptions(parts)],
    ["drbd-next-boot", "DRBD after the next boot", parts.nextBoot],
    ["target", "iSCSI target", () => target(parts)],
    ["floating-ip", "floating IP", () => floatingIp(parts)],
    ["iptables", "packet filter", () => tool(parts, "iptables", ["-w", "-n", "-L", "INPUT"], "install iptables")],
    ["arping", "arping", () => tool(parts, "arping", ["-V"], "install arping (package iputils)")],
    ["ip", "ip", () => tool(parts, "ip", ["-V"], "install iproute")],
    ["tgtadm", "tgtadm", () => tgtadm(parts)],
    ["xapi", "toolstack", () => toolstack(parts)],
    ["storage-attached", "storage attached on both hosts", () => attached(parts)],
    ["room", "room for all protected VMs on one host", () => room(parts)],
    ["auto-poweron", "no VM starts by itself at boot", () => autoPowerOn(parts)],
    ["mail", "mail server", () => mail(parts)],
    ["clock", "clock", () => clock(parts)],
    ["disk", "disk of the durable record", () => disk(parts)],
    ["ha", "high availability", () => ha(parts)],
  ]);

const guarded = (now: Snapshot | null) => ({
  armed: now?.state.watchdogArmed === true,
  haIsOn: now?.state.durable.ha === "on",
});

export function configuration({ config, facts }: Pick<CheckParts, "config" | "facts">): Said {
  const refusals = [...new Set(facts().flatMap((one) => enableRefusals(config(), one)))];
  if (refusals.length > 0) return bad(refusals.join("; "), "mend this: ha-cfg set, or /etc/tandem/tandem.yaml");
  const advice = [...config().problems.map(describeProblem), ...policyWarnings(config())];
  return advice.length > 0 ? warn(advice.join("; "), "read this and decide") : fine("every inequality holds");
}

function contact({ snapshot, config, refused }: CheckParts): Said {
  const now = snapshot();
  const { peer } = config();
  const next = `on ${peer.name}: systemctl status tandemd; are UDP and TCP ${config().peerPort} open?`;
  const why = refused();
  if (now?.inContact !== true && why !== null) return bad(why, "then: ha-cfg check");
  if (now === null || !now.inContact) return bad(`${peer.name} does not answer`, next);
  const down = now.links.filter((one) => !one.up).map((one) => one.link);
  if (down.length > 0)
    return bad(`${peer.name} answers, but not on the ${down.join(" and ")} network`, "mend that network");
  return fine(`${peer.name} answers on both networks`);
}

function sameConfiguration({ snapshot, config }: CheckParts): Said {
  const body = snapshot()?.state.peer.body ?? null;
  if (body === null) return bad("the other host was not heard", "see the contact");
  if (body.cfgHash === config().core.cfgHash) return fine(`both have ${body.cfgHash.slice(0, 12)}`);
  return bad(
    "the hosts have different timers, policy, addresses or exports (I-f)",
    "compare 'ha-cfg get --long' and /etc/tandem/tandem.yaml of both hosts",
  );
}

/** Where a host writes its version into the pool's database: lower case, for it is a record of ours and no parameter. */
export const versionKey = (hostUuid: string): string => `${POOL_KEY_PREFIX}version_${hostUuid}`;

function versions({ view, config }: CheckParts): Said {
  const pool = valueOf(view());
  if (pool === undefined) return bad("the pool database is not readable", "see the toolstack");
  const { peer } = config();
  const theirs = pool.otherConfig[versionKey(peer.uuid)];
  if (theirs === VERSION) return fine(`both hosts run ${VERSION}`);
  const found = theirs === undefined ? "has not written its version" : `runs ${theirs}`;
  return warn(
    `this host runs ${VERSION}, ${peer.name} ${found}`,
    "install the same package on both hosts, one after the other",
  );
}

const NOTHING_PROVEN = "FENCE_ENABLED is 0: nothing is taken over, no proof is needed";

export async function fencing({ config, fencePath }: Pick<CheckParts, "config" | "fencePath">): Promise<Said> {
  const { method } = config().fence;
  const { ready, detail } = await fencePath();
  if (ready === true) return fine(detail);
  if (ready === null)
    return method === "POOL" || !config().fence.enabled ? skip(detail) : warn(detail, "try again in a minute");
  return bad(detail, `run ${config().fence.folder}/${method}/${method}.sh by hand; then 'ha-cfg check' again`);
}

async function heuristics({ config, sample, answering }: CheckParts): Promise<Said> {
  const { heuristics: addresses, policy, fenceEnabled } = config().core;
  if (!fenceEnabled) return skip(NOTHING_PROVEN);
  if (policy === "witness") return skip("the witness is asked instead");
  if (addresses.length === 0) {
    const next = "ha-cfg set FENCE_HEURISTICS_IPS to an address that both hosts reach through the same switch";
    return policy === "strict" && !config().core.quorumRequired ? skip("no vote is needed") : bad("none is set", next);
  }
  if (await sample(addresses, SAMPLE_MS)) return fine(`${addresses.join(", ")}: all answer`);
  const dead = addresses.filter((one) => answering(one) !== true);
  return bad(
    `no answer from ${dead.join(", ") || addresses.join(", ")}: no vote`,
    "ping it from this host; or choose another address",
  );
}

function witness({ config, snapshot }: CheckParts): Said {
  if (config().core.policy !== "witness") return skip("WITNESS is empty");
  const answers = snapshot()?.state.witness.answers ?? [];
  const silent = config().core.witnesses.filter((_, i) => (answers[i] ?? null) === null);
  if (silent.length === 0) return fine("every witness answers");
  return bad(`no answer from ${silent.join(", ")}`, "there: systemctl status tandem-witness; is the key the same?");
}

export interface WatchdogParts extends Pick<CheckParts, "config" | "deviceExists"> {
  readonly armed: boolean;
  readonly haIsOn: boolean;
}

export function watchdog({ config, deviceExists, armed, haIsOn }: WatchdogParts): Said {
  const { watchdogDevice } = config();
  if (watchdogDevice === null) return bad("none is configured", "set WATCHDOG_DEVICE in tandem.yaml");
  if (armed) return fine(`${watchdogDevice} is armed`);
  if (!deviceExists(watchdogDevice))
    return bad(`there is no ${watchdogDevice}`, "modprobe xen_wdt, and load it at boot");
  if (haIsOn) return bad(`${watchdogDevice} is not armed although HA is on`, "see 'ha-cfg log'");
  return fine(`${watchdogDevice} is there; it is armed when HA is enabled`);
}

async function drbd({ config, snapshot, drbd: tool }: CheckParts): Promise<Said> {
  const { resources } = config().core;
  if (resources.length === 0) return skip("no storage of ours");
  const version = await tool.version();
  if (!version.ok) return bad(describe(version.error), INSTALL.drbd);
  if (version.value.module === "not loaded") return bad("the module is not loaded", "modprobe drbd");
  const views = valueOf(snapshot()?.state.drbd ?? UNKNOWN) ?? {};
  const wrong = resources.flatMap((name) => {
    const view = views[name];
    if (view === undefined) return [`${name} is not up`];
    const { connection, disk, peerDisk } = view;
    const isWell = connection === "Connected" && disk === "UpToDate" && peerDisk === "UpToDate";
    return isWell ? [] : [`${name} is ${connection}, ${disk} here and ${peerDisk} there`];
  });
  if (wrong.length > 0) return bad(wrong.join("; "), "see 'iscsi-cfg status'; a resync has to end first");
  return fine(`${resources.join(", ")}: connected, both copies up to date; module ${version.value.module}`);
}

async function drbdOptions({ config, drbd: tool }: CheckParts): Promise<Said> {
  const { resources } = config().core;
  if (resources.length === 0) return skip("no storage of ours");
  const found = await tool.configured();
  if (!found.ok) return bad(describe(found.error), "run `drbdadm dump all` and correct what it reports");
  // What is wrong with them is an error of the configuration already (see there); this is the rest.
  const advice = adviseDrbdOptions(found.value.filter((one) => resources.includes(one.name)));
  const errors = config().problems.filter((one) => one.path.startsWith("DRBD resource"));
  if (errors.length > 0) return bad(errors.map(describeProblem).join("; "), "correct the resource on both hosts");
  return advice.length > 0 ? warn(advice.join("; "), "correct it on both hosts") : fine("as the protocol needs it");
}

const UNKNOWN: Observation<never> = { kind: "unknown", reason: "", since: 0 };

async function target({ config, target: port, snapshot }: CheckParts): Promise<Said> {
  if (config().storage === null) return skip("no storage of ours");
  const found = await port.observe();
  if (!found.ok) return bad(describe(found.error), "see 'iscsi-cfg log'");
  const { running, writeCacheOff, sessions, pid } = found.value;
  if (!running)
    return bad(
      "the server does not run, not even in reserve",
      "is the target's program (TARGET_BACKEND) installed? see 'iscsi-cfg log'",
    );
  if (writeCacheOff === false)
    return bad(
      "the write cache is on: acknowledged writes could be lost",
      "see 'iscsi-cfg log'; become-secondary and back",
    );
  const state = snapshot()?.state;
  const serves = state !== undefined && isOwner(state);
  const by = pid === null ? "in the kernel" : `pid ${pid}`;
  return fine(serves ? `serves (${by}, ${sessions ?? 0} sessions)` : `runs in reserve (${by})`);
}

function floatingIp({ config, snapshot }: CheckParts): Said {
  if (config().storage === null) return skip("no storage of ours");
  const now = snapshot();
  const { address = "", device = "" } = config().storage?.vip ?? {};
  if (now === null) return bad("not looked at yet", "try again in a second");
  const { conflictMac } = now.state.probes;
  if (conflictMac !== null)
    return bad(
      `${address} is answered by ${conflictMac}, which is neither host`,
      "find that machine and change its address",
    );
  const here = valueOf(now.state.vip);
  if (here === undefined) return bad(`the addresses of ${device} cannot be read`, `ip addr show dev ${device}`);
  if (here === "present") return fine(`${address} is here on ${device}`);
  if (now.state.peer.body?.serving === true) return fine(`${address} is on ${config().peer.name}`);
  return warn(`${address} is on neither host`, "see 'iscsi-cfg explain'");
}

function ha({ snapshot }: CheckParts): Said {
  const mode = snapshot()?.state.durable.ha;
  if (mode === "on") return fine("it is on");
  return warn(mode === "off" ? "it is off: nobody takes over" : "it is being switched", "ha-cfg enable");
}

const tgtadm = (parts: CheckParts): Said | Promise<Said> =>
  parts.config().storage?.targetBackend === "tgtd"
    ? tool(parts, "tgtadm", ["--version"], INSTALL.tgt)
    : skip("no storage of ours on tgtd");

/** Runs and is there; its exit code is its own business. */
async function tool({ exec }: CheckParts, file: string, args: readonly string[], install: string): Promise<Said> {
  const result = await exec.run(file, args, { timeoutMs: TRY_MS, lane: `check ${file}` });
  switch (result.kind) {
    case "exited":
      // iptables says by its exit code that it cannot read the filter; the others only show their version.
      return file === "iptables" && result.code !== 0
        ? bad(`iptables ended with ${result.code}: ${result.stderr.trim().slice(0, 120)}`, "run iptables -L by hand")
        : fine("it runs");
    case "timeout":
      return bad(`${file} did not end within ${TRY_MS / 1000} s`, `run ${file} by hand`);
    case "busy":
      return bad(`an earlier ${file} hangs as process ${result.pid}`, "see ps; the kernel may hold it");
    case "not-started":
      return bad(`${file} cannot be started: ${result.reason}`, install);
  }
}

export async function toolstack({ login, view, config }: Pick<CheckParts, "login" | "view" | "config">): Promise<Said> {
  const done = await login();
  if (!done.ok) return bad(done.error, "systemctl status xapi; xe-toolstack-restart");
  const pool = valueOf(view());
  if (pool === undefined) return bad("the pool database is not readable", "see 'ha-cfg log'");
  if (pool.haEnabled) return bad("XAPI's own HA is enabled: tandem does not act beside it", "xe pool-ha-disable");
  const own = pool.hosts.filter(({ uuid }) => config().hosts.some((one) => one.uuid === uuid));
  const missing = config().hosts.filter(({ uuid }) => !own.some((one) => one.uuid === uuid));
  if (missing.length > 0)
    return bad(`not in the pool: ${missing.map(({ name }) => name).join(", ")}`, "correct the uuids in tandem.yaml");
  const notWell = own.filter((one) => !one.enabled || !one.live);
  if (notWell.length > 0)
    return warn(
      `not enabled or not live in XAPI: ${notWell.map(({ name }) => name).join(", ")}`,
      "xe host-list params=name-label,enabled; a host in maintenance takes no VMs",
    );
  return fine(`${done.value}; every host is live and enabled`);
}

export function attached({ view, config }: Pick<CheckParts, "view" | "config">): Said {
  const pool = valueOf(view());
  if (pool === undefined) return bad("the pool database is not readable", "see the toolstack");
  const hosts = new Map(
    pool.hosts.filter((h) => config().hosts.some((c) => c.uuid === h.uuid)).map((h) => [h.ref, h.name]),
  );
  const shared = new Map(pool.srs.filter((sr) => sr.shared).map((sr) => [sr.ref, sr.uuid]));
  const off = pool.pbds.filter((pbd) => hosts.has(pbd.host) && shared.has(pbd.sr) && !pbd.attached);
  if (shared.size === 0) return warn("the pool has no shared storage", "make the iSCSI SR first");
  if (off.length === 0) return fine(`${shared.size} shared SR on ${hosts.size} hosts`);
  const names = off.map((pbd) => `${shared.get(pbd.sr) ?? pbd.sr} on ${hosts.get(pbd.host) ?? pbd.host}`);
  return bad(`not plugged: ${names.join(", ")}`, "xe pbd-plug; VMs cannot start there without it");
}

export function room({ vms }: Pick<CheckParts, "vms">): Said {
  const found = vms();
  if (found === null || found.survivorHasRoom === null)
    return bad("not known: the pool database is not readable", "see the toolstack");
  if (found.survivorHasRoom) return fine(`one host can run all ${found.protected} protected VMs`);
  return warn(
    found.detail || "one host cannot run all protected VMs",
    "give VMs less memory, or protect fewer of them: see 'ha-cfg help set-vm-ha'",
  );
}

export function autoPowerOn({ selfStarting, view }: Pick<CheckParts, "selfStarting" | "view">): Said {
  if (valueOf(view()) === undefined) return bad("the pool database is not readable", "see the toolstack");
  const wrong = selfStarting();
  if (wrong.length === 0) return fine("no protected VM has auto_poweron");
  return bad(
    `auto_poweron is set on ${wrong.slice(0, 8).join(", ")}: XAPI would start VMs that another host may run already (A10)`,
    "xe vm-param-remove uuid=… param-name=other-config param-key=auto_poweron",
  );
}

export async function mail({ config, mailServer }: Pick<CheckParts, "config" | "mailServer">): Promise<Said> {
  const { mail: to, smtp } = config().alerts;
  if (!to.on) return skip("MAIL_ON is 0");
  const greeting = await mailServer(smtp.server, smtp.port, TRY_MS);
  if (greeting.ok) return fine(`${smtp.server}:${smtp.port} answers; 'ha-cfg email' sends a test mail`);
  return warn(
    `${smtp.server}:${smtp.port}: ${greeting.error}`,
    "ha-cfg set SMTP_SERVER and SMTP_PORT, or MAIL_ON 0; alerts wait until then",
  );
}

/** Nothing is decided by it, but the timelines of two hosts are only readable together when their clocks agree. */
export async function clock({ exec }: Pick<CheckParts, "exec">): Promise<Said> {
  const asks = [
    { file: "timedatectl", args: ["show", "-p", "NTPSynchronized", "--value"], yes: /^yes/m },
    { file: "timedatectl", args: ["status"], yes: /synchronized: yes/i },
    { file: "chronyc", args: ["-n", "tracking"], yes: /Leap status\s*:\s*Normal/i },
    { file: "ntpstat", args: [], yes: /^synchronised/m },
  ];
  let asked = false;
  for (const { file, args, yes } of asks) {
    const result = await exec.run(file, args, { timeoutMs: TRY_MS, lane: `check ${file}` });
    if (result.kind !== "exited" || result.code !== 0) continue;
    asked = true;
    if (yes.test(result.stdout)) return fine("synchronized");
  }
  return asked
    ? warn("not synchronized: logs of two hosts will not fit together", "systemctl enable --now chronyd")
    : warn("it cannot be asked (no timedatectl, chronyc or ntpstat)", "install chrony");
}

export async function disk({ disk: look }: Pick<CheckParts, "disk">): Promise<Said> {
  const found = await look();
  if (!found.ok) return bad(found.error, "without it no takeover can be made durable: free the disk of dom0");
  const { freeBytes, writeMs } = found.value;
  const mib = Math.floor(freeBytes / 1024 / 1024);
  if (freeBytes < LEAST_FREE) return bad(`${mib} MiB free`, "free at least 50 MiB on the disk of dom0");
  if (writeMs > SLOW_WRITE_MS)
    return warn(`a durable write took ${Math.round(writeMs)} ms`, "what loads the disk of dom0? takeovers wait for it");
  return fine(`${mib} MiB free, a durable write took ${Math.round(writeMs)} ms`);
}
