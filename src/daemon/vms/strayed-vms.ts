// VMs that run on this host and that xapi calls halted. A host that was declared dead while it lived leaves them: xapi asks
// nobody (xapi.md 0.7), and a VM that runs on in its contact again is in no record. Whoever starts it by hand runs it twice.
// A toolstack tells the pool what runs on its host when it starts, so this host's is started anew; what stays is told.

import type { VmFacts } from "../../core/decide/vms/protection.ts";
import type { DomainFact } from "../../core/model/event.ts";
import type { Instant, Millis } from "../../core/model/time.ts";
import type { Alerts } from "../alerts/alerts.ts";

export interface StrayedVm extends Pick<VmFacts, "uuid" | "name"> {
  /** An operation of xapi on it is under way, and may yet put the record right. */
  readonly busy: boolean;
}

/** An operation of xapi, or the end of a domain, is in its database within seconds. */
const LASTS_MS: Millis = 20_000;
/** A toolstack that starts is missed by the pool for some seconds. */
const APART_MS: Millis = 600_000;
/** While something strayed there is a pass a second: after a longer pause nobody knows what was in between. */
const GAP_MS: Millis = 5_000;

/** Of these VMs the ones with a domain on this host and no power by xapi's database. */
export function strayed(vms: readonly VmFacts[], domains: readonly DomainFact[]): readonly StrayedVm[] {
  const here = new Set(domains.map(({ uuid }) => uuid));
  return vms
    .filter((vm) => vm.powerState === "Halted" && here.has(vm.uuid))
    .map(({ uuid, name, operations }) => ({ uuid, name, busy: operations.length > 0 }));
}

export interface StrayWatchParts {
  readonly now: () => Instant;
  /** Resolves with why it failed; null: done. */
  readonly restart: () => Promise<string | null>;
  readonly alerts: Pick<Alerts, "raise" | "clear">;
  readonly log: (event: string, detail: string, level?: "info" | "warn" | "error") => void;
}

export interface StrayLook {
  /** This host does nothing about its VMs now. */
  readonly handsOff: boolean;
  /** The toolstack starts or moves a VM, or a role moves: it is not started anew in the middle of that. */
  readonly toolstackBusy: boolean;
}

export interface StrayWatch {
  /** What a pass found, by a list of domains that is true now. */
  see(found: readonly StrayedVm[], how: StrayLook): void;
}

/** Restarts the toolstack once for each VM that strayed, and no sooner than ten minutes after the last time. */
export function createStrayWatch({ now, restart, alerts, log }: StrayWatchParts): StrayWatch {
  const since = new Map<string, Instant>();
  /** Until the VM has strayed no more; a record that a start of the toolstack did not mend is not mended by the next one. */
  const tried = new Set<string>();
  let restartedAt = -Infinity;
  let seenAt = -Infinity;

  function forget(uuid: string): void {
    since.delete(uuid);
    tried.delete(uuid);
    alerts.clear(`vm-strayed:${uuid}`);
  }

  return {
    see(found, { handsOff, toolstackBusy }) {
      const at = now();
      const anew = handsOff || at - seenAt > GAP_MS;
      seenAt = at;
      for (const uuid of since.keys()) if (!found.some((vm) => vm.uuid === uuid)) forget(uuid);
      for (const { uuid, busy } of found) if (anew || busy || !since.has(uuid)) since.set(uuid, at);
      const lasting = found.filter(({ uuid }) => at - (since.get(uuid) ?? at) >= LASTS_MS);
      for (const { uuid, name } of lasting)
        alerts.raise(
          `vm-strayed:${uuid}`,
          `${name} runs on this host and xapi calls it halted: do not start it, it would run twice`,
        );
      const fresh = lasting.filter(({ uuid }) => !tried.has(uuid));
      if (fresh.length === 0 || toolstackBusy || at - restartedAt < APART_MS) return;
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
