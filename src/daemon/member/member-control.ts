// Answers the command-line tools on a host that holds no copy of the storage: what concerns this host is done here, what
// concerns the pool is answered with the host to say it on.

import { parameterValues } from "../requests/control.ts";
import type { Config } from "../../config/config.ts";
import type { StatusDocument } from "../../core/model/status.ts";
import type { PoolCommand } from "../../core/pool/model.ts";
import { enableRefusals } from "../../config/policy.ts";
import type { Check } from "../../drivers/control/answers.ts";
import type { ControlHandler, ControlReply, ControlRequest } from "../../drivers/control/port.ts";
import type { AlertRequest } from "../alerts/alert-requests.ts";
import type { History } from "../history/history.ts";
import type { MemberMaintenance } from "./member-maintenance.ts";
import type { PoolOuterAction, PoolOutsideEvent, PoolSnapshot } from "../brain/pool-brain.ts";
import type { PoolRequest } from "../requests/pool-requests.ts";

export interface MemberControlParts {
  readonly feed: (event: PoolOutsideEvent) => void;
  readonly status: () => StatusDocument | null;
  readonly snapshot: () => PoolSnapshot | null;
  readonly config: () => Config;
  readonly metrics: () => ControlReply;
  /** Parameters and flags in the pool's database. */
  readonly poolRequest: (request: PoolRequest) => Promise<ControlReply>;
  readonly alertRequest: (request: AlertRequest) => Promise<ControlReply>;
  readonly maintenance: MemberMaintenance;
  readonly checks: () => Promise<readonly Check[]>;
  readonly explain: () => ControlReply;
  readonly history: Pick<History, "list">;
  /** What stands against HA beside the configuration and the other hosts; empty: nothing. */
  readonly enableRefusals: () => Promise<readonly string[]>;
}

export interface MemberControl {
  readonly handler: ControlHandler;
  command(body: PoolCommand): Promise<ControlReply>;
  /** The brain's answer to a command. */
  settle(action: PoolOuterAction & { readonly kind: "command-reply" }): void;
}

const COMMAND_MS = 60_000;

export function createMemberControl(parts: MemberControlParts): MemberControl {
  const waiting = new Map<number, (reply: ControlReply) => void>();
  let nextId = 1;

  function command(body: PoolCommand): Promise<ControlReply> {
    const id = nextId++;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        waiting.delete(id);
        const reason = "too few of the pool's hosts have answered within a minute";
        resolve({ kind: "failed", reason, next: "see 'ha-cfg log'" });
      }, COMMAND_MS);
      waiting.set(id, (reply) => {
        clearTimeout(timer);
        resolve(reply);
      });
      parts.feed({ kind: "command", id, command: body });
    });
  }

  const nameOf = (hostId: string): string =>
    parts.config().hosts.find((host) => host.uuid === hostId)?.name ?? hostId.slice(0, 8);

  /** The decision knows hosts by their UUIDs. */
  const named = (sentence: string): string =>
    parts.config().hosts.reduce((said, { uuid, name }) => said.replaceAll(uuid, name), sentence);

  /** Where the pool as a whole is steered. */
  function elsewhere(): ControlReply {
    const leader = parts.snapshot()?.leader ?? null;
    const where = leader === null ? "a host that leads the pool; none answers now" : nameOf(leader);
    return {
      kind: "refused",
      rule: null,
      reason: "this host holds no copy of the storage",
      next: `say it on ${where}`,
    };
  }

  /** Only the leader of a pool without storage of ours gets as far as the command. */
  async function enable(force: boolean): Promise<ControlReply> {
    if (force || parts.snapshot()?.leads !== true) return command({ kind: "enable", force });
    const against = [...enableRefusals(parts.config()), ...(await parts.enableRefusals())];
    if (against.length === 0) return command({ kind: "enable", force });
    return {
      kind: "refused",
      rule: "D1",
      reason: against.join("\n"),
      next: "mend this, then run 'ha-cfg enable' again",
    };
  }

  async function answer(request: ControlRequest, tell: (text: string) => void): Promise<ControlReply> {
    switch (request.kind) {
      case "status":
      case "watch": {
        const status = parts.status();
        if (status !== null) return { kind: "status", status };
        return { kind: "failed", reason: "the daemon has only just started", next: "try again in a second" };
      }
      case "metrics":
        return parts.metrics();
      case "enable":
        return enable(request.force);
      case "disable":
        return command({ kind: "disable" });
      case "maintenance":
        return request.on ? parts.maintenance.begin(tell) : parts.maintenance.end(request.returnVms, tell);
      case "confirm-peer-off": {
        const host = parts.config().hosts.find((one) => one.name === request.peerName);
        if (host !== undefined) return command({ kind: "confirm-off", hostId: host.uuid });
        const reason = `found no host named "${request.peerName}" in tandem.yaml`;
        return { kind: "refused", rule: "A19", reason, next: "type the name of the host that is off" };
      }
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
      case "email":
      case "raise-alert":
      case "clear-alerts":
        return parts.alertRequest(request);
      case "check":
        return { kind: "checks", checks: await parts.checks() };
      case "explain":
        return parts.explain();
      case "history":
        return { kind: "history", failovers: parts.history.list(request.limit) };
      default:
        return elsewhere();
    }
  }

  return {
    command,
    settle(action) {
      const resolve = waiting.get(action.id);
      waiting.delete(action.id);
      const { outcome, rule } = action;
      const [text, next] = [named(action.text), named(action.next)];
      if (outcome === "done") resolve?.({ kind: "done", text });
      else if (outcome === "refused") resolve?.({ kind: "refused", rule, reason: text, next });
      else resolve?.({ kind: "failed", reason: text, next });
    },
    async handler(request, reply) {
      reply(await answer(request, (text) => reply({ kind: "progress", text })));
    },
  };
}
