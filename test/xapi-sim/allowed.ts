/** Fields that are computed from the database when read: allowed_operations and current_operations. */
import type { Database } from "./db.ts";
import { type ClassName, NULL_REF } from "./schema.ts";
import { asText, type Rec } from "./types.ts";

const HALTED = [
  "metadata_export",
  "create_vtpm",
  "changing_NVRAM",
  "changing_dynamic_range",
  "changing_shadow_memory",
  "changing_static_range",
  "make_into_template",
  "migrate_send",
  "destroy",
  "export",
  "start_on",
  "start",
  "clone",
  "copy",
  "snapshot",
];
const RUNNING = ["metadata_export", "changing_dynamic_range", "hard_reboot", "hard_shutdown", "pause", "snapshot"];
const RUNNING_WITH_DRIVERS = ["clean_shutdown", "clean_reboot", "suspend", "pool_migrate", "shutdown"];
const PAUSED = ["metadata_export", "changing_dynamic_range", "hard_reboot", "hard_shutdown", "unpause", "snapshot"];
const SUSPENDED = ["metadata_export", "resume", "resume_on", "hard_shutdown", "export", "copy", "clone", "snapshot"];
const CONTROL_DOMAIN = ["metadata_export", "changing_dynamic_range", "changing_static_range"];

/** Whether the guest has PV drivers: without them it cannot be asked to shut down, suspend or move. */
export const hasDrivers = (db: Database, vm: string): boolean => {
  const guest = db.text("VM", vm, "guest_metrics");
  return db.has("VM_guest_metrics", guest) && db.get("VM_guest_metrics", guest, "PV_drivers_detected") === true;
};

const vmOperations = (db: Database, vm: string, record: Rec): string[] => {
  if (record["is_control_domain"] === true) return CONTROL_DOMAIN;
  if (record["is_a_template"] === true) return ["changing_NVRAM", "export", "clone", "copy", "provision", "destroy"];
  switch (record["power_state"]) {
    case "Running":
      return hasDrivers(db, vm) ? [...RUNNING, ...RUNNING_WITH_DRIVERS] : RUNNING;
    case "Paused":
      return PAUSED;
    case "Suspended":
      return SUSPENDED;
    default:
      return HALTED;
  }
};

const applianceOperations = (db: Database, ref: string): string[] => {
  const states = db.pointingAt("VM", "appliance", ref).map((vm) => db.text("VM", vm, "power_state"));
  const allowed: string[] = [];
  if (states.length === 0 || states.some((state) => state === "Halted")) allowed.push("start");
  if (states.some((state) => state !== "Halted")) allowed.push("clean_shutdown", "hard_shutdown", "shutdown");
  return allowed;
};

export const deriveFields = (
  db: Database,
  busy: ReadonlyMap<string, string>,
  cls: ClassName,
  ref: string,
  record: Rec,
): void => {
  if (cls === "VM") {
    const operation = busy.get(ref);
    record["allowed_operations"] = operation === undefined ? vmOperations(db, ref, record) : [];
    record["current_operations"] = operation === undefined ? {} : { [`OpaqueRef:${ref.slice(10)}`]: operation };
  } else if (cls === "host") {
    const whenEnabled = ["vm_migrate", "provision", "vm_resume", "evacuate", "vm_start"];
    record["allowed_operations"] =
      record["enabled"] === true ? whenEnabled : ["enable", "evacuate", "shutdown", "reboot"];
  } else if (cls === "VM_appliance") {
    record["allowed_operations"] = applianceOperations(db, ref);
  } else if (cls === "VDI") {
    const attached = db.pointingAt("VBD", "VDI", ref).some((vbd) => db.get("VBD", vbd, "currently_attached") === true);
    record["allowed_operations"] = attached
      ? ["snapshot", "update"]
      : ["snapshot", "clone", "copy", "resize", "destroy", "update"];
  } else if (cls === "VBD") {
    record["allowed_operations"] = record["currently_attached"] === true ? ["attach", "unpause", "pause"] : ["attach"];
    if (asText(record["VDI"]) === NULL_REF) record["empty"] = true;
  }
};
