// Answers the command-line tools: status and parameters from what is known here, commands through the brain, whose
// one reply ends them.

import { findParameter } from "../config/parameters.ts";
import { enableRefusals } from "../config/policy.ts";
import { insertable } from "../config/pool-changes.ts";
import { POOL_KEY_PREFIX } from "../config/pool-values.ts";
import type { TimerFacts } from "../config/timers.ts";
import type { Config } from "../config/config.ts";
import type { Explanation } from "../core/explain.ts";
import type { Command } from "../core/model/event.ts";
import type { StatusDocument } from "../core/model/status.ts";
import type { OuterAction, OutsideEvent } from "./messages.ts";
import type { ControlHandler, ControlReply, ControlRequest, ParameterValue } from "../drivers/control/port.ts";
import type { FenceReadiness } from "./fence-watch.ts";
import type { Result } from "../util/result.ts";
import type { PoolPart } from "./pool-part.ts";
import type { Settings } from "./settings.ts";

export interface ControlParts {
  readonly feed: (event: OutsideEvent) => void;
  readonly status: () => StatusDocument | null;
  readonly config: () => Config;
  readonly settings: Pick<Settings, "input" | "refusalsOf" | "reconsider">;
  readonly pool: Pick<PoolPart, "setOtherConfig">;
  /** Protected VMs that xapi would start by itself at boot. */
  readonly selfStarting: () => readonly string[];
  /** Passwords never go into other-config (V13). */
  readonly keepSecret: (name: string, text: string) => Promise<Result<"kept", string>>;
  /** The fence path, tried now. */
  readonly fencePath: () => Promise<FenceReadiness>;
  /** Measured timings that the inequalities are checked with at `enable` (A14): they must hold with each of these. */
  readonly facts: () => readonly Partial<TimerFacts>[];
  readonly peerName: () => string;
  /** What the newest snapshot of the brain says that holds this host back. */
  readonly explanations: () => readonly Explanation[];
}

export interface Control {
  readonly handler: ControlHandler;
  /** The daemon's own commands take the same way. */
  command(body: Command): Promise<ControlReply>;
  /** The brain's answer to a command. */
  settle(action: OuterAction & { readonly kind: "command-reply" }): void;
}

const COMMAND_MS = 60_000;

