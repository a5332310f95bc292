/** Where a VM may run, computed from the database only (as xapi does), and the locks its disks carry meanwhile. */
import { isLive } from "./host-exec.ts";
import { NULL_REF } from "./schema.ts";
import { asNumber, asRec, fail, XapiFailure } from "./types.ts";
import type { Xapi } from "./xapi.ts";

const disksOf = (xapi: Xapi, vm: string): { vbd: string; vdi: string; mode: string }[] =>
  xapi.db
    .pointingAt("VBD", "VM", vm)
    .map((vbd) => ({ vbd, vdi: xapi.db.text("VBD", vbd, "VDI"), mode: xapi.db.text("VBD", vbd, "mode") }))
    .filter(({ vdi }) => vdi !== NULL_REF && xapi.db.has("VDI", vdi));

/** Bytes free on a host: total less its own need less the running VMs, control domain included. */
export const freeMemory = (xapi: Xapi, host: string): number => {
  const metrics = xapi.db.text("host", host, "metrics");
  const total = asNumber(xapi.db.get("host_metrics", metrics, "memory_total"));
  const used = ["resident_on", "scheduled_to_be_resident_on"]
    .flatMap((field) => xapi.db.pointingAt("VM", field, host))
    .reduce((sum, vm) => sum + memoryNeed(xapi, vm), 0);
  return Math.max(0, total - asNumber(xapi.db.get("host", host, "memory_overhead")) - used);
};

const memoryNeed = (xapi: Xapi, vm: string): number =>
  asNumber(xapi.db.get("VM", vm, "memory_static_max")) + asNumber(xapi.db.get("VM", vm, "memory_overhead"));

const assertDisksFree = (xapi: Xapi, vm: string, host: string): void => {
  for (const { vdi, mode } of disksOf(xapi, vm)) {
    const others = xapi.db.pointingAt("VBD", "VDI", vdi).filter((vbd) => xapi.db.text("VBD", vbd, "VM") !== vm);
    const taken = others.filter((vbd) => xapi.db.get("VBD", vbd, "currently_attached") === true);
    const writers = taken.filter((vbd) => xapi.db.text("VBD", vbd, "mode") === "RW");
    const sharable = xapi.db.get("VDI", vdi, "sharable") === true;
    if (!sharable && (writers.length > 0 || (mode === "RW" && taken.length > 0))) fail("VDI_IN_USE", vdi);
    const locks = Object.keys(asRec(xapi.db.get("VDI", vdi, "sm_config"))).filter((key) => key.startsWith("host_"));
    if (!sharable && locks.some((key) => key !== `host_${host}`)) {
      fail(
        "SR_BACKEND_FAILURE_46",
        "",
        `The VDI is not available [opterr=VDI ${xapi.db.text("VDI", vdi, "uuid")} already attached RW]`,
        "",
      );
    }
  }
};

/** Throws the reason the VM cannot start on the host now. A dead host with live=true passes: xapi knows no better. */
export const assertCanBootHere = (xapi: Xapi, vm: string, host: string, options: { disks?: boolean } = {}): void => {
  if (!xapi.db.has("host", host)) fail("HANDLE_INVALID", "host", host);
  if (!isLive(xapi, host)) fail("HOST_NOT_LIVE");
  if (xapi.db.get("host", host, "enabled") !== true) fail("HOST_DISABLED", host);
  const plugged = new Set(
    xapi.db
      .pointingAt("PBD", "host", host)
      .filter((pbd) => xapi.db.get("PBD", pbd, "currently_attached") === true)
      .map((pbd) => xapi.db.text("PBD", pbd, "SR")),
  );
  for (const { vdi } of disksOf(xapi, vm)) {
    const sr = xapi.db.text("VDI", vdi, "SR");
    if (!plugged.has(sr)) fail("VM_REQUIRES_SR", vm, sr);
  }
  const available = freeMemory(xapi, host);
  const needed = memoryNeed(xapi, vm);
  const residentHere = xapi.db.text("VM", vm, "resident_on") === host;
  if (!residentHere && needed > available) fail("HOST_NOT_ENOUGH_FREE_MEMORY", String(needed), String(available));
  if (options.disks !== false && xapi.db.text("VM", vm, "power_state") !== "Running") assertDisksFree(xapi, vm, host);
};

/** Hosts that pass, supporters before the master (pool.coordinator_bias), then the freest first. */
export const possibleHosts = (xapi: Xapi, vm: string): string[] => {
  const refusals: XapiFailure[] = [];
  const hosts = xapi.db.refs("host").filter((host) => {
    try {
      assertCanBootHere(xapi, vm, host);
      return true;
    } catch (error) {
      if (!(error instanceof XapiFailure)) throw error;
      refusals.push(error);
      return false;
    }
  });
  const diskTrouble = refusals.find(({ code }) => code === "VDI_IN_USE" || code.startsWith("SR_BACKEND_FAILURE"));
  if (hosts.length === 0 && diskTrouble) throw diskTrouble;
  const rank = (host: string): number => (host === xapi.here ? 1 : 0);
  return hosts.toSorted((a, b) => rank(a) - rank(b) || freeMemory(xapi, b) - freeMemory(xapi, a));
};

const removeLocks = (xapi: Xapi, vdi: string, keep: (key: string) => boolean): void => {
  const config = asRec(xapi.db.get("VDI", vdi, "sm_config"));
  const kept = Object.entries(config).filter(([key]) => !key.startsWith("host_") || keep(key));
  if (kept.length !== Object.keys(config).length) xapi.db.set("VDI", vdi, { sm_config: Object.fromEntries(kept) });
};

export const attachDisks = (xapi: Xapi, vm: string, host: string): void => {
  for (const { vbd, vdi, mode } of disksOf(xapi, vm)) {
    if (xapi.db.get("VBD", vbd, "currently_attached") !== true) xapi.db.set("VBD", vbd, { currently_attached: true });
    removeLocks(xapi, vdi, () => false);
    xapi.db.addKey("VDI", vdi, "sm_config", `host_${host}`, mode === "RO" ? "RO" : "RW");
  }
};

export const detachDisks = (xapi: Xapi, vm: string, keepLocks: boolean): void => {
  for (const { vbd, vdi } of disksOf(xapi, vm)) {
    if (xapi.db.get("VBD", vbd, "currently_attached") !== false) xapi.db.set("VBD", vbd, { currently_attached: false });
    if (!keepLocks) removeLocks(xapi, vdi, () => false);
  }
};

/** What the shipped 10resetvdis hook does: a dead host holds no disk any more. */
export const resetDiskLocks = (xapi: Xapi, host: string): void => {
  for (const vdi of xapi.db.refs("VDI")) removeLocks(xapi, vdi, (key) => key !== `host_${host}`);
};
