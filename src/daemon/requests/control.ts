// Answers the command-line tools: status and parameters from what is known here, commands through the brain, whose
// one reply ends them.

import type { Config } from "../../config/config.ts";
import { enableRefusals } from "../../config/policy.ts";
import type { TimerFacts } from "../../config/timers.ts";
import type { Command } from "../../core/model/event.ts";
import type { StatusDocument } from "../../core/model/status.ts";
import type { Check } from "../../drivers/control/answers.ts";
import type { ControlHandler, ControlReply, ControlRequest, ParameterValue } from "../../drivers/control/port.ts";
import { createAlertRequests } from "../alerts/alert-requests.ts";
import type { Result } from "../../util/result.ts";
import type { Alerts } from "../alerts/alerts.ts";
import type { FenceReadiness } from "../readiness/fence-watch.ts";
import { FIELD_ALERT } from "../settings/field-switch.ts";
import type { History } from "../history/history.ts";
import type { Maintenance } from "./maintenance.ts";
import type { OuterAction, OutsideEvent } from "../brain/messages.ts";
import type { PoolOutsideEvent } from "../brain/pool-brain.ts";
import type { PoolRequest } from "./pool-requests.ts";
import type { Settings } from "../settings/settings.ts";

export interface ControlParts {
  readonly feed: (event: OutsideEvent) => void;
  /** To the pool's decision; of no use in a pool of two hosts. */
  readonly feedPool: (event: PoolOutsideEvent) => void;
  readonly status: () => StatusDocument | null;
  readonly config: () => Config;
  readonly settings: Pick<Settings, "reconsider">;
  /** Parameters and flags in the pool's database. */
  readonly poolRequest: (request: PoolRequest) => Promise<ControlReply>;
  readonly forgetHost: (name: string) => Promise<ControlReply>;
  /** Shows in the pool's database what the hosts decided; it decides nothing itself. */
  readonly mirror: (on: boolean) => Promise<unknown>;
  /** Protected VMs that xapi would start by itself at boot. */
  readonly selfStarting: () => readonly string[];
  readonly maintenance: Maintenance;
  readonly checks: () => Promise<readonly Check[]>;
  readonly replug: () => Promise<Result<string, string>>;
  readonly explain: () => ControlReply;
  readonly metrics: () => ControlReply;
  readonly history: Pick<History, "list">;
  readonly alerts: Pick<Alerts, "raise" | "clear" | "list" | "test">;
  /** The fence path, tried now. */
  readonly fencePath: () => Promise<FenceReadiness>;
  /** Measured timings that the inequalities are checked with at `enable` (A14): they must hold with each of these. */
  readonly facts: () => readonly Partial<TimerFacts>[];
  readonly peerName: () => string;
}

export interface Control {
  readonly handler: ControlHandler;
  /** The daemon's own commands take the same way. */
  command(body: Command): Promise<ControlReply>;
  /** As the tools ask for it, with every refusal. */
  switchHa(kind: "enable" | "disable", force: boolean): Promise<ControlReply>;
  /** The brain's answer to a command. */
  settle(action: OuterAction & { readonly kind: "command-reply" }): void;
}

const COMMAND_MS = 60_000;

