// D7, D16, A11: after the storage: the peer's VMs and the pool-master role. Never delays storage, never without proof.

import {
  inContact,
  isOwner,
  isSolo,
  leftCleanly,
  provenOff,
  quiet,
  serving,
  restartAfterMs,
  hostLossForbidden,
} from "../facts.ts";
import { valueOf } from "../model/observation.ts";
import type { State } from "../model/state.ts";
import type { Instant } from "../model/time.ts";
import { demands, inForce } from "../rules.ts";
import { change, effect, log, type Turn } from "../turn.ts";

const MAX_ATTEMPTS = 5;
const RETRY_MS = 10_000;

/**
 * D7: why the peer's VMs are not started here now; undefined = they may be. Asked again before each start. `granted`: would
 * it be so if the witness's grant had been held for long enough?
 */
export function restartRefusal(state: State, now: Instant, granted = false): string | undefined {
  const { config, votes } = state;
  if (!config.mayRestart) return "SLAVE_HA is 0 on this host";
  const forbidden = hostLossForbidden(state);
  if (forbidden !== undefined) return forbidden;
  if (!isOwner(state) || !serving(state)) return "this host does not serve the storage";
  // A daemon that dies in between is followed by one that knows a soft fence by domains which all stand still (D10).
  if (state.softFenced) return "this host's own VMs stand still until its soft fence is over";
  if (!demands(config, "D7", isSolo(state))) return "the other copy is not barred";
  if (inContact(state, now)) return "the other host answers";
  if (!demands(config, "D7", quiet(state, now))) return "waiting until nothing of the other host was heard for a while";
  if (state.fence.confirmed || provenOff(state)) return undefined;
  switch (config.policy) {
    case "strict":
      return demands(config, "D7", false) ? undefined : "the other host is not proven off";
    case "vote":
    case "strict+vote": {
      const run = votes.runSince === null ? 0 : now - votes.runSince;
      const need = restartAfterMs(state, now);
      return demands(config, "D7", run >= need)
        ? undefined
        : `the vote was held for ${Math.floor(run / 1000)} of ${Math.ceil(need / 1000)} s`;
    }
    case "witness": {
      const { grantedAt } = state.witness;
      const need = restartAfterMs(state, now);
      // The other host learns within a sample, or loses it, that it is ruled out, and has fenced itself before this is over.
      if (granted || demands(config, "D7", grantedAt !== null && now - grantedAt >= need)) return undefined;
      return grantedAt === null
        ? "no witness granted the storage to this host"
        : `the witness's grant was held for ${Math.floor((now - grantedAt) / 1000)} of ${Math.ceil(need / 1000)} s`;
    }
  }
}

/** A11: the storage owner decides which toolstack may be promoted: its own, when the old master is proven gone. */
export function promotionRefusal(state: State, now: Instant): string | undefined {
  const forbidden = hostLossForbidden(state);
  if (forbidden !== undefined) return forbidden;
  if (!isOwner(state) || !serving(state) || !isSolo(state)) return "this host does not serve the storage alone";
  if (inContact(state, now)) return "the other host answers";
  if (valueOf(state.xapi)?.role !== "supporter") return "this host's toolstack is not a supporter";
  return restartRefusal(state, now);
}

export function recoverPool(turn: Turn): void {
  promote(turn);
  const { state, now } = turn;
  if (valueOf(state.xapi)?.role !== "master" || state.promotion?.phase === "running") return;
  const { recovery } = state;
  if (recovery !== null) {
    if (recovery.phase !== "failed" || recovery.attempts >= MAX_ATTEMPTS || now - recovery.at < RETRY_MS) return;
  }
  if (!state.suspected || restartRefusal(state, now) !== undefined) return;
  // A13: it gave everything back and comes back; declared dead meanwhile, its toolstack would find itself forgotten.
  if (leftCleanly(state, now) && !state.fence.confirmed) return;
  if (!barPeer(turn)) return;
  const id = effect(turn, { kind: "recover-peer" });
  change(turn, { recovery: { phase: "running", id, attempts: (recovery?.attempts ?? 0) + 1, at: now } });
  log(turn, "vm.starting", "the other host is gone: its VMs start here (D7)");
}

/** The repair that ends the bar of D16. */
export const READMIT = "readmit the other host";

/** D16: the peer's initiators lose the target before its VMs run anywhere else. True once that is done. */
export function barPeer(turn: Turn): boolean {
  const { state, now } = turn;
  if (!inForce(state.config, "D16")) return true;
  const bar = state.repairs["bar-peer"];
  // A readmission that is under way or failed leaves open what the target does: bar again.
  const { [READMIT]: readmission, ...others } = state.repairs;
  if (state.barred && bar === undefined && readmission === undefined) return true;
  if (bar !== undefined && (bar.id !== -1 || now - bar.at < 1_000)) return false;
  const id = effect(turn, { kind: "target-bar-peer" });
  const failures = bar?.failures ?? 0;
  change(turn, { barred: true, repairs: { ...others, "bar-peer": { id, at: now, failures } } });
  return false;
}

function promote(turn: Turn): void {
  const { state, now } = turn;
  const { promotion } = state;
  if (promotion !== null) {
    if (promotion.phase !== "failed" || promotion.attempts >= MAX_ATTEMPTS || now - promotion.at < RETRY_MS) return;
  }
  if (!state.suspected || promotionRefusal(state, now) !== undefined) return;
  const id = effect(turn, { kind: "xapi-promote" });
  change(turn, { promotion: { phase: "running", id, attempts: (promotion?.attempts ?? 0) + 1, at: now } });
  log(turn, "xapi.lost", "the pool master is gone: this host's toolstack takes the role (A11)", "warn");
}
