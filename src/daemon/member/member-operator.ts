// Builds what answers an operator on a host that holds no copy of the storage. The part of its composition root that is
// about people.

import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { withPool } from "../../act/pool/procedure.ts";
import type { Config } from "../../config/config.ts";
import { elects } from "../../core/pool/facts.ts";
import type { StatusDocument } from "../../core/model/status.ts";
import type { ControlReply } from "../../drivers/control/port.ts";
import { smtpGreeting } from "../../drivers/notify/smtp-greeting.ts";
import { tryDisk } from "../../drivers/store/disk-trial.ts";
import { statePath } from "../../drivers/store/file-store.ts";
import { createJsonCache } from "../../drivers/store/json-cache.ts";
import { ok } from "../../util/result.ts";
import { createAlertRequests } from "../alerts/alert-requests.ts";
import type { Alerts } from "../alerts/alerts.ts";
import type { Drivers } from "../drivers.ts";
import type { FenceWatch } from "../readiness/fence-watch.ts";
import type { History } from "../history/history.ts";
import { parseKept } from "../requests/maintenance-cache.ts";
import { runMemberChecks } from "./member-check.ts";
import { createMemberControl, type MemberControl } from "./member-control.ts";
import { memberExplanation } from "./member-explain.ts";
import { createMemberMaintenance } from "./member-maintenance.ts";
import { MAINTENANCE_PATH } from "../paths.ts";
import type { PoolOutsideEvent, PoolSnapshot } from "../brain/pool-brain.ts";
import type { PoolPart } from "../pool/pool-part.ts";
import { createPoolRequests } from "../requests/pool-requests.ts";
import type { Secrets } from "../settings/secrets.ts";
import type { Settings } from "../settings/settings.ts";
import type { VmWatch } from "../vms/vm-watch.ts";

export interface MemberOperatorParts {
  readonly drivers: Pick<Drivers, "clock" | "exec">;
  readonly config: () => Config;
  readonly settings: Pick<Settings, "input" | "refusalsOf" | "reconsider">;
  readonly secrets: Pick<Secrets, "set">;
  readonly pool: Pick<PoolPart, "view" | "perform">;
  readonly fenceWatch: Pick<FenceWatch, "check">;
  readonly vmWatch: Pick<VmWatch, "report">;
  readonly alerts: Alerts;
  readonly history: Pick<History, "list">;
  readonly snapshot: () => PoolSnapshot | null;
  readonly status: () => StatusDocument | null;
  readonly metrics: () => ControlReply;
  readonly feed: (event: PoolOutsideEvent) => void;
  readonly log: (event: string, detail: string, level?: "info" | "warn" | "error") => void;
}

const DISK_MS = 5_000;

export function createMemberOperator(parts: MemberOperatorParts): MemberControl {
  const { drivers, config, pool, snapshot } = parts;
  const selfStarting = (): readonly string[] => parts.vmWatch.report()?.selfStarting ?? [];
  const poolRequest = createPoolRequests({
    config,
    settings: parts.settings,
    view: pool.view,
    perform: pool.perform,
    keepSecret: parts.secrets.set,
    haIsOn: () => snapshot()?.state.durable.ha !== "off",
    wallMs: drivers.clock.wallMs,
  });
  const maintenance = createMemberMaintenance({
    self: () => config().self,
    command: (body) => control.command(body),
    perform: pool.perform,
    view: pool.view,
    masterOnly: () => config().vm.masterOnly,
    cache: createJsonCache(MAINTENANCE_PATH, parseKept),
    log: parts.log,
  });
  const checks = (): ReturnType<typeof runMemberChecks> =>
    runMemberChecks({
      config,
      snapshot,
      now: drivers.clock.now,
      view: pool.view,
      vms: () => parts.status()?.vms ?? null,
      fencePath: parts.fenceWatch.check,
      exec: drivers.exec,
      login: () =>
        pool.perform((context) => withPool(context, async (session) => ok(`logged in (${session.scope} session)`))),
      mailServer: smtpGreeting,
      disk: () => tryDisk(dirname(statePath), DISK_MS),
      deviceExists: existsSync,
      selfStarting,
    });
  const control = createMemberControl({
    feed: parts.feed,
    status: parts.status,
    metrics: parts.metrics,
    snapshot,
    config,
    poolRequest,
    alertRequest: createAlertRequests(parts.alerts, config),
    maintenance,
    async checks() {
      // What was wrong at the start may be mended by now.
      await parts.settings.reconsider();
      return checks();
    },
    explain: () => memberExplanation(snapshot(), config(), parts.status()),
    history: parts.history,
    async enableRefusals() {
      await parts.settings.reconsider();
      const now = snapshot();
      const path = now !== null && elects(now.state.config) ? await parts.fenceWatch.check() : null;
      return [
        ...selfStarting().map((name) => `${name} has auto_poweron: XAPI would start it beside tandem (A10)`),
        ...(path?.ready === false ? [`another host could not be fenced: ${path.detail}`] : []),
      ];
    },
  });
  return control;
}
