/** Builds a first database from the seed file of a lab. The same seed gives the same references on every host. */
import { Database, refFor } from "./db.ts";
import { NULL_REF } from "./schema.ts";
import type { Rec } from "./types.ts";

export interface SeedPif {
  readonly device: string;
  readonly IP?: string;
  readonly netmask?: string;
  readonly MAC?: string;
  readonly management?: boolean;
}
export interface SeedHost {
  readonly uuid: string;
  readonly name: string;
  readonly address: string;
  readonly memoryBytes?: number;
  readonly controlDomainUuid?: string;
  readonly pifs?: readonly SeedPif[];
  /** Further fields of the host record. */
  readonly fields?: Rec;
}
export interface SeedSr {
  readonly uuid: string;
  readonly name: string;
  readonly type?: string;
  readonly shared?: boolean;
  readonly deviceConfig?: Readonly<Record<string, string>>;
  /** Host uuids that have a PBD; all hosts when left out. */
  readonly hosts?: readonly string[];
  /** Whether the PBDs start as attached (true unless given). */
  readonly attached?: boolean;
}
export interface SeedDisk {
  readonly sr: string;
  readonly uuid?: string;
  readonly sizeBytes?: number;
  readonly name?: string;
}
export interface SeedVm {
  readonly uuid: string;
  readonly name: string;
  readonly memoryBytes?: number;
  readonly vcpus?: number;
  readonly disks?: readonly SeedDisk[];
  /** Arguments of the VM's process in the lab; stored as other_config["lab:args"]. */
  readonly args?: readonly string[];
  /** True gives the guest PV drivers: clean shutdown, suspend and live migration work. */
  readonly pvDrivers?: boolean;
  readonly appliance?: string;
  readonly otherConfig?: Readonly<Record<string, string>>;
  readonly fields?: Rec;
}
export interface Seed {
  readonly pool: {
    readonly uuid: string;
    readonly name?: string;
    readonly otherConfig?: Readonly<Record<string, string>>;
  };
  /** The first host is the master the database starts with. */
  readonly hosts: readonly SeedHost[];
  readonly srs?: readonly SeedSr[];
  readonly appliances?: readonly { readonly uuid: string; readonly name: string }[];
  readonly vms?: readonly SeedVm[];
}

const DOM0_MEMORY = 1024 * 1048576;

const addHost = (db: Database, host: SeedHost): void => {
  const ref = refFor("host", host.uuid);
  const dom0Uuid = host.controlDomainUuid ?? refFor("dom0", host.uuid).slice("OpaqueRef:".length);
  const dom0 = refFor("VM", dom0Uuid);
  const metrics = refFor("host_metrics", host.uuid);
  const metricsRecord: Rec = { uuid: metrics.slice("OpaqueRef:".length), live: false };
  if (host.memoryBytes !== undefined) metricsRecord["memory_total"] = host.memoryBytes;
  db.create("host_metrics", metricsRecord, metrics);
  const names = { name_label: host.name, hostname: host.name, address: host.address };
  db.create("host", { uuid: host.uuid, ...names, metrics, control_domain: dom0, ...host.fields }, ref);
  const memory = {
    memory_static_max: DOM0_MEMORY,
    memory_static_min: DOM0_MEMORY,
    memory_dynamic_max: DOM0_MEMORY,
    memory_dynamic_min: DOM0_MEMORY,
    memory_target: DOM0_MEMORY,
  };
  const domain = { is_control_domain: true, power_state: "Running", domid: 0, resident_on: ref, affinity: ref };
  db.create("VM", { uuid: dom0Uuid, name_label: `Control domain on host: ${host.name}`, ...memory, ...domain }, dom0);
  for (const pif of host.pifs ?? []) {
    const network = refFor("network", pif.device);
    if (!db.has("network", network)) {
      const label = `Pool-wide network associated with ${pif.device}`;
      db.create("network", { uuid: network.slice(10), name_label: label, bridge: `xenbr-${pif.device}` }, network);
    }
    const pifRef = refFor("PIF", `${host.uuid}/${pif.device}`);
    db.create("PIF", { management: false, ...pif, uuid: pifRef.slice(10), host: ref, network }, pifRef);
  }
};

