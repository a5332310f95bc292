// What a person is told at once: I/O that stays suspended, whatever it waits for (V10), and an owner that is lost while
// manual mode keeps everybody from acting (A19).

import { moveForbidden, peerOwns, views } from "../facts.ts";
import { inForce } from "../rules.ts";
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

export function watchOwner(turn: Turn): void {
  const { state } = turn;
  const forbidden = state.dead && peerOwns(state) ? moveForbidden(state) : undefined;
  if ((forbidden !== undefined) === state.ownerLossTold || !inForce(state.config, "A19")) return;
  change(turn, { ownerLossTold: forbidden !== undefined });
  if (forbidden === undefined) return void turn.actions.push({ kind: "alert-over", id: "owner-lost" });
  const next = "make sure that it is off, run 'iscsi-cfg confirm-peer-off' and then 'iscsi-cfg become-primary'";
  alert(turn, "owner-lost", `the other host owns the storage and is silent, and ${forbidden}: ${next}`);
}
