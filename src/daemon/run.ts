// The composition root: builds every driver, starts the brain, joins the parts, and ends them in reverse. No module below
// it reaches for a singleton.

import { existsSync, writeFileSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { hostname } from "node:os";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { execute, type Hands } from "../act/execute.ts";
import { createLanes } from "../act/lanes.ts";
import { createSignsOfLife } from "../act/signs-of-life.ts";
import { createVotes } from "../act/votes.ts";
import { areaSwitches } from "../config/areas.ts";
import type { Config } from "../config/config.ts";
import { describeProblem } from "../config/problem.ts";
import type { DurableRecord } from "../core/model/durable.ts";
import { valueOf } from "../core/model/observation.ts";
import type { StatusDocument } from "../core/model/status.ts";
import { systemClock } from "../drivers/clock/system.ts";
import { controlSocketPath } from "../drivers/control/path.ts";
import { describeServerError, startControlServer } from "../drivers/control/server.ts";
import { describe } from "../drivers/driver-error.ts";
import { createDomains } from "../drivers/domains/xl.ts";
import { createDrbd } from "../drivers/drbd/drbdadm.ts";
import { createHandlerWatch } from "../drivers/drbd/handler.ts";
import { createExec } from "../drivers/exec/run.ts";
import { createFence } from "../drivers/fence/agent.ts";
import { createFirewall } from "../drivers/firewall/iptables.ts";
import { createTgtd } from "../drivers/iscsi-target/tgtd.ts";
import { sendMail } from "../drivers/notify/mail.ts";
import { createNotifier } from "../drivers/notify/sd-notify.ts";
import { readIdentity } from "../drivers/peer/identity.ts";
import { derivePeerKey, readPoolSecret } from "../drivers/peer/keys.ts";
import { createFileStore, statePath } from "../drivers/store/file-store.ts";
import type { StoreError } from "../drivers/store/port.ts";
import { addressesOf } from "../drivers/vip/addresses.ts";
import { createVip } from "../drivers/vip/ip.ts";
import { isEventName, type EventName } from "../report/events.ts";
import { createLogger, type Logger } from "../report/logger.ts";
import { VERSION } from "../report/version.ts";
import { assertNever } from "../util/assert.ts";
import { alertCache } from "./alert-store.ts";
import { openAlerts } from "./alerts.ts";
import { startBrainThread } from "./brain-thread.ts";
import { createControl } from "./control.ts";
import { createEventsLog } from "./events-log.ts";
import { managementUp } from "./management-link.ts";
import { startFenceWatch } from "./fence-watch.ts";
import type { BrainStart, FromBrain, OuterAction, OutsideEvent, Snapshot } from "./messages.ts";
import { untilMayStop } from "./orderly-stop.ts";
import { followPoolKey } from "./pool-key.ts";
import { startPoolPart } from "./pool-part.ts";
import { createSecrets } from "./secrets.ts";
import { openSettings, type Settings } from "./settings.ts";
import { statusDocument } from "./status.ts";
import { lookAtStorage } from "./storage-facts.ts";
import { startStoragePart } from "./storage-part.ts";
import { startWitnessPart } from "./witness-part.ts";

const LOG_PATH = "/var/log/tandem/tandemd.log";
const FENCE_REQUESTS = "/run/tandem/fence";
const XAPI = {
  socket: "/var/lib/xcp/xapi",
  secret: "/etc/xensource/ptoken",
  poolConf: "/etc/xensource/pool.conf",
  initComplete: "/var/run/xapi_init_complete.cookie",
};
const ALERTS_PATH = "/var/lib/tandem/alerts.json";
const PULSE_MS = 500;
/** How long the daemon's other work waits, after the brain has begun to beat, for the peer to answer. */
const SETTLE_MS = 1_500;

/** Runs until a signal; resolves with the exit code. */
export async function runDaemon(configPath: string | undefined): Promise<number> {
  const logger = createLogger({ node: hostname(), level: "info", path: LOG_PATH, stderr: true });
  const fail = (reason: string): number => {
    logger.event("daemon.stopping", { reason }, "fatal");
    return 1;
  };
  const secret = await readPoolSecret(XAPI.secret);
  if (!secret.ok) return fail(secret.error);
  const opened = await openSettings({
    ...(configPath === undefined ? {} : { path: configPath }),
    keyIdOf: (poolId) => String(derivePeerKey(secret.value, poolId).keyId),
  });
  if (!opened.ok) return fail(opened.error.join("\n"));
  const identity = await readIdentity();
  if (!identity.ok) return fail(identity.error);
  const daemon = await startDaemon(opened.value, identity.value, secret.value, logger);
  if (typeof daemon === "string") return fail(daemon);
  return daemon;
}

async function startDaemon(
  settings: Settings,
  identity: { readonly bootId: string; readonly incarnation: number },
  secret: Uint8Array,
  logger: Logger,
): Promise<number | string> {
  let config: Config = settings.config();
  const { storage } = config;
  if (storage === null) return "Cannot start: found no storage section in tandem.yaml; see the commented example";

  const clock = systemClock();
  const exec = createExec();
  const log = (event: string, detail: string, level?: "info" | "warn" | "error"): void => {
    const name: EventName = isEventName(event) ? event : "state.changed";
    if (areaSwitches(config.areas, event.split(".")[0] ?? "").log)
      logger.event(name, { detail, ...(name === event ? {} : { was: event }) }, level);
    events.add(event, detail);
  };
  const events = createEventsLog(config.self.name, clock.wallMs);

  const store = createFileStore({ path: statePath, belongsTo: { poolId: config.poolId, hostId: config.self.uuid } });
  const durable = await loadRecord(store.load(), config);
  if (typeof durable === "string") return durable;

  const helper = fileURLToPath(new URL("../../agents/drbd/fence-peer", import.meta.url));
  // The kernel calls it without drbdadm between; it takes no longer path than this (DRBD 8.4, usermode_helper).
  const drbd = createDrbd(exec, clock, helper.length <= 79 && existsSync(helper) ? { helperPath: helper } : {});
  const handlers = createHandlerWatch(FENCE_REQUESTS);
  const target = createTgtd(exec, exec, clock);
  const vip = createVip(exec, { feed: exec });
  const firewall = createFirewall(exec, { feed: exec });
  quickRetransmits(log);
  const domains = createDomains(exec);
  const fence = createFence({ exec, clock, config: () => config });
  const fenceWatch = startFenceWatch({
    fence,
    target: () => ({ ...config.fence, peerId: config.peer.uuid, peerName: config.peer.name }),
    inContact: () => snapshot?.inContact === true,
    onChange({ ready, detail }) {
      if (ready !== false) alerts.clear("fence-path");
      else alerts.raise("fence-path", `${config.peer.name} could not be fenced now: ${detail}`);
    },
  });
  const notify = createNotifier({
    exec,
    now: clock.now,
    env: process.env,
    pid: process.pid,
    onFailure: (reason) => log("action.failed", reason, "warn"),
  });
  const votes = createVotes(exec);
  const signs = createSignsOfLife(exec);
  const lanes = createLanes((error) => logger.event("cycle.bug", { detail: String(error) }));

  const poolKey = followPoolKey({
    path: XAPI.secret,
    poolId: config.poolId,
    secret,
    onKeys(keys, keyId) {
      toBrain({ kind: "keys", keys });
      settings.keyChanged(keyId);
      log("config.changed", `the key of the peer link is ${keys.previous === null ? "the new one alone" : "rotated"}`);
    },
    onProblem: (reason) => log("config.refused", reason, "error"),
  });
  const start: BrainStart = {
    config: settings.core(),
    durable,
    bootId: identity.bootId,
    incarnation: identity.incarnation,
    addresses: [
      { link: "management", local: config.self.management, remote: config.peer.management, port: config.peerPort },
      { link: "replication", local: config.self.replication, remote: config.peer.replication, port: config.peerPort },
    ],
    keys: poolKey.keys(),
    watchdogDevice: config.watchdogDevice,
  };
  let snapshot: Snapshot | null = null;
  const ended = Promise.withResolvers<number>();
  const brain = startBrainThread(start, (detail) => {
    logger.event("cycle.bug", { detail });
    ended.resolve(70);
  });
  const toBrain = brain.send;
  const feed = (event: OutsideEvent): void => toBrain({ kind: "event", event });
  const pulse = setInterval(() => toBrain({ kind: "pulse" }), PULSE_MS);
  // First of all a restarted daemon beats again (A7); on a loaded dom0 everything else would only slow it down.
  await Promise.race([brain.beating, ended.promise]);
  /** The brain beats, and has found the peer or waited long enough for it. */
  const settledIn = Promise.withResolvers<void>();
  setTimeout(settledIn.resolve, SETTLE_MS);

  const alerts = await openAlerts({
    clock,
    log,
    config: () => config,
    cache: alertCache(ALERTS_PATH),
    sendMail,
    message: (alert) => pool.message(alert),
  });

  const secrets = createSecrets({
    perform: (work) => pool.perform(work),
    onSecrets: settings.secretsChanged,
    log,
    alerts,
    isMaster: () => (snapshot === null ? undefined : valueOf(snapshot.state.xapi))?.role === "master",
  });
  void secrets.load();
  const pool = startPoolPart({
    config: () => config,
    clock,
    domains,
    snapshot: () => snapshot,
    feed,
    onView(view) {
      if (view.kind !== "known") return;
      settings.poolChanged(view.value.otherConfig);
      secrets.poolChanged(view.value.otherConfig);
    },
    log,
    paths: XAPI,
  });

  let drbdVersion: string | null = null;
  // What costs processes and can wait: a restarted daemon beats and feeds the watchdog first (A7).
  void settledIn.promise.then(async () => {
    votes.watch(config.core.heuristics);
    vip.prepare();
    const prepared = await firewall.prepare();
    if (!prepared.ok) log("action.failed", `the firewall could not be prepared: ${describe(prepared.error)}`, "warn");
    // Brings up what is down and makes our handler the module's helper; what is up already stays as it is.
    for (const resource of storage.resources) {
      const up = await drbd.up(resource);
      if (!up.ok) log("action.failed", `bring up ${resource}: ${describe(up.error)}`, "warn");
    }
    const version = await drbd.version();
    if (version.ok) drbdVersion = `${version.value.module} (utils ${version.value.utils})`;
    flushCompileCache();
  });

  const storagePart = await startStoragePart({
    drbd,
    handlers,
    target,
    vip,
    vipSpec: storage.vip,
    resources: storage.resources,
    domains,
    now: () => performance.now(),
    feed,
    log,
  });

  const witness = startWitnessPart({ config: () => config, now: clock.now, feed, log });

  const hands: Hands = {
    store,
    drbd,
    target,
    vip,
    firewall,
    domains,
    fence,
    pool,
    targetSpec: storage.target,
    vipSpec: storage.vip,
    peerInitiators: [config.peer.replication],
    onDurable: () => undefined,
  };

  function reload(): void {
    const core = settings.core();
    config = settings.config();
    tellProblems();
    votes.watch(core.heuristics);
    feed({ kind: "config", config: core });
    void fenceWatch.check();
  }

  const told = new Set<string>();
  function tellProblems(): void {
    const problems = config.problems.map(describeProblem);
    for (const one of problems) if (!told.has(one)) logger.event("config.refused", { detail: one });
    told.clear();
    for (const one of problems) told.add(one);
    if (problems.length === 0) return alerts.clear("config-problems");
    const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : "";
    alerts.raise("config-problems", `${problems[0] ?? ""}${more}`);
  }

  let managementSaid = true;
  function tellManagement({ state, links }: Snapshot): void {
    const up = managementUp({
      linkUp: links.some((one) => one.link === "management" && one.up),
      linkKnown: state.peer.linkContactAt.management !== null,
      answering: settings.core().heuristics.map((address) => votes.answering(address)),
    });
    if (up === null || up === managementSaid) return;
    managementSaid = up;
    log("state.changed", `the management network of this host is ${up ? "back" : "lost"}`, up ? "info" : "warn");
    feed({ kind: "management", up });
  }

  function perform(action: OuterAction): void {
    switch (action.kind) {
      case "log":
        return log(action.event, action.detail, action.level);
      case "alert":
        return alerts.raise(action.id, action.text);
      case "alert-over":
        return alerts.clear(action.id);
      case "sample": {
        const { heuristics: addresses, timers } = settings.core();
        void votes.sample(addresses, timers.sample * 0.85).then((passed) => {
          feed({ kind: "sample", id: action.id, passed });
        });
        return;
      }
      case "ask-witness":
        return witness.ask(action.id, action, action.timeoutMs);
      case "probe": {
        const { device } = storage === null ? { device: "" } : storage.vip;
        const questions = [{ address: config.peer.replication, device }];
        const managementDevice = config.managementInterface;
        if (managementDevice !== null) questions.push({ address: config.peer.management, device: managementDevice });
        const vipQuestion = storage === null ? null : { address: storage.vip.address, device };
        const present = snapshot?.state.vip.kind === "known" && snapshot.state.vip.value === "present";
        const seen = signs.look(questions, present ? null : vipQuestion);
        return feed({ kind: "probe", id: action.id, ...seen });
      }
      case "answer-handler":
        void storagePart.answer(action.handler, action.code);
        return;
      case "command-reply":
        return control.settle(action);
      case "kick-initiators":
        if (storage === null) return;
        // After the portal is open: each of the two is a process, and the initiators need none of them to log in.
        void firewall.hush(storage.vip.address, storage.target.portal.port, "off");
        vip.announce(storage.vip);
        firewall.kick(storage.vip.address, storage.target.portal.port);
        return;
      case "look-at-domains":
        void storagePart.domains();
        return;
      default:
        return execute(action, hands, lanes, storagePart);
    }
  }

  function hear(message: FromBrain): void {
    switch (message.kind) {
      case "ready":
        return;
      case "actions":
        for (const action of message.actions) perform(action);
        return;
      case "snapshot": {
        const before = snapshot;
        snapshot = message.snapshot;
        // A snapshot is what a finished turn of the brain left: the service manager may know that it lives.
        notify.alive();
        if (snapshot.inContact) settledIn.resolve();
        if (before !== null && before.state.durable.ha !== snapshot.state.durable.ha) void settings.reconsider();
        tellManagement(snapshot);
        if (snapshot.inContact && snapshot.state.peer.body !== null) {
          settings.peerShows(snapshot.state.peer.body.cfgHash);
          if (snapshot.state.peer.body.cfgHash === config.core.cfgHash) poolKey.agreed();
        }
        if (before?.hostState !== snapshot.hostState || before.inContact !== snapshot.inContact) {
          log("state.changed", `${snapshot.hostState}: ${snapshot.outcome}`);
          if (snapshot.inContact) void fenceWatch.check();
          notify.status(snapshot.outcome);
        }
        publish();
        return;
      }
      case "dropped":
        logger.event("peer.dropped", { detail: `${message.count} packets: ${message.reason}`, reason: message.reason });
        return;
      case "bug":
        logger.event("cycle.bug", { detail: message.text });
        return;
      default:
        return assertNever(message);
    }
  }

  function status(): StatusDocument | null {
    if (snapshot === null) return null;
    const seen = storagePart.targetState();
    return statusDocument({
      snapshot,
      config,
      wallMs: clock.wallMs(),
      version: VERSION,
      pid: process.pid,
      targetPid: seen?.pid ?? null,
      sessions: seen?.sessions ?? null,
      drbdVersion,
      pool: pool.view(),
      heuristics: new Map(
        config.core.heuristics.flatMap((address) => {
          const answering = votes.answering(address);
          return answering === null ? [] : [[address, answering] as const];
        }),
      ),
      fenceReady: fenceWatch.readiness(),
      alerts: alerts.list(),
      events: events.recent(50),
      eta: () => null,
    });
  }

  const control = createControl({
    feed,
    status,
    config: () => config,
    settings,
    keepSecret: secrets.set,
    fencePath: () => fenceWatch.check(),
    pool,
    facts: () => {
      const measuredOffMs = fence.worstAnswerMs();
      const measured = measuredOffMs === null ? {} : { measuredOffMs };
      const timings = settings.timings();
      return timings.length === 0 ? [measured] : timings.map((one) => ({ ...one, ...measured }));
    },
    peerName: () => config.peer.name,
    explanations: () => snapshot?.explanations ?? [],
  });
  const server = await startControlServer({
    path: controlSocketPath,
    async handler(request, reply) {
      if (request.kind === "status" || request.kind === "watch") await storagePart.target(null);
      await control.handler(request, reply);
    },
    onProblem: (problem) => logger.event(problem.bug ? "cycle.bug" : "peer.dropped", { detail: problem.text }),
  });
  if (!server.ok) return describeServerError(server.error);
  function publish(): void {
    if (!server.ok || !server.value.connected()) return;
    const document = status();
    if (document !== null) server.value.publish(document);
  }

  brain.listen(hear);
  // The checks of the storage cost processes too.
  void settledIn.promise.then(() => {
    tellProblems();
    settings.start({
      look: (next) => lookAtStorage(next, { drbd, addressesOf: (device) => addressesOf(exec, device) }),
      haIsOn: () => (snapshot?.state.durable ?? durable).ha !== "off",
      onChange: reload,
      onRefused(reasons) {
        for (const detail of reasons) logger.event("config.refused", { detail });
        if (reasons.length === 0) return alerts.clear("config");
        alerts.raise("config", `a changed configuration is not in force: ${reasons.join("; ")}`);
      },
      onOpenSecrets: (open) => secrets.move(open),
    });
  });
  logger.event("daemon.started", { version: VERSION, policy: config.core.policy, policyNote: config.policyNote });
  events.add("daemon.started", VERSION);
  notify.ready();
  alerts.start();

  const force = new AbortController();
  let stopping = false;
  function onSignal(): void {
    if (stopping) return force.abort();
    stopping = true;
    const parts = { ask: control.command, clock, onRefused: (reason: string) => tellRefusedStop(reason) };
    void untilMayStop(parts, force.signal).then((how) => {
      log(
        "state.changed",
        how === "agreed" ? "the stop is agreed (A7)" : "stopping by force: the watchdog stays armed",
      );
      ended.resolve(0);
    });
  }
  function tellRefusedStop(reason: string): void {
    log("action.failed", `Cannot stop: ${reason} (a second signal stops by force)`, "error");
    notify.status(`Cannot stop: ${reason}`);
  }
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, onSignal);
  const code = await ended.promise;
  logger.event("daemon.stopping", { code });
  notify.stopping();
  clearInterval(pulse);
  // Stop is not failover: what is served stays served; only looking and deciding end.
  storagePart.stop();
  votes.stop();
  fenceWatch.stop();
  fence.stop();
  void witness.stop();
  signs.stop();
  toBrain({ kind: "stop" });
  await Promise.race([Promise.all([server.value.stop(), pool.stop(), alerts.stop()]), clock.sleep(2_000)]);
  await Promise.race([Promise.all([settings.stop(), poolKey.stop()]), clock.sleep(1_000)]);
  logger.close();
  process.exit(code);
}

