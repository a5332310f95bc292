// The composition root: builds every driver, starts the brain, joins the parts, and ends them in reverse. No module below
// it reaches for a singleton.

import { performance } from "node:perf_hooks";
import type { Hands } from "../act/execute.ts";
import { createLanes } from "../act/lanes.ts";
import { initiatorsOf, type Config, type StorageConfig } from "../config/config.ts";
import { valueOf } from "../core/model/observation.ts";
import { sendMail } from "../drivers/notify/mail.ts";
import { createNotifier } from "../drivers/notify/sd-notify.ts";
import { addressesOf } from "../drivers/vip/addresses.ts";
import { isEventName, type EventName } from "../report/events.ts";
import { VERSION } from "../report/version.ts";
import { alertCache } from "./alerts/alert-store.ts";
import { openAlerts } from "./alerts/alerts.ts";
import { collectOnce } from "./collect-once.ts";
import { createProblemTeller } from "./settings/config-problems.ts";
import { openControlDoor } from "./requests/control-door.ts";
import { startDiskMonitor } from "./storage/disk-monitor.ts";
import { createDrivers } from "./drivers.ts";
import { createEventsLog } from "./history/events-log.ts";
import { fenceTargets, startFenceWatch, tellFencePath } from "./readiness/fence-watch.ts";
import type { FirstBeats } from "./first-beats.ts";
import { createHear } from "./hear.ts";
import { openHistory } from "./history/history.ts";
import { switchedLogger } from "./history/log-switches.ts";
import type { Beginning } from "./beginning.ts";
import type { OutsideEvent, Snapshot } from "./brain/messages.ts";
import { emptyForShutdown } from "./vms/empty-for-shutdown.ts";
import { createMemberBars } from "./pool/member-bars.ts";
import { stopOnSignal } from "./orderly-stop.ts";
import { createMetricsPart } from "./status/metrics-part.ts";
import { createOperator } from "./requests/operator.ts";
import { ALERTS_PATH, HISTORY_PATH, VMS_PATH, XAPI } from "./paths.ts";
import { createPerform } from "./perform.ts";
import { followPoolKey } from "./pool/pool-key.ts";
import type { PoolOutsideEvent } from "./brain/pool-brain.ts";
import { createPoolHands } from "./pool/pool-hands.ts";
import { startPoolPart } from "./pool/pool-part.ts";
import { poolCore } from "./brain/pool-start.ts";
import { prepareHost, quickRetransmits } from "./prepare.ts";
import { createSecrets } from "./settings/secrets.ts";
import { createStatusSource } from "./status/status-source.ts";
import { lookAtStorage } from "./settings/storage-facts.ts";
import { startStoragePart } from "./storage/storage-part.ts";
import { toolstackIsOthers, watchToolstack } from "./pool/toolstack-watch.ts";
import { vmMemoryCache } from "./vms/vm-memory.ts";
import { vmsOfPair } from "./vms/vm-snapshots.ts";
import { startVmWatch } from "./vms/vm-watch.ts";
import { startWitnessPart } from "./readiness/witness-part.ts";

/** How long the daemon's other work waits, after the brain has begun to beat, for the peer to answer. */
const SETTLE_MS = 1_500;

