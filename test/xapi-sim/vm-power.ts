/** Power states of VMs on the master: each change asks a host's hypervisor first and writes the database after. */
import { createMessage } from "./messages.ts";
import { hasDrivers } from "./allowed.ts";
import { execOn } from "./host-exec.ts";
import { assertCanBootHere, attachDisks, detachDisks, possibleHosts } from "./placement.ts";
import { NULL_REF } from "./schema.ts";
import { asNumber, asRec, asText, fail, type Json, type Rec, sleep, xapiTime } from "./types.ts";
import type { Xapi } from "./xapi.ts";

/** xapi prints the wanted states in lower case, alternatives joined by a comma and a space. */
export const requireState = (xapi: Xapi, vm: string, ...wanted: string[]): void => {
  const actual = xapi.db.text("VM", vm, "power_state");
  if (wanted.includes(actual)) return;
  fail("VM_BAD_POWER_STATE", vm, wanted.map((state) => state.toLowerCase()).join(", "), actual.toLowerCase());
};

const assertNotTemplate = (xapi: Xapi, vm: string, operation: string): void => {
  if (xapi.db.get("VM", vm, "is_a_template") === true) fail("VM_IS_TEMPLATE", vm, operation);
};

/** Runs one operation on a VM, alone. */
export const withVm = async <T>(xapi: Xapi, vm: string, operation: string, work: () => Promise<T>): Promise<T> => {
  const running = xapi.busy.get(vm);
  if (running !== undefined) fail("OTHER_OPERATION_IN_PROGRESS", "VM", vm, running);
  const blocked = asRec(xapi.db.get("VM", vm, "blocked_operations"))[operation];
  if (blocked !== undefined) fail("OPERATION_BLOCKED", vm, asText(blocked));
  xapi.busy.set(vm, operation);
  xapi.db.touch("VM", vm);
  try {
    return await work();
  } finally {
    xapi.busy.delete(vm);
    if (xapi.db.has("VM", vm)) xapi.db.touch("VM", vm);
    const news = xapi.missed.get(vm);
    xapi.missed.delete(vm);
    news?.();
  }
};

const specOf = (xapi: Xapi, vm: string): Rec => {
  const record = xapi.db.record("VM", vm);
  const given = asText(asRec(record["other_config"])["lab:args"]);
  return {
    vmUuid: record["uuid"] ?? "",
    name: record["name_label"] ?? "",
    args: given === "" ? [] : (JSON.parse(given) as Json),
    memoryBytes: record["memory_static_max"] ?? 0,
    vcpus: record["VCPUs_max"] ?? 1,
  };
};

/** Writes that the VM runs on a host. */
export const markRunning = (xapi: Xapi, vm: string, host: string, domid: number, paused: boolean): void => {
  attachDisks(xapi, vm, host);
  const state = { power_state: paused ? "Paused" : "Running", resident_on: host, domid };
  xapi.db.set("VM", vm, { ...state, scheduled_to_be_resident_on: NULL_REF });
};

/** Writes that the VM runs nowhere. `keepLocks`: its host died, so nobody released its disks. */
export const markHalted = (xapi: Xapi, vm: string, keepLocks = false): void => {
  detachDisks(xapi, vm, keepLocks);
  xapi.db.set("VM", vm, {
    power_state: "Halted",
    resident_on: NULL_REF,
    scheduled_to_be_resident_on: NULL_REF,
    domid: -1,
  });
};

const bringUp = async (xapi: Xapi, vm: string, host: string, paused: boolean, image?: string): Promise<void> => {
  xapi.db.set("VM", vm, { scheduled_to_be_resident_on: host });
  try {
    const args = { ...specOf(xapi, vm), paused, ...(image === undefined ? {} : { image }) };
    const domid = await execOn(xapi, host, "domain.start", args);
    markRunning(xapi, vm, host, asNumber(domid), paused);
  } catch (error) {
    xapi.db.set("VM", vm, { scheduled_to_be_resident_on: NULL_REF });
    throw error;
  }
  const metrics = xapi.db.text("VM", vm, "metrics");
  if (xapi.db.has("VM_metrics", metrics)) xapi.db.set("VM_metrics", metrics, { start_time: xapiTime() });
};

export const startVm = async (xapi: Xapi, vm: string, host: string | undefined, paused: boolean): Promise<void> => {
  const operation = host === undefined ? "start" : "start_on";
  assertNotTemplate(xapi, vm, operation);
  requireState(xapi, vm, "Halted");
  await withVm(xapi, vm, operation, async () => {
    if (host !== undefined) assertCanBootHere(xapi, vm, host);
    const chosen = host ?? possibleHosts(xapi, vm)[0] ?? fail("NO_HOSTS_AVAILABLE");
    await bringUp(xapi, vm, chosen, paused);
    createMessage(xapi, "VM_STARTED", 5, "VM", xapi.db.text("VM", vm, "uuid"), "");
    await sleep(asNumber(xapi.db.get("VM", vm, "start_delay")) * 1000);
  });
};

export const hardShutdown = async (xapi: Xapi, vm: string): Promise<void> => {
  requireState(xapi, vm, "Paused", "Suspended", "Running");
  await withVm(xapi, vm, "hard_shutdown", async () => {
    if (xapi.db.text("VM", vm, "power_state") === "Suspended") dropImage(xapi, vm);
    else
      await execOn(xapi, xapi.db.text("VM", vm, "resident_on"), "domain.destroy", {
        vmUuid: xapi.db.text("VM", vm, "uuid"),
      });
    markHalted(xapi, vm);
  });
  createMessage(xapi, "VM_SHUTDOWN", 5, "VM", xapi.db.text("VM", vm, "uuid"), "");
};