/**
 * A connection whose target moved is answered by the new one with a reset, but only when the initiator sends again. The
 * kernel waits twice as long before each try; for connections with few packets in flight it can keep the pace instead
 * (tcp_thin_linear_timeouts, ip-sysctl of Linux 2.6.34 and later), which saves up to half of the stall of a switch.
 */
function quickRetransmits(log: (event: string, detail: string, level?: "warn") => void): void {
  try {
    writeFileSync("/proc/sys/net/ipv4/tcp_thin_linear_timeouts", "1");
  } catch (error) {
    log(
      "action.failed",
      `tcp_thin_linear_timeouts could not be set: ${error instanceof Error ? error.message : String(error)}`,
      "warn",
    );
  }
}

async function loadRecord(
  loading: Promise<
    { readonly ok: true; readonly value: DurableRecord } | { readonly ok: false; readonly error: StoreError }
  >,
  config: Config,
): Promise<DurableRecord | string> {
  const loaded = await loading;
  if (loaded.ok) return loaded.value;
  switch (loaded.error.kind) {
    case "absent":
      return {
        poolId: config.poolId,
        hostId: config.self.uuid,
        ha: "off",
        flags: { manual: false, maintenance: false },
        peerHa: "off",
        peerFlags: { manual: false, maintenance: false },
        epoch: 0,
        owner: null,
        solo: {},
        lastSync: {},
        takeovers: 0,
      };
    case "damaged":
      return (
        `Cannot read the durable record ${loaded.error.path}: found ${loaded.error.found}. ` +
        "It says who may serve; nothing is guessed. If the other host runs, move the file away and start again: " +
        "this host then follows the other one"
      );
    case "io":
      return `Cannot read the durable record ${loaded.error.path}: ${loaded.error.reason}`;
  }
}
