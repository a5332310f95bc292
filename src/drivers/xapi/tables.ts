// The pool as events build it up: one table per class, and the view made of them. No I/O; it must never publish a view
// from half a pool: a host without its metrics or a master that is not in the table is "not complete yet".

import { err, ok, type Result } from "../../util/result.ts";
import type { HostRecord, PoolRecord, PoolView, VmRecord, XapiValue } from "./port.ts";
import {
  parseAppliance,
  parseCertificate,
  parseHost,
  parseHostMetrics,
  parsePbd,
  parsePool,
  parseSr,
  parseVm,
  toPoolVm,
  type EventBatch,
  type HostMetrics,
  type PoolAppliance,
  type PoolCertificate,
  type PoolPbd,
  type PoolSr,
} from "./parse.ts";

export const WATCHED_CLASSES = [
  "pool",
  "host",
  "host_metrics",
  "vm",
  "vm_appliance",
  "pbd",
  "sr",
  "certificate",
] as const;
type WatchedClass = (typeof WATCHED_CLASSES)[number];

export interface PoolTables {
  /** The first record that cannot be read fails the batch; the tables are then to be thrown away. */
  apply(batch: EventBatch): Result<"applied", string>;
  /** The tables hold exactly what xapi counts; null, or what differs. */
  miscount(counts: EventBatch["counts"]): string | null;
  view(): Result<PoolView, string>;
}

export function createPoolTables(): PoolTables {
  const pools = new Map<string, PoolRecord>();
  const hosts = new Map<string, HostRecord>();
  const metrics = new Map<string, HostMetrics>();
  const vms = new Map<string, VmRecord>();
  const appliances = new Map<string, PoolAppliance>();
  const pbds = new Map<string, PoolPbd>();
  const srs = new Map<string, PoolSr>();
  const certificates = new Map<string, PoolCertificate | null>();
  const tables: Record<WatchedClass, Map<string, unknown>> = {
    pool: pools,
    host: hosts,
    host_metrics: metrics,
    vm: vms,
    vm_appliance: appliances,
    pbd: pbds,
    sr: srs,
    certificate: certificates,
  };

  function keep<T>(table: Map<string, T>, ref: string, parsed: Result<T, string>): Result<"applied", string> {
    if (!parsed.ok) return parsed;
    table.set(ref, parsed.value);
    return ok("applied");
  }

  function put(name: WatchedClass, ref: string, record: XapiValue): Result<"applied", string> {
    switch (name) {
      case "pool":
        return keep(pools, ref, parsePool(ref, record));
      case "host":
        return keep(hosts, ref, parseHost(ref, record));
      case "host_metrics":
        return keep(metrics, ref, parseHostMetrics(ref, record));
      case "vm":
        return keep(vms, ref, parseVm(ref, record));
      case "vm_appliance":
        return keep(appliances, ref, parseAppliance(ref, record));
      case "pbd":
        return keep(pbds, ref, parsePbd(ref, record));
      case "sr":
        return keep(srs, ref, parseSr(ref, record));
      case "certificate":
        return keep(certificates, ref, parseCertificate(ref, record));
    }
  }

  return {
    apply(batch) {
      for (const event of batch.events) {
        const name = WATCHED_CLASSES.find((watched) => watched === event.className);
        if (name === undefined) continue;
        if (event.operation === "del") {
          tables[name].delete(event.ref);
          continue;
        }
        // An object that went away between the event and its answer has no snapshot; its `del` follows.
        if (event.snapshot === undefined) continue;
        const kept = put(name, event.ref, event.snapshot);
        if (!kept.ok) return kept;
      }
      return ok("applied");
    },
    miscount(counts) {
      for (const name of WATCHED_CLASSES) {
        const expected = counts[name];
        if (expected !== undefined && expected !== tables[name].size) {
          return `${name}: found ${tables[name].size} records, expected ${expected}`;
        }
      }
      return null;
    },
    view() {
      const [pool] = pools.values();
      if (pool === undefined || pools.size !== 1) return err(`found ${pools.size} pool records, expected 1`);
      if (!hosts.has(pool.masterRef)) return err(`the pool's master ${pool.masterRef} is not among its hosts`);
      const viewHosts: PoolView["hosts"][number][] = [];
      const controlDomains = [...vms.values()].filter((vm) => vm.controlDomain);
      for (const { metricsRef, memoryOverhead, ...host } of hosts.values()) {
        const measured = metrics.get(metricsRef);
        if (measured === undefined) return err(`host ${host.name} has no metrics record`);
        const own = controlDomains.filter((vm) => vm.residentOn === host.ref);
        const taken = own.reduce((sum, vm) => sum + vm.memoryStaticMax + vm.memoryOverhead, memoryOverhead);
        viewHosts.push({ ...host, ...measured, memoryForGuests: Math.max(0, measured.memoryTotal - taken) });
      }
      return ok({
        poolRef: pool.ref,
        poolUuid: pool.uuid,
        masterRef: pool.masterRef,
        haEnabled: pool.haEnabled,
        otherConfig: pool.otherConfig,
        hosts: viewHosts,
        vms: [...vms.values()].filter((vm) => vm.real).map(toPoolVm),
        appliances: [...appliances.values()],
        pbds: [...pbds.values()],
        srs: [...srs.values()],
        certificates: [...certificates.values()].filter((one) => one !== null),
      });
    },
  };
}