const requireDrivers = (xapi: Xapi, vm: string): void => {
  if (!hasDrivers(xapi.db, vm)) fail("VM_LACKS_FEATURE", vm);
};

export const cleanShutdown = async (xapi: Xapi, vm: string): Promise<void> => {
  requireState(xapi, vm, "Running");
  requireDrivers(xapi, vm);
  await withVm(xapi, vm, "clean_shutdown", async () => {
    const host = xapi.db.text("VM", vm, "resident_on");
    const ended = await execOn(xapi, host, "domain.shutdown", { vmUuid: xapi.db.text("VM", vm, "uuid") });
    if (ended !== true) fail("VM_SHUTDOWN_TIMEOUT", "VM", vm, String(xapi.timings.shutdownMs / 1000));
    markHalted(xapi, vm);
  });
  createMessage(xapi, "VM_SHUTDOWN", 5, "VM", xapi.db.text("VM", vm, "uuid"), "");
};

/** hard_reboot and clean_reboot: the domain ends and a new one starts on the same host. */
export const reboot = async (xapi: Xapi, vm: string, clean: boolean): Promise<void> => {
  requireState(xapi, vm, "Running", ...(clean ? [] : ["Paused"]));
  if (clean) requireDrivers(xapi, vm);
  await withVm(xapi, vm, clean ? "clean_reboot" : "hard_reboot", async () => {
    const host = xapi.db.text("VM", vm, "resident_on");
    const target = { vmUuid: xapi.db.text("VM", vm, "uuid") };
    const ended = clean ? await execOn(xapi, host, "domain.shutdown", target) : true;
    if (ended !== true) fail("VM_SHUTDOWN_TIMEOUT", "VM", vm, String(xapi.timings.shutdownMs / 1000));
    if (!clean) await execOn(xapi, host, "domain.destroy", target);
    await bringUp(xapi, vm, host, false);
  });
};

export const pauseVm = async (xapi: Xapi, vm: string, pause: boolean): Promise<void> => {
  requireState(xapi, vm, pause ? "Running" : "Paused");
  const operation = pause ? "pause" : "unpause";
  await withVm(xapi, vm, operation, async () => {
    const host = xapi.db.text("VM", vm, "resident_on");
    await execOn(xapi, host, `domain.${operation}`, { vmUuid: xapi.db.text("VM", vm, "uuid") });
    xapi.db.set("VM", vm, { power_state: pause ? "Paused" : "Running" });
  });
};

/** The guest's state is kept as a VDI whose other_config carries it: replicated with the database, not on the SR. */
export const suspendVm = async (xapi: Xapi, vm: string): Promise<void> => {
  requireState(xapi, vm, "Running");
  requireDrivers(xapi, vm);
  await withVm(xapi, vm, "suspend", async () => {
    const host = xapi.db.text("VM", vm, "resident_on");
    const image = asText(await execOn(xapi, host, "domain.save", { vmUuid: xapi.db.text("VM", vm, "uuid") }));
    const [pool = NULL_REF] = xapi.db.refs("pool");
    const sr = xapi.db.text("pool", pool, "default_SR");
    const vdi = xapi.db.create("VDI", {
      name_label: "Suspend image",
      type: "suspend",
      SR: sr,
      other_config: { image },
    });
    markHalted(xapi, vm);
    xapi.db.set("VM", vm, { power_state: "Suspended", suspend_VDI: vdi });
  });
};

const dropImage = (xapi: Xapi, vm: string): string => {
  const vdi = xapi.db.text("VM", vm, "suspend_VDI");
  if (!xapi.db.has("VDI", vdi)) return "";
  const image = asText(asRec(xapi.db.get("VDI", vdi, "other_config"))["image"]);
  xapi.db.destroy("VDI", vdi);
  xapi.db.set("VM", vm, { suspend_VDI: NULL_REF });
  return image;
};

export const resumeVm = async (xapi: Xapi, vm: string, host: string | undefined, paused: boolean): Promise<void> => {
  requireState(xapi, vm, "Suspended");
  await withVm(xapi, vm, host === undefined ? "resume" : "resume_on", async () => {
    if (host !== undefined) assertCanBootHere(xapi, vm, host);
    const chosen = host ?? possibleHosts(xapi, vm)[0] ?? fail("NO_HOSTS_AVAILABLE");
    const image = asText(asRec(xapi.db.get("VDI", xapi.db.text("VM", vm, "suspend_VDI"), "other_config"))["image"]);
    await bringUp(xapi, vm, chosen, paused, image);
    dropImage(xapi, vm);
  });
};

/** Live migration. When the destination cannot build the domain the source starts it again from the same state. */
export const poolMigrate = async (xapi: Xapi, vm: string, to: string): Promise<void> => {
  requireState(xapi, vm, "Running");
  requireDrivers(xapi, vm);
  await withVm(xapi, vm, "pool_migrate", async () => {
    const source = xapi.db.text("VM", vm, "resident_on");
    if (source === to) return;
    assertCanBootHere(xapi, vm, to);
    await execOn(xapi, to, "ping", {});
    const image = asText(await execOn(xapi, source, "domain.save", { vmUuid: xapi.db.text("VM", vm, "uuid") }));
    detachDisks(xapi, vm, false);
    try {
      await bringUp(xapi, vm, to, false, image);
    } catch (error) {
      await bringUp(xapi, vm, source, false, image);
      throw error;
    }
  });
};
