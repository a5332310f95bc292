// An operator's command while it runs: its phase, and the one reply it ends with.

import type { PendingCommand } from "../model/state.ts";
import { change, type Turn } from "../turn.ts";

type Outcome = "done" | "refused" | "failed";

export function reply(
  turn: Turn,
  id: number,
  outcome: Outcome,
  text: string,
  next = "",
  rule: string | null = null,
): void {
  turn.actions.push({ kind: "command-reply", id, outcome, rule, text, next });
}

export function wait(
  turn: Turn,
  id: number,
  kind: PendingCommand["kind"],
  phase: string,
  pending: number | null = null,
): void {
  change(turn, { commands: [...turn.state.commands, { id, kind, startedAt: turn.now, phase, pending }] });
}

export function end(turn: Turn, command: PendingCommand, outcome: Outcome, text: string, next = ""): void {
  change(turn, { commands: turn.state.commands.filter((c) => c.id !== command.id) });
  const tookMs = Math.round(turn.now - command.startedAt);
  reply(turn, command.id, outcome, outcome === "done" ? `${text} (${tookMs} ms)` : text, next);
}

export function to(turn: Turn, command: PendingCommand, phase: string, pending: number | null = null): void {
  change(turn, { commands: turn.state.commands.map((c) => (c.id === command.id ? { ...c, phase, pending } : c)) });
}