export function createControl(parts: ControlParts): Control {
  const waiting = new Map<number, (reply: ControlReply) => void>();
  let nextId = 1;

  function command(body: Command): Promise<ControlReply> {
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
      parts.feed({ kind: "command", id, command: body });
    });
  }

  return {
    command,
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
      reply(await answer(request));
    },
  };

  async function answer(request: ControlRequest): Promise<ControlReply> {
    switch (request.kind) {
      case "status":
      case "watch": {
        const status = parts.status();
        if (status === null)
          return { kind: "failed", reason: "the daemon has only just started", next: "try again in a second" };
        return { kind: "status", status };
      }
      case "enable":
      case "disable": {
        // What was wrong at the start may be mended by now, and what was right may not be any more.
        if (request.kind === "enable") await parts.settings.reconsider();
        const against = request.kind === "enable" && !request.force ? await refusalsOfEnable() : [];
        if (against.length > 0)
          return {
            kind: "refused",
            rule: "D1",
            reason: against.join("\n"),
            next: "mend this, then run 'ha-cfg enable' again",
          };
        const reply = await command({ kind: request.kind, force: request.force });
        if (reply.kind === "done") await mirror(request.kind === "enable");
        return reply;
      }
      case "manual":
        return command({ kind: "manual", on: request.on, force: request.force });
      case "maintenance":
        return command({ kind: "maintenance", on: request.on });
      case "become-primary":
        return command({ kind: "become-primary", force: request.force });
      case "become-secondary":
        return command({ kind: "become-secondary" });
      case "switch":
        return command({ kind: "switch", storageOnly: request.storageOnly });
      case "confirm-peer-off":
        if (request.peerName !== parts.peerName()) {
          const reason = `found the name "${request.peerName}", expected "${parts.peerName()}"`;
          return { kind: "refused", rule: "A19", reason, next: "type the name of the host that is off" };
        }
        return command({ kind: "confirm-peer-off" });
      case "get":
        return { kind: "parameters", parameters: parameters(parts.config(), request.scope) };
      case "set":
        return set(request.name, request.value);
      case "insert":
        return insert(request.overwrite);
      case "explain":
        return { kind: "text", text: explainText(parts.status(), parts.explanations()) };
      case "history": {
        const events = parts.status()?.events.slice(-request.limit) ?? [];
        const lines = events.map((e) => `${new Date(e.wallMs).toISOString()} ${e.node} ${e.event}: ${e.detail}`);
        return { kind: "text", text: lines.join("\n") };
      }
    }
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

  /** The pool's database shows what the hosts decided; it decides nothing itself (spec part 3, CUSTOM_FIELD_SWITCH). */
  async function mirror(on: boolean): Promise<void> {
    const field = `XenCenter.CustomFields.${parts.config().vm.fieldName}`;
    await parts.pool.setOtherConfig({ "tandem:enabled": String(on), [field]: String(on) });
  }

  async function set(name: string, value: string): Promise<ControlReply> {
    const known = findParameter("pool", name);
    const lists = "'ha-cfg get' lists names and values";
    const refusals = [...parts.settings.refusalsOf({ [known?.name ?? name]: value })];
    if (/\s/.test(value))
      refusals.push(
        `Cannot set ${name}: found white space in the value, expected none; use tandem.yaml for such a value`,
      );
    if (refusals.length > 0 || known === undefined) return { kind: "failed", reason: refusals.join("\n"), next: lists };
    if (known.secret) {
      const kept = await parts.keepSecret(known.name, value);
      if (!kept.ok) return { kind: "failed", reason: kept.error, next: "see 'ha-cfg status'" };
      return { kind: "done", text: value === "" ? `${known.name} is removed` : `${known.name}=[set]` };
    }
    const written = await parts.pool.setOtherConfig({ [`${POOL_KEY_PREFIX}${known.name}`]: value });
    if (!written.ok) return { kind: "failed", reason: written.error, next: "see 'ha-cfg status'" };
    return { kind: "done", text: `${known.name}=${value}` };
  }

  async function insert(overwrite: boolean): Promise<ControlReply> {
    const present = parts.settings.input().pool;
    if (present === null)
      return { kind: "failed", reason: "the pool database is not readable just now", next: "see 'ha-cfg status'" };
    const changes = insertable(present, overwrite);
    const names = Object.entries(changes).map(([key, value]) => [key.slice(POOL_KEY_PREFIX.length), value]);
    const refusals = parts.settings.refusalsOf(Object.fromEntries(names));
    if (refusals.length > 0) return { kind: "failed", reason: refusals.join("\n"), next: "see 'ha-cfg status'" };
    const written = await parts.pool.setOtherConfig(changes);
    if (!written.ok) return { kind: "failed", reason: written.error, next: "see 'ha-cfg status'" };
    return { kind: "done", text: `${Object.keys(changes).length} parameters written to the pool` };
  }
}

function parameters(config: Config, scope: "pool" | "storage"): readonly ParameterValue[] {
  return config.parameters
    .filter((p) => p.scope === scope)
    .map((p) => ({
      name: p.name,
      value: p.value,
      source: p.isDefault ? "default" : p.source === "override" || p.source === "file" ? "local" : "pool",
      default: p.initial,
    }));
}

/** One line per rule that waits or refuses, with its number and the time left. */
export function explainText(status: StatusDocument | null, explanations: readonly Explanation[]): string {
  if (status === null) return "The daemon has only just started.";
  const { own } = status;
  const lines = explanations.map(({ rule, sentence, remainingMs }) => {
    const left = remainingMs === null ? "" : ` (${(remainingMs / 1000).toFixed(1)} s more)`;
    return `${rule}: ${sentence}${left}.`;
  });
  return [`${own.name} is ${own.state}: ${own.outcome}.`, `Policy: ${status.policyNote}`, ...lines].join("\n");
}
