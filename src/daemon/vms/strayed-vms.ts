// VMs that run on this host and that xapi calls halted. A host that was declared dead while it lived leaves them: xapi asks
// nobody (xapi.md 0.7), and a VM that runs on in its contact again is in no record. Whoever starts it by hand runs it twice.
// A toolstack tells the pool what runs on its host when it starts, so this host's is started anew; what stays is told.

import type { VmFacts } from "../../core/decide/vms/protection.ts";
import type { DomainFact } from "../../core/model/event.ts";
import type { Instant, Millis } from "../../core/model/time.ts";
import type { Alerts } from "../alerts/alerts.ts";

export type StrayedVm = Pick<VmFacts, "uuid" | "name">;

/** An operation of xapi, or the end of a domain, is in its database within seconds. */
const LASTS_MS: Millis = 20_000;
/** A toolstack that starts is missed by the pool for some seconds. */
const APART_MS: Millis = 600_000;

/** Of these VMs the ones with a domain on this host and no power by xapi's database. */
export function strayed(vms: readonly VmFacts[], domains: readonly DomainFact[]): readonly StrayedVm[] {
  const here = new Set(domains.map(({ uuid }) => uuid));
  return vms.filter((vm) => vm.powerState === "Halted" && vm.operations.length === 0 && here.has(vm.uuid));
}

export interface StrayWatchParts {
  readonly now: () => Instant;
  /** Resolves with why it failed; null: done. */
  readonly restart: () => Promise<string | null>;
  readonly alerts: Pick<Alerts, "raise" | "clear">;
  readonly log: (event: string, detail: string, level?: "info" | "warn" | "error") => void;
}

export interface StrayWatch {
  /** What a pass found; `handsOff`: this host does nothing about its VMs now. */
  see(found: readonly StrayedVm[], handsOff: boolean): void;
}

/** Restarts the toolstack once for each VM that strayed, and no sooner than ten minutes after the last time. */
export function createStrayWatch({ now, restart, alerts, log }: StrayWatchParts): StrayWatch {
  const since = new Map<string, Instant>();
  const tried = new Set<string>();
  let restartedAt = -Infinity;

  function forget(uuid: string): void {
    since.delete(uuid);
    tried.delete(uuid);
    alerts.clear(`vm-strayed:${uuid}`);
  }

  return {
    see(found, handsOff) {
      const at = now();
      for (const uuid of since.keys()) if (!found.some((vm) => vm.uuid === uuid)) forget(uuid);
      for (const { uuid } of found) if (handsOff || !since.has(uuid)) since.set(uuid, at);
      const lasting = found.filter(({ uuid }) => at - (since.get(uuid) ?? at) >= LASTS_MS);
      for (const { uuid, name } of lasting)
        alerts.raise(
          `vm-strayed:${uuid}`,
          `${name} runs on this host and xapi calls it halted: do not start it, it would run twice`,
        );
      const fresh = lasting.filter(({ uuid }) => !tried.has(uuid));
      if (fresh.length === 0 || at - restartedAt < APART_MS) return;
      restartedAt = at;
      for (const { uuid } of fresh) tried.add(uuid);
      const names = fresh.map(({ name }) => name).join(", ");
      log("pool.step", `the toolstack of this host starts anew and tells the pool that it runs ${names}`, "warn");
      void restart().then((failure) => {
        if (failure !== null) log("action.failed", `restart the toolstack: ${failure}`, "error");
      });
    },
  };
}
