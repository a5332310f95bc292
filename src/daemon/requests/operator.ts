// Builds what answers an operator: the commands of the tools, the switches in the pool's database, maintenance. The part
// of the composition root that is about people.

import { existsSync } from "node:fs";
import { release } from "node:os";
import { dirname } from "node:path";
import { writePoolKeys } from "../../act/pool/pool-config.ts";
import { withPool } from "../../act/pool/procedure.ts";
import type { Config } from "../../config/config.ts";
import { customField } from "../../core/decide/vms/protection.ts";
import { valueOf } from "../../core/model/observation.ts";
import type { StatusDocument } from "../../core/model/status.ts";
import { findSession } from "../../drivers/iscsi-initiator/sessions.ts";
import { smtpGreeting } from "../../drivers/notify/smtp-greeting.ts";
import { tryDisk } from "../../drivers/store/disk-trial.ts";
import { statePath } from "../../drivers/store/file-store.ts";
import { createJsonCache } from "../../drivers/store/json-cache.ts";
import type { PoolView } from "../../drivers/xapi/port.ts";
import { VERSION } from "../../report/version.ts";
import { ok } from "../../util/result.ts";
import type { Alerts } from "../alerts/alerts.ts";
import { runChecks, versionKey, type CheckParts } from "./check.ts";
import { createControl, type Control, type ControlParts } from "./control.ts";
import type { Drivers } from "../drivers.ts";
import { explainReply, type ExplainParts } from "./explain-request.ts";
import type { FenceWatch } from "../readiness/fence-watch.ts";
import { createFieldSwitch, ENABLED_KEY } from "../settings/field-switch.ts";
import { forgetReply } from "./forget-request.ts";
import type { History } from "../history/history.ts";
import { parseKept } from "./maintenance-cache.ts";
import { installedKernels, nextBoot } from "./next-boot.ts";
import { createMaintenance, type Maintenance } from "./maintenance.ts";
import type { OutsideEvent, Snapshot } from "../brain/messages.ts";
import { MAINTENANCE_PATH } from "../paths.ts";
import type { PoolPart } from "../pool/pool-part.ts";
import { createPlugWatch, type PlugWatch } from "../storage/plug-watch.ts";
import { createPoolRequests } from "./pool-requests.ts";
import { createRefusedPackets, type RefusedPackets } from "../readiness/refused-packets.ts";
import type { Secrets } from "../settings/secrets.ts";
import type { Settings } from "../settings/settings.ts";

export interface OperatorParts {
  readonly drivers: Pick<Drivers, "clock" | "exec" | "drbd" | "target" | "fence" | "votes">;
  readonly config: () => Config;
  readonly settings: Pick<Settings, "input" | "refusalsOf" | "reconsider" | "timings">;
  readonly secrets: Pick<Secrets, "set">;
  readonly pool: Pick<PoolPart, "view" | "perform" | "designatePeer">;
  readonly fenceWatch: Pick<FenceWatch, "check" | "readiness">;
  /** Protected VMs that xapi would start by itself at boot. */
  readonly selfStarting: () => readonly string[];
  readonly alerts: Alerts;
  readonly history: Pick<History, "list">;
  readonly snapshot: () => Snapshot | null;
  readonly status: () => StatusDocument | null;
  readonly metrics: ControlParts["metrics"];
  readonly feed: (event: OutsideEvent) => void;
  readonly feedPool: ControlParts["feedPool"];
  /** What holds this host back in a pool beyond the pair. */
  readonly poolWaits: ExplainParts["poolWaits"];
  readonly log: (event: string, detail: string, level?: "info" | "warn" | "error") => void;
}

export interface Operator {
  readonly control: Control;
  readonly maintenance: Pick<Maintenance, "resume">;
  readonly refused: RefusedPackets;
  /** To be looked at once a second. */
  readonly plugs: Pick<PlugWatch, "look">;
  /** The pool's database has news. */
  poolChanged(view: PoolView): void;
}

const DISK_MS = 5_000;

