/**
 * Keeps the database in step with the domains that really exist: a guest that ended by itself, one paused from
 * outside, and what a host that (re)joins still runs. The rules of the rejoin are xapi's resync rules.
 */
import type { Domain } from "./hypervisor.ts";
import { NULL_REF } from "./schema.ts";
import { asTexts, type Json, sleep } from "./types.ts";
import { markHalted, markRunning } from "./vm-power.ts";
import type { Xapi } from "./xapi.ts";

export interface DomainReport {
  readonly vmUuid: string;
  readonly domid: number;
  readonly state: "running" | "paused";
}

export interface DomainChange {
  readonly vmUuid: string;
  readonly domid: number;
  readonly state: "gone" | "running" | "paused";
}

/** On the master: what one host says changed. Said of another domain than the database knows, it is old news. */
export const applyChanges = (xapi: Xapi, host: string, changes: readonly DomainChange[]): void => {
  const { db } = xapi;
  for (const { vmUuid, domid, state } of changes) {
    const vm = db.byUuid("VM", vmUuid);
    if (vm === undefined) continue;
    if (xapi.busy.has(vm)) {
      xapi.missed.set(vm, () => applyChanges(xapi, host, [{ vmUuid, domid, state }]));
      continue;
    }
    if (db.text("VM", vm, "resident_on") !== host || db.get("VM", vm, "domid") !== domid) continue;
    if (state === "gone") markHalted(xapi, vm);
    else {
      const power = state === "paused" ? "Paused" : "Running";
      if (db.text("VM", vm, "power_state") !== power) db.set("VM", vm, { power_state: power });
    }
  }
};

/** On the master, for a host that (re)joins. Answers the uuids whose domains that host must end. */
export const resync = (xapi: Xapi, host: string, domains: readonly DomainReport[]): Json => {
  const { db } = xapi;
  const toEnd: string[] = [];
  const here = new Set(domains.map((domain) => domain.vmUuid));
  for (const { vmUuid, domid, state } of domains) {
    const vm = db.byUuid("VM", vmUuid);
    const resident = vm === undefined ? "" : db.text("VM", vm, "resident_on");
    if (vm === undefined || (resident !== host && resident !== NULL_REF)) toEnd.push(vmUuid);
    else markRunning(xapi, vm, host, domid, state === "paused");
  }
  for (const vm of db.pointingAt("VM", "resident_on", host)) {
    if (db.get("VM", vm, "is_control_domain") === true) continue;
    if (!here.has(db.text("VM", vm, "uuid")) && !xapi.busy.has(vm)) markHalted(xapi, vm);
  }
  return toEnd;
};

/** Asks the master (or this one) what to do with the domains found at start, and does it. */
export const resyncHere = async (xapi: Xapi): Promise<void> => {
  const domains = (await xapi.options.hypervisor.list()) as unknown as Json;
  const args = { host: xapi.options.hostUuid, domains };
  const toEnd = xapi.isMaster
    ? resync(xapi, xapi.here, domains as unknown as DomainReport[])
    : await xapi
        .askMaster("resync", args, xapi.life.signal, true)
        .then((answer) => (answer.kind === "ok" ? answer.value : []));
  for (const vmUuid of asTexts(toEnd)) {
    xapi.log(`ending domain of VM ${vmUuid}: the pool has it elsewhere or does not know it`);
    await xapi.options.hypervisor.destroy(vmUuid);
  }
};

const difference = (before: readonly Domain[], after: readonly Domain[]): DomainChange[] => {
  const now = new Map(after.map((domain) => [domain.domid, domain]));
  const known = new Map(before.map((domain) => [domain.domid, domain.state]));
  const gone = before
    .filter((domain) => !now.has(domain.domid))
    .map((domain) => ({ ...domain, state: "gone" as const }));
  const changed = after.filter((domain) => known.has(domain.domid) && known.get(domain.domid) !== domain.state);
  return [...gone, ...changed];
};

/** Reports every change of a domain to the master, in order, until it took it. */
export const followDomains = async (xapi: Xapi): Promise<void> => {
  const { hypervisor, hostUuid } = xapi.options;
  let known = await hypervisor.list();
  const pending: DomainChange[] = [];
  let sending = false;
  const send = async (): Promise<void> => {
    if (sending) return;
    sending = true;
    while (pending.length > 0 && !xapi.life.signal.aborted) {
      const batch = [...pending];
      if (xapi.isMaster) applyChanges(xapi, xapi.here, batch);
      else {
        const args = { host: hostUuid, changes: batch } as unknown as Json;
        const reply = await xapi.peers.call(xapi.masterAddress, "domains", args, {
          timeoutMs: 10_000,
          signal: xapi.life.signal,
        });
        if (reply.kind !== "ok") {
          await sleep(xapi.timings.helloRetryMs);
          continue;
        }
      }
      pending.splice(0, batch.length);
    }
    sending = false;
  };
  let looking: Promise<void> = Promise.resolve();
  const look = async (): Promise<void> => {
    const now = await hypervisor.list();
    pending.push(...difference(known, now));
    known = now;
    // Not awaited: a dead master must not stop us from looking.
    send().catch((error: unknown) => xapi.log(`report of domains failed: ${String(error)}`));
  };
  const lookSoon = (): void => {
    looking = looking.then(look).catch((error: unknown) => xapi.log(`cannot list domains: ${String(error)}`));
  };
  const stop = hypervisor.watch(lookSoon);
  // A guest may end before anyone listed it: what was started counts as seen.
  xapi.bus.on("domain", (domain: Domain) => {
    known = [...known.filter(({ domid }) => domid !== domain.domid), domain];
    lookSoon();
  });
  xapi.life.signal.addEventListener("abort", stop);
};