const addVm = (db: Database, vm: SeedVm): void => {
  const ref = refFor("VM", vm.uuid);
  const metrics = refFor("VM_metrics", vm.uuid);
  db.create("VM_metrics", { uuid: metrics.slice(10) }, metrics);
  const guest = refFor("VM_guest_metrics", vm.uuid);
  if (vm.pvDrivers === true) {
    db.create("VM_guest_metrics", { uuid: guest.slice(10), PV_drivers_detected: true, live: true }, guest);
  }
  const other: Record<string, string> = { ...vm.otherConfig };
  if (vm.args) other["lab:args"] = JSON.stringify(vm.args);
  const record: Rec = { uuid: vm.uuid, name_label: vm.name, metrics, other_config: other };
  if (vm.pvDrivers === true) record["guest_metrics"] = guest;
  if (vm.appliance !== undefined) record["appliance"] = refFor("VM_appliance", vm.appliance);
  if (vm.vcpus !== undefined) Object.assign(record, { VCPUs_max: vm.vcpus, VCPUs_at_startup: vm.vcpus });
  if (vm.memoryBytes !== undefined) {
    for (const name of ["static_max", "static_min", "dynamic_max", "dynamic_min", "target"]) {
      record[`memory_${name}`] = vm.memoryBytes;
    }
  }
  db.create("VM", { ...record, ...vm.fields }, ref);
  for (const [index, disk] of (vm.disks ?? []).entries()) {
    const uuid = disk.uuid ?? refFor("VDI", `${vm.uuid}/${index}`).slice(10);
    const vdi = refFor("VDI", uuid);
    const size = disk.sizeBytes ?? 64 * 1048576;
    const name = disk.name ?? `${vm.name} disk ${index}`;
    const vdiRecord = { uuid, name_label: name, SR: refFor("SR", disk.sr), virtual_size: size, location: uuid };
    db.create("VDI", { ...vdiRecord, physical_utilisation: size }, vdi);
    const vbd = refFor("VBD", `${vm.uuid}/${index}`);
    const device = { userdevice: String(index), device: `xvd${"abcdefgh"[index] ?? "z"}`, bootable: index === 0 };
    db.create("VBD", { uuid: vbd.slice(10), VM: ref, VDI: vdi, ...device }, vbd);
  }
};

export const seedDatabase = (seed: Seed): Database => {
  const db = new Database();
  const [first] = seed.hosts;
  if (!first) throw new Error("Cannot seed the pool: found no host in the seed, expected one or two");
  const pool: Rec = { uuid: seed.pool.uuid, name_label: seed.pool.name ?? "", master: refFor("host", first.uuid) };
  if (seed.pool.otherConfig) pool["other_config"] = { ...seed.pool.otherConfig };
  for (const host of seed.hosts) addHost(db, host);
  for (const sr of seed.srs ?? []) {
    const ref = refFor("SR", sr.uuid);
    const shared = sr.shared ?? true;
    db.create("SR", { uuid: sr.uuid, name_label: sr.name, type: sr.type ?? "lvmoiscsi", shared }, ref);
    for (const host of sr.hosts ?? seed.hosts.map((entry) => entry.uuid)) {
      const pbd = refFor("PBD", `${sr.uuid}/${host}`);
      const links = { host: refFor("host", host), SR: ref, device_config: { ...sr.deviceConfig } };
      db.create("PBD", { uuid: pbd.slice(10), ...links, currently_attached: sr.attached ?? true }, pbd);
    }
    if (shared && pool["default_SR"] === undefined) pool["default_SR"] = ref;
  }
  db.create("pool", { default_SR: NULL_REF, ...pool }, refFor("pool", seed.pool.uuid));
  for (const app of seed.appliances ?? []) {
    db.create("VM_appliance", { uuid: app.uuid, name_label: app.name }, refFor("VM_appliance", app.uuid));
  }
  for (const vm of seed.vms ?? []) addVm(db, vm);
  return db;
};
