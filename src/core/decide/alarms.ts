// V10: I/O that stays suspended is told to a person, whatever it waits for.

import { views } from "../facts.ts";
import { alert, change, type Turn } from "../turn.ts";
import { waitingFor } from "../view.ts";

export function watchSuspension(turn: Turn): void {
  const { suspension, config } = turn.state;
  if (!views(turn.state).some((v) => v?.suspended === true)) {
    if (suspension === null) return;
    if (suspension.alarmed) turn.actions.push({ kind: "alert-over", id: "io-suspended" });
    return change(turn, { suspension: null });
  }
  if (suspension === null) return change(turn, { suspension: { since: turn.now, alarmed: false } });
  const suspendedMs = turn.now - suspension.since;
  if (suspension.alarmed || suspendedMs < config.timers.take) return;
  const seconds = Math.round(suspendedMs / 1000);
  alert(turn, "io-suspended", `I/O is suspended for ${seconds} s; waiting for: ${waitingFor(turn.state, turn.now)}`);
  change(turn, { suspension: { ...suspension, alarmed: true } });
}
