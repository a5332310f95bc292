// The composition root of a host that holds no copy of the storage: the pool's decision and what it needs, nothing of DRBD,
// target and floating IP.

import { performance } from "node:perf_hooks";
import { EMPTY_TIMES, emptyHost } from "../act/pool/empty-host.ts";
import { createLanes } from "../act/lanes.ts";
import type { Config } from "../config/config.ts";
import { valueOf } from "../core/model/observation.ts";
import { describe } from "../drivers/driver-error.ts";
import { controlSocketPath } from "../drivers/control/path.ts";
import { describeServerError, startControlServer } from "../drivers/control/server.ts";
import { sendMail } from "../drivers/notify/mail.ts";
import { createNotifier } from "../drivers/notify/sd-notify.ts";
import { createFileStore, statePath } from "../drivers/store/file-store.ts";
import { isEventName, type EventName } from "../report/events.ts";
import { VERSION } from "../report/version.ts";
import { ok, type Result } from "../util/result.ts";
import { alertCache } from "./alerts/alert-store.ts";
import { openAlerts } from "./alerts/alerts.ts";
import type { Beginning } from "./beginning.ts";
import { startBrainThread } from "./brain/brain-thread.ts";
import { collectOnce } from "./collect-once.ts";
import { createProblemTeller } from "./settings/config-problems.ts";
import { startDiskMonitor } from "./storage/disk-monitor.ts";
import { createDrivers } from "./drivers.ts";
import { loadRecord } from "./durable-record.ts";
import { emptiedWords } from "./vms/empty-for-shutdown.ts";
import { createEventsLog } from "./history/events-log.ts";
import { switchedLogger } from "./history/log-switches.ts";
import { fenceTargets, startFenceWatch, tellFencePath } from "./readiness/fence-watch.ts";
import { openHistory } from "./history/history.ts";
import { createMemberOperator } from "./member/member-operator.ts";
import { memberStatus } from "./member/member-status.ts";
import { createMetricsPart } from "./status/metrics-part.ts";
import { stopOnSignal } from "./orderly-stop.ts";
import { ALERTS_PATH, HISTORY_PATH, VMS_PATH, XAPI } from "./paths.ts";
import type { PoolOutsideEvent } from "./brain/pool-brain.ts";
import { createPoolHands } from "./pool/pool-hands.ts";
import { followPoolKey } from "./pool/pool-key.ts";
import { startPoolPart } from "./pool/pool-part.ts";
import { poolCore, poolStart } from "./brain/pool-start.ts";
import { createPulses } from "./brain/pulse.ts";
import { startRound } from "./round.ts";
import { createSecrets } from "./settings/secrets.ts";
import { NOTHING_FOUND } from "./settings/storage-facts.ts";
import { vmMemoryCache } from "./vms/vm-memory.ts";
import { vmsOfPool } from "./vms/vm-snapshots.ts";
import { policyOf, startVmWatch } from "./vms/vm-watch.ts";

const EVENTS_SHOWN = 50;
const OTHERS_FENCE = { ready: null, detail: "the host that serves the storage fences" } as const;