export function createOperator(parts: OperatorParts): Operator {
  const { drivers, config, settings, pool, fenceWatch, alerts, snapshot, log } = parts;
  const { clock, fence, votes } = drivers;

  const mirror = (on: boolean) => {
    const keys = { [ENABLED_KEY]: String(on), [customField(config().vm)]: String(on) };
    return pool.perform((context) => writePoolKeys(context, keys));
  };
  /** Measured timings: the inequalities must hold with each of them. */
  const facts: CheckParts["facts"] = () => {
    const measuredOffMs = fence.worstAnswerMs();
    const measured = measuredOffMs === null ? {} : { measuredOffMs };
    const timings = settings.timings();
    return timings.length === 0 ? [measured] : timings.map((one) => ({ ...one, ...measured }));
  };
  const poolRequest = createPoolRequests({
    config,
    settings,
    view: pool.view,
    perform: pool.perform,
    keepSecret: parts.secrets.set,
    haIsOn: () => snapshot()?.state.durable.ha !== "off",
    wallMs: clock.wallMs,
  });
  const maintenance = createMaintenance({
    command: (body) => control.command(body),
    perform: pool.perform,
    designatePeer: pool.designatePeer,
    snapshot,
    view: pool.view,
    config,
    clock,
    cache: createJsonCache(MAINTENANCE_PATH, parseKept),
    log,
  });
  const refused = createRefusedPackets(() => config().peer.name, clock.now);
  const plugs = createPlugWatch({
    now: clock.now,
    config,
    snapshot,
    view: pool.view,
    findSession,
    perform: pool.perform,
    alerts,
    log,
  });
  const checks = (): ReturnType<typeof runChecks> =>
    runChecks({
      ...drivers,
      config,
      snapshot,
      view: pool.view,
      vms: () => parts.status()?.vms ?? null,
      facts,
      fencePath: fenceWatch.check,
      sample: votes.sample,
      answering: votes.answering,
      login: () =>
        pool.perform((context) => withPool(context, async (session) => ok(`logged in (${session.scope} session)`))),
      mailServer: smtpGreeting,
      disk: () => tryDisk(dirname(statePath), DISK_MS),
      refused: refused.why,
      deviceExists: existsSync,
      nextBoot: () =>
        nextBoot({
          hasStorage: config().storage !== null,
          running: release(),
          installed: installedKernels,
          exec: drivers.exec,
        }),
      selfStarting: parts.selfStarting,
    });
  const control = createControl({
    feed: parts.feed,
    feedPool: parts.feedPool,
    status: parts.status,
    config,
    settings,
    poolRequest,
    forgetHost: (name) => forgetReply({ config, snapshot, view: pool.view, perform: pool.perform }, name),
    mirror,
    selfStarting: parts.selfStarting,
    maintenance,
    checks,
    explain: () =>
      explainReply({
        snapshot,
        config,
        answering: votes.answering,
        readiness: () => fenceWatch.readiness(config().peer.uuid),
        poolWaits: parts.poolWaits,
        worstFenceMs: fence.worstAnswerMs,
      }),
    replug: plugs.replug,
    metrics: parts.metrics,
    history: parts.history,
    alerts,
    fencePath: fenceWatch.check,
    facts,
    peerName: () => config().peer.name,
  });
  const fieldSwitch = createFieldSwitch({
    config,
    haIsOn() {
      const ha = snapshot()?.state.durable.ha;
      return ha === "on" ? true : ha === "off" ? false : null;
    },
    isMaster() {
      const state = snapshot()?.state;
      return state !== undefined && valueOf(state.xapi)?.role === "master";
    },
    switchHa: (kind) => control.switchHa(kind, false),
    mirror,
    alerts,
    log,
  });
  let announced = false;
  /** Once per daemon: `check` of the other host compares. */
  async function announce({ otherConfig }: PoolView): Promise<void> {
    if (announced) return;
    announced = true;
    const key = versionKey(config().self.uuid);
    if (otherConfig[key] === VERSION) return;
    const written = await pool.perform((context) => writePoolKeys(context, { [key]: VERSION }));
    if (!written.ok) log("action.failed", written.error, "warn");
  }
  return {
    control,
    maintenance,
    refused,
    plugs,
    poolChanged(view) {
      fieldSwitch.poolChanged(view);
      void announce(view);
    },
  };
}