/** Runs until a signal; resolves with the exit code, or with the reason why it cannot start. The brain beats already. */
export async function startDaemon(
  beginning: Beginning,
  storage: StorageConfig,
  { store, durable, brain, round, ended }: FirstBeats,
): Promise<number | string> {
  const { settings, secret } = beginning;
  let config: Config = settings.config();
  const logger = switchedLogger(beginning.logger, () => config);
  let snapshot: Snapshot | null = null;
  const log = (event: string, detail: string, level?: "info" | "warn" | "error"): void => {
    const name: EventName = isEventName(event) ? event : "state.changed";
    logger.event(name, { detail, ...(name === event ? {} : { was: event }) }, level);
    events.add(event, detail);
    history.add(event, detail);
  };
  const drivers = createDrivers(() => config, log);
  const { clock, exec, drbd, fence, votes, signs } = drivers;
  const history = openHistory({
    path: HISTORY_PATH,
    node: config.self.name,
    wallMs: clock.wallMs,
    onTrouble: (reason) => log("action.failed", reason ?? "the history of failovers is written again", "warn"),
  });
  const events = createEventsLog(config.self.name, clock.wallMs);

  quickRetransmits(log);
  const fenceWatch = startFenceWatch({
    fence,
    target: () => fenceTargets(config),
    inContact: (host) => (host === config.peer.uuid ? snapshot?.inContact === true : poolHands.hears(host)),
    onChange: (found) => tellFencePath(alerts, found),
  });
  const notify = createNotifier({
    exec,
    now: clock.now,
    env: process.env,
    pid: process.pid,
    onFailure: (reason) => log("action.failed", reason, "warn"),
  });
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
  const toBrain = brain.send;
  const feedPool = (event: PoolOutsideEvent): void => toBrain({ kind: "pool-event", event });
  const feed = (event: OutsideEvent): void => toBrain({ kind: "event", event });
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
  void settledIn.promise.then(async () => {
    votes.watch(config.core.heuristics);
    await prepareHost(drivers, storage.resources, storage.vip, log);
  });
  const peerInitiators = (): readonly string[] => initiatorsOf(config.peer);
  const storagePart = await startStoragePart({
    ...drivers,
    vipSpec: storage.vip,
    targetSpec: storage.target,
    resources: storage.resources,
    peerInitiators: peerInitiators(),
    inContact: () => snapshot?.inContact === true,
    alerts,
    now: () => performance.now(),
    wallMs: clock.wallMs,
    feed,
    log,
  });

  // From here to the last of those who hear of the pool nothing waits: a toolstack that runs already answers at once.
  const pool = startPoolPart({
    config: () => config,
    clock,
    domains: drivers.domains,
    snapshot: () => snapshot,
    survivors: (lostHost) => poolHands.survivors(lostHost),
    feed,
    onView(view) {
      if (view.kind !== "known") return;
      vmWatch.wake();
      settings.poolChanged(view.value.otherConfig);
      secrets.poolChanged(view.value.otherConfig);
      operator.poolChanged(view.value);
    },
    onCall: drivers.tally.xapiCalled,
    log,
    paths: XAPI,
  });

  const vmWatch = startVmWatch({
    config: () => config,
    clock,
    domains: drivers.domains,
    snapshot: () => vmsOfPair(snapshot, config.peer.uuid, poolHands.domains()),
    view: pool.view,
    perform: pool.perform,
    feed,
    cache: vmMemoryCache(VMS_PATH),
    alerts,
    restartToolstack: () => drivers.host.restartToolstack(),
    log,
  });

  const toolstackWatch = watchToolstack({
    now: clock.now,
    limits: () => config.xapi,
    readable: () => pool.view().kind === "known",
    ask: () => pool.toolstack(),
    handsOff: () => snapshot === null || toolstackIsOthers(snapshot.state),
    restart: () => drivers.host.restartToolstack(),
    onBeyondRepair: (beyondRepair) => feed({ kind: "toolstack", beyondRepair }),
    log,
  });

  const witness = startWitnessPart({ config: () => config, now: clock.now, feed, log });

  const bars = createMemberBars({
    target: drivers.target,
    spec: storage.target,
    hosts: () => config.hosts,
    owns: () => snapshot?.state.durable.owner === config.self.uuid,
    pairBars: () => (snapshot?.state.barred === true ? peerInitiators() : []),
    log,
  });
  const hands: Hands = {
    ...drivers,
    withdrawn: new Set(),
    store,
    pool,
    vipSpec: storage.vip,
    peerInitiators,
    ...bars.forHands,
  };

  const tellProblems = createProblemTeller(logger, alerts);
  function reload(): void {
    const core = settings.core();
    config = settings.config();
    tellProblems(config);
    votes.watch(core.heuristics);
    feed({ kind: "config", config: core });
    const members = poolCore(config, core);
    if (members !== null) feedPool({ kind: "config", config: members });
    void fenceWatch.check();
  }

  const status = createStatusSource({
    snapshot: () => snapshot,
    config: () => config,
    clock,
    drbdVersion: storagePart.drbdVersion,
    storagePart,
    pool,
    vmWatch,
    votes,
    fenceWatch,
    alerts,
    events,
  });

  const metrics = createMetricsPart({ ...drivers, status, wallMs: clock.wallMs });
  const operator = createOperator({
    drivers,
    config: () => config,
    settings,
    selfStarting: () => vmWatch.report()?.selfStarting ?? [],
    secrets,
    pool,
    fenceWatch,
    alerts,
    history,
    snapshot: () => snapshot,
    status,
    metrics: metrics.reply,
    feed,
    feedPool,
    poolWaits: () => poolHands.snapshot()?.explanations ?? [],
    log,
  });
  const { control } = operator;

  const perform = createPerform({
    drivers,
    hands,
    lanes,
    storage,
    storagePart,
    config: () => config,
    settings,
    snapshot: () => snapshot,
    alerts,
    control,
    witness,
    feed,
    log,
  });
  const poolHands = createPoolHands({
    drivers,
    store,
    pool,
    lanes,
    config: () => config,
    alerts,
    control,
    feed: feedPool,
    bars,
    lookAtDomains: storagePart.domains,
    log,
  });
  const keep = (next: Snapshot): Snapshot | null => {
    const before = snapshot;
    snapshot = next;
    metrics.saw(next);
    return before;
  };
  const hear = createHear({
    perform,
    poolHands,
    keep,
    config: () => config,
    settings,
    poolKey,
    votes,
    fenceWatch,
    alerts,
    refused: operator.refused,
    now: clock.now,
    notify,
    logger,
    log,
    feed,
    onContact: settledIn.resolve,
    ask: () => toBrain({ kind: "show" }),
    brainLives: round.brainLives,
    publish: () => (door.ok ? door.value.publish() : undefined),
  });
  const door = await openControlDoor({
    handler: control.handler,
    status,
    lookAtTarget: () => storagePart.target(null),
    fresh: () => hear.fresh(),
    logger,
  });
  if (!door.ok) return door.error;
  brain.listen(hear.message);
  round.begin(() => {
    storagePart.look();
    pool.look();
    votes.look();
    hear.second();
    operator.plugs.look();
    if (door.value.connected()) toBrain({ kind: "show" });
  });
  // The checks of the storage cost processes too.
  void settledIn.promise.then(() => {
    void operator.maintenance.resume();
    tellProblems(config);
    settings.start({
      look: (next) => lookAtStorage(next, { drbd, addressesOf: (device) => addressesOf(exec, device) }),
      haIsOn: () => (snapshot?.state.durable ?? durable).ha !== "off",
      onChange: reload,
      onRefused(reasons) {
        for (const detail of reasons) logger.event("config.refused", { detail });
        if (reasons.length === 0) return alerts.clear("config");
        alerts.raise("config", `a changed configuration is not in force: ${reasons.join("; ")}`);
      },
      onUnkept: (reason) => log("config.unkept", reason, "warn"),
      onOpenSecrets: (open) => secrets.move(open),
    });
  });
  logger.event("daemon.started", { version: VERSION, policy: config.core.policy, policyNote: config.policyNote });
  events.add("daemon.started", VERSION);
  history.add("daemon.started", VERSION);
  notify.ready();
  alerts.start();
  collectOnce(() => snapshot !== null && snapshot.inContact && snapshot.state.activity === null);
  const diskMonitor = startDiskMonitor({ ...drivers, alerts, log, on: () => config.alerts.diskMonitor });

  stopOnSignal({
    ask: control.command,
    host: drivers.host,
    empty: () => emptyForShutdown({ config: () => config, snapshot: () => snapshot, perform: pool.perform }),
    endTarget: () => drivers.target.withdraw(),
    haIsOn: () => (snapshot?.state.durable ?? durable).ha !== "off",
    clock,
    log,
    onRefused: (reason) => notify.status(`Cannot stop: ${reason}`),
    onEnd: () => ended.resolve(0),
  });
  const code = await ended.promise;
  logger.event("daemon.stopping", { code });
  notify.stopping();
  round.stop();
  diskMonitor.stop();
  // Stop is not failover: what is served stays served; only looking and deciding end.
  storagePart.stop();
  votes.stop();
  toolstackWatch.stop();
  fenceWatch.stop();
  fence.stop();
  void witness.stop();
  signs.stop();
  toBrain({ kind: "stop" });
  await Promise.race([
    Promise.all([door.value.stop(), vmWatch.stop(), pool.stop(), alerts.stop(), history.settled()]),
    clock.sleep(2_000),
  ]);
  await Promise.race([Promise.all([settings.stop(), poolKey.stop(), drivers.firewall.lift()]), clock.sleep(1_000)]);
  logger.close();
  process.exit(code);
}