/** Runs until a signal; resolves with the exit code, or with the reason why it cannot start. */
export async function startMember({ settings, identity, secret, logger: plain }: Beginning): Promise<number | string> {
  let config: Config = settings.config();
  const logger = switchedLogger(plain, () => config);
  const events = createEventsLog(config.self.name, () => clock.wallMs());
  const log = (event: string, detail: string, level?: "info" | "warn" | "error"): void => {
    const name: EventName = isEventName(event) ? event : "state.changed";
    logger.event(name, { detail, ...(name === event ? {} : { was: event }) }, level);
    events.add(event, detail);
    history.add(event, detail);
  };
  const drivers = createDrivers(() => config, log);
  const { clock, exec, domains, fence } = drivers;
  const history = openHistory({
    path: HISTORY_PATH,
    node: config.self.name,
    wallMs: clock.wallMs,
    onTrouble: (reason) => log("action.failed", reason ?? "the history is written again", "warn"),
  });
  const store = createFileStore({ path: statePath, belongsTo: { poolId: config.poolId, hostId: config.self.uuid } });
  const durable = await loadRecord(store, config);
  if (typeof durable === "string") return durable;
  const poolKey = followPoolKey({
    path: XAPI.secret,
    poolId: config.poolId,
    secret,
    onKeys(keys, keyId) {
      brain.send({ kind: "keys", keys });
      settings.keyChanged(keyId);
    },
    onProblem: (reason) => log("config.refused", reason, "error"),
  });
  const start = poolStart(config, { core: settings.core(), durable, identity, keys: poolKey.keys() });
  if (start === null) return "Cannot start: found a pool of two hosts, expected three or more";
  const ended = Promise.withResolvers<number>();
  const pulses = createPulses();
  const brain = startBrainThread({ pool: start, watchdogDevice: config.watchdogDevice, pulses }, (detail) => {
    logger.event("cycle.bug", { detail });
    ended.resolve(70);
  });
  const feed = (event: PoolOutsideEvent): void => brain.send({ kind: "pool-event", event });
  const round = startRound(pulses);

  async function lookAtDomains(): Promise<void> {
    const found = await domains.list();
    const at = performance.now();
    if (found.ok) return feed({ kind: "domains", domains: { kind: "known", value: found.value, at } });
    feed({ kind: "domains", domains: { kind: "unknown", reason: describe(found.error), since: at } });
  }
  await Promise.race([brain.beating, ended.promise]);
  await lookAtDomains();

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
    isMaster() {
      const state = hands.snapshot()?.state;
      return state !== undefined && valueOf(state.xapi)?.role === "master";
    },
  });
  void secrets.load();
  const pool = startPoolPart({
    config: () => config,
    clock,
    domains,
    // The pair's procedures are not for this host; the pool's own ask the pool's decision.
    snapshot: () => null,
    survivors: () => null,
    feed(event) {
      if (event.kind === "xapi") feed(event);
    },
    onView(view) {
      if (view.kind !== "known") return;
      vmWatch.wake();
      settings.poolChanged(view.value.otherConfig);
      secrets.poolChanged(view.value.otherConfig);
    },
    log,
    onCall: drivers.tally.xapiCalled,
    paths: XAPI,
  });
  /** The host that leads the pool starts VMs; with SLAVE_VM_STAT every other one too. */
  const vmWatch = startVmWatch({
    config: () => config,
    clock,
    domains,
    snapshot: () => vmsOfPool(hands.snapshot(), hands.domains()),
    view: pool.view,
    perform: pool.perform,
    feed(event) {
      if (event.kind === "domains") feed(event);
    },
    cache: vmMemoryCache(VMS_PATH),
    alerts: {
      ...alerts,
      // What concerns the whole pool one host tells.
      raise: (id, text) =>
        id === "overcommit" && hands.snapshot()?.leads !== true ? undefined : alerts.raise(id, text),
    },
    restartToolstack: () => drivers.host.restartToolstack(),
    log,
  });
  const fenceWatch = startFenceWatch({
    fence,
    // In a pool with storage of ours the two hosts that hold it fence.
    target: () => (config.storage === null ? fenceTargets(config) : { ...fenceTargets(config), hosts: [] }),
    inContact: (host) => hands.hears(host),
    onChange: (found) => tellFencePath(alerts, found),
  });
  const status = () => {
    const snapshot = hands.snapshot();
    if (snapshot === null) return null;
    return memberStatus({
      snapshot,
      config,
      now: performance.now(),
      wallMs: clock.wallMs(),
      version: VERSION,
      pid: process.pid,
      pool: pool.view(),
      vmReport: vmWatch.report(),
      fenceReady: config.storage === null ? fenceWatch.readiness() : OTHERS_FENCE,
      alerts: alerts.list(),
      events: events.recent(EVENTS_SHOWN),
    });
  };
  const metrics = createMetricsPart({ ...drivers, status, wallMs: clock.wallMs });
  const control = createMemberOperator({
    drivers,
    config: () => config,
    settings,
    secrets,
    pool,
    fenceWatch,
    vmWatch,
    alerts,
    history,
    snapshot: () => hands.snapshot(),
    status,
    metrics: metrics.reply,
    feed,
    log,
  });
  const hands = createPoolHands({
    drivers,
    store,
    pool,
    lanes: createLanes((error) => logger.event("cycle.bug", { detail: String(error) })),
    config: () => config,
    alerts,
    control,
    feed,
    bars: null,
    lookAtDomains,
    log,
  });
  const notify = createNotifier({
    exec,
    now: clock.now,
    env: process.env,
    pid: process.pid,
    onFailure: (reason) => log("action.failed", reason, "warn"),
  });
  const server = await startControlServer({
    path: controlSocketPath,
    handler: control.handler,
    onProblem: (problem) => logger.event(problem.bug ? "cycle.bug" : "peer.dropped", { detail: problem.text }),
  });
  if (!server.ok) return describeServerError(server.error);
  brain.listen((message) => {
    if (message.kind === "pool-actions") return hands.perform(message.actions);
    if (message.kind === "dropped")
      return logger.event("peer.dropped", { detail: `${message.count} packets: ${message.reason}` });
    if (message.kind !== "pool-snapshot") return;
    hands.keep(message.snapshot);
    const document = server.value.connected() ? status() : null;
    if (document !== null) server.value.publish(document);
  });

  round.begin(() => {
    void lookAtDomains();
    pool.look();
    if (round.brainLives()) notify.alive();
  });
  const tellProblems = createProblemTeller(logger, alerts);
  tellProblems(config);
  settings.start({
    // Nothing of the storage is on this host.
    look: () => Promise.resolve(NOTHING_FOUND),
    haIsOn: () => (hands.snapshot()?.state.durable ?? durable).ha !== "off",
    onChange() {
      config = settings.config();
      tellProblems(config);
      const core = poolCore(config, settings.core());
      if (core !== null) feed({ kind: "config", config: core });
    },
    onRefused(reasons) {
      for (const detail of reasons) logger.event("config.refused", { detail });
      if (reasons.length === 0) return alerts.clear("config");
      alerts.raise("config", `a changed configuration is not in force: ${reasons.join("; ")}`);
    },
    onUnkept: (reason) => log("config.unkept", reason, "warn"),
    onOpenSecrets: (open) => secrets.move(open),
  });
  logger.event("daemon.started", { version: VERSION, policy: config.core.policy, policyNote: config.policyNote });
  notify.ready();
  alerts.start();
  // Nothing that a member does waits for half a second.
  collectOnce(() => true);
  const diskMonitor = startDiskMonitor({ ...drivers, alerts, log, on: () => config.alerts.diskMonitor });
  void fenceWatch.check();
  /** LEAVE_POLICY: to the hosts that answer, or shut down until this one is back. */
  async function empty(): Promise<Result<string, string>> {
    const haIsOn = (): boolean => hands.snapshot()?.state.durable.ha === "on";
    if (!haIsOn()) return ok("HA is off: the VMs of this host are left as they are");
    const ownUuid = config.self.uuid;
    const targets = (hands.survivors(ownUuid) ?? []).map(({ uuid }) => uuid);
    const order = { ownUuid, policy: config.vm.leavePolicy, vmPolicy: policyOf(config), targets };
    const emptied = await pool.perform((context) => emptyHost(context, order, EMPTY_TIMES), haIsOn);
    return emptied.ok ? ok(emptiedWords(emptied.value)) : emptied;
  }
  stopOnSignal({
    ask: (command) => control.command({ kind: command.kind === "leave" ? "leave" : "pause" }),
    host: drivers.host,
    empty,
    clock,
    log,
    onRefused: (reason) => notify.status(`Cannot stop: ${reason}`),
    haIsOn: null,
    onEnd: () => ended.resolve(0),
  });
  const code = await ended.promise;
  logger.event("daemon.stopping", { code });
  notify.stopping();
  round.stop();
  diskMonitor.stop();
  fenceWatch.stop();
  fence.stop();
  brain.send({ kind: "stop" });
  await Promise.race([
    Promise.all([server.value.stop(), vmWatch.stop(), pool.stop(), alerts.stop(), history.settled()]),
    clock.sleep(2_000),
  ]);
  await Promise.race([Promise.all([settings.stop(), poolKey.stop()]), clock.sleep(1_000)]);
  logger.close();
  process.exit(code);
}