export function createControl(parts: ControlParts): Control {
  const waiting = new Map<number, (reply: ControlReply) => void>();
  let nextId = 1;
  const alertRequest = createAlertRequests(parts.alerts, parts.config);

  function ask(send: (id: number) => void): Promise<ControlReply> {
    const id = nextId++;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        waiting.delete(id);
        resolve({ kind: "failed", reason: "no answer within a minute", next: "see 'iscsi-cfg log'" });
      }, COMMAND_MS);
      waiting.set(id, (reply) => {
        clearTimeout(timer);
        resolve(reply);
      });
      send(id);
    });
  }
  const command = (body: Command): Promise<ControlReply> =>
    ask((id) => parts.feed({ kind: "command", id, command: body }));

  /** A19, for the other storage host or for a member of the pool. */
  function confirmOff(name: string): Promise<ControlReply> | ControlReply {
    if (name === parts.peerName()) return command({ kind: "confirm-peer-off" });
    const member = parts.config().hosts.find((host) => host.name === name && host.diskless === true);
    if (member !== undefined) {
      const body = { kind: "confirm-off" as const, hostId: member.uuid };
      return ask((id) => parts.feedPool({ kind: "command", id, command: body }));
    }
    const reason = `found the name "${name}", expected "${parts.peerName()}"`;
    return { kind: "refused", rule: "A19", reason, next: "type the name of the host that is off" };
  }

  return {
    command,
    switchHa,
    settle(action) {
      const resolve = waiting.get(action.id);
      waiting.delete(action.id);
      if (resolve === undefined) return;
      if (action.outcome === "done") return resolve({ kind: "done", text: action.text });
      if (action.outcome === "refused")
        return resolve({ kind: "refused", rule: action.rule, reason: action.text, next: action.next });
      resolve({ kind: "failed", reason: action.text, next: action.next });
    },
    async handler(request, reply) {
      reply(await answer(request, (text) => reply({ kind: "progress", text })));
    },
  };

  async function answer(request: ControlRequest, tell: (text: string) => void): Promise<ControlReply> {
    switch (request.kind) {
      case "status":
      case "watch": {
        const status = parts.status();
        if (status === null)
          return { kind: "failed", reason: "the daemon has only just started", next: "try again in a second" };
        return { kind: "status", status };
      }
      case "enable":
      case "disable":
        return switchHa(request.kind, request.force);
      case "manual":
        return command({ kind: "manual", on: request.on, force: request.force });
      case "maintenance":
        return request.on ? parts.maintenance.begin(tell) : parts.maintenance.end(request.returnVms, tell);
      case "become-primary":
        return command({ kind: "become-primary", force: request.force });
      case "become-secondary":
        return command({ kind: "become-secondary" });
      case "switch":
        return command({ kind: "switch", storageOnly: request.storageOnly });
      case "confirm-peer-off":
        return confirmOff(request.peerName);
      case "resolve-split-brain": {
        const expected = parts.peerName();
        if (request.victim === expected) return command({ kind: "resolve-split-brain", snapshot: request.snapshot });
        const reason = `found the victim "${request.victim}", expected "${expected}": this host's data stays`;
        const next = "run it on the host whose data is to stay, with the name of the other host";
        return { kind: "refused", rule: "D11", reason, next };
      }
      case "forget-host":
        return parts.forgetHost(request.host);
      case "get":
        return { kind: "parameters", parameters: parameterValues(parts.config(), request.scope) };
      case "set":
      case "insert":
      case "remove":
      case "restore-default":
      case "backup":
      case "restore":
      case "import":
      case "vms":
      case "set-vm-ha":
        return parts.poolRequest(request);
      case "check":
        // What was wrong at the start may be mended by now.
        await parts.settings.reconsider();
        return { kind: "checks", checks: await parts.checks() };
      case "email":
      case "raise-alert":
      case "clear-alerts":
        return alertRequest(request);
      case "replug": {
        const done = await parts.replug();
        if (done.ok) return { kind: "done", text: done.value };
        return { kind: "failed", reason: done.error, next: "see 'iscsi-cfg status' and 'xe pbd-list'" };
      }
      case "explain":
        return parts.explain();
      case "metrics":
        return parts.metrics();
      case "history":
        return { kind: "history", failovers: parts.history.list(request.limit) };
    }
  }

  async function switchHa(kind: "enable" | "disable", force: boolean): Promise<ControlReply> {
    // What was wrong at the start may be mended by now, and what was right may not be any more.
    if (kind === "enable") await parts.settings.reconsider();
    const against = kind === "enable" && !force ? await refusalsOfEnable() : [];
    if (against.length > 0)
      return {
        kind: "refused",
        rule: "D1",
        reason: against.join("\n"),
        next: "mend this, then run 'ha-cfg enable' again",
      };
    const reply = await command({ kind, force });
    if (reply.kind === "done") {
      await parts.mirror(kind === "enable");
      if (kind === "enable") parts.alerts.clear(FIELD_ALERT);
    }
    return reply;
  }

  async function refusalsOfEnable(): Promise<readonly string[]> {
    const path = await parts.fencePath();
    // Measured before this, T_FDELAY is judged with the newest times of the device (I-h).
    const refusals = parts.facts().flatMap((facts) => enableRefusals(parts.config(), facts));
    return [
      ...new Set(refusals),
      ...parts.selfStarting().map((name) => `${name} has auto_poweron: XAPI would start it beside tandem (A10)`),
      ...(path.ready === false ? [`the other host could not be fenced: ${path.detail}`] : []),
    ];
  }
}

export function parameterValues(config: Config, scope: "pool" | "storage"): readonly ParameterValue[] {
  return config.parameters
    .filter((p) => p.scope === scope)
    .map((p) => ({
      name: p.name,
      value: p.value,
      source: p.isDefault ? "default" : p.source === "override" || p.source === "file" ? "local" : "pool",
      default: p.initial,
    }));
}
