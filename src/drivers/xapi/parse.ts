// Records of xapi -> the types of the port. Pure; tolerant of fields we do not use, strict about those we do: a record
// that cannot be read is an error with its name, never a guess.

import { err, ok, type Result } from "../../util/result.ts";
import type { HostRecord, PoolRecord, PoolView, PoolVm, TaskRecord, VdiRecord, VmRecord, XapiValue } from "./port.ts";
import { isList, isRecord, parseApiError } from "./reply.ts";

export type PoolPbd = PoolView["pbds"][number];
export type PoolSr = PoolView["srs"][number];
export type PoolAppliance = PoolView["appliances"][number];
export type PoolCertificate = PoolView["certificates"][number];

export interface HostMetrics {
  readonly live: boolean;
  readonly memoryTotal: number;
  readonly memoryFree: number;
}

export const NULL_REF = "OpaqueRef:NULL";

type Fields = { readonly [key: string]: XapiValue };

/** Why a record could not be read. */
class FieldError extends Error {}

function field<T>(record: Fields, name: string, expected: string, read: (value: XapiValue) => T | undefined): T {
  const value = record[name];
  const result = value === undefined ? undefined : read(value);
  if (result !== undefined) return result;
  const found = value === undefined ? "nothing" : JSON.stringify(value).slice(0, 60);
  throw new FieldError(`${name}: found ${found}, expected ${expected}`);
}

const text = (record: Fields, name: string): string =>
  field(record, name, "a string", (value) => (typeof value === "string" ? value : undefined));
const flag = (record: Fields, name: string): boolean =>
  field(record, name, "true or false", (value) => (typeof value === "boolean" ? value : undefined));
const refOrNull = (record: Fields, name: string): string | null => {
  const ref = text(record, name);
  return ref === NULL_REF || ref === "" ? null : ref;
};

/** Numbers come bare over JSON; a string of digits is accepted because XML-RPC bridges send that. */
const count = (record: Fields, name: string): number =>
  field(record, name, "a number", (value) => {
    const number = typeof value === "string" && /^-?\d+$/.test(value) ? Number(value) : value;
    return typeof number === "number" && Number.isFinite(number) ? number : undefined;
  });

const texts = (record: Fields, name: string): Readonly<Record<string, string>> =>
  field(record, name, "a map of strings", (value) => {
    if (!isRecord(value)) return undefined;
    const entries = Object.entries(value);
    if (!entries.every((entry): entry is [string, string] => typeof entry[1] === "string")) return undefined;
    return Object.fromEntries(entries);
  });

const refs = (record: Fields, name: string): readonly string[] =>
  field(record, name, "a list of references", (value) =>
    isList(value) && value.every((item) => typeof item === "string") ? value : undefined,
  );

function reading<T>(type: string, ref: string, value: XapiValue, read: (record: Fields) => T): Result<T, string> {
  if (!isRecord(value)) return err(`${type} ${ref}: found ${JSON.stringify(value).slice(0, 60)}, expected a record`);
  try {
    return ok(read(value));
  } catch (cause) {
    if (cause instanceof FieldError) return err(`${type} ${ref}: ${cause.message}`);
    throw cause;
  }
}

export const parsePool = (ref: string, value: XapiValue): Result<PoolRecord, string> =>
  reading("pool", ref, value, (record) => ({
    ref,
    uuid: text(record, "uuid"),
    masterRef: text(record, "master"),
    haEnabled: flag(record, "ha_enabled"),
    otherConfig: texts(record, "other_config"),
  }));

export const parseHost = (ref: string, value: XapiValue): Result<HostRecord, string> =>
  reading("host", ref, value, (record) => ({
    ref,
    uuid: text(record, "uuid"),
    name: text(record, "name_label"),
    address: text(record, "address"),
    enabled: flag(record, "enabled"),
    otherConfig: texts(record, "other_config"),
    metricsRef: text(record, "metrics"),
    memoryOverhead: record["memory_overhead"] === undefined ? 0 : count(record, "memory_overhead"),
  }));

export const parseHostMetrics = (ref: string, value: XapiValue): Result<HostMetrics, string> =>
  reading("host_metrics", ref, value, (record) => ({
    live: flag(record, "live"),
    memoryTotal: count(record, "memory_total"),
    // Gone from the documents, still sent; advice only, admission asks xapi.
    memoryFree: record["memory_free"] === undefined ? 0 : count(record, "memory_free"),
  }));

export const parseVm = (ref: string, value: XapiValue): Result<VmRecord, string> =>
  reading("VM", ref, value, (record) => ({
    ref,
    uuid: text(record, "uuid"),
    name: text(record, "name_label"),
    powerState: field(record, "power_state", "Halted, Paused, Running or Suspended", powerState),
    residentOn: refOrNull(record, "resident_on"),
    memoryStaticMax: count(record, "memory_static_max"),
    memoryDynamicMin: count(record, "memory_dynamic_min"),
    memoryOverhead: record["memory_overhead"] === undefined ? 0 : count(record, "memory_overhead"),
    order: count(record, "order"),
    startDelay: count(record, "start_delay"),
    restartPriority: text(record, "ha_restart_priority"),
    appliance: refOrNull(record, "appliance"),
    otherConfig: texts(record, "other_config"),
    operations: Object.values(texts(record, "current_operations")),
    real: !flag(record, "is_a_template") && !flag(record, "is_a_snapshot") && !flag(record, "is_control_domain"),
    controlDomain: flag(record, "is_control_domain"),
    disks: refs(record, "VBDs"),
  }));

function powerState(value: XapiValue): PoolVm["powerState"] | undefined {
  return value === "Halted" || value === "Paused" || value === "Running" || value === "Suspended" ? value : undefined;
}

export const parsePbd = (ref: string, value: XapiValue): Result<PoolPbd, string> =>
  reading("PBD", ref, value, (record) => ({
    ref,
    host: text(record, "host"),
    sr: text(record, "SR"),
    attached: flag(record, "currently_attached"),
    deviceConfig: texts(record, "device_config"),
  }));

export const parseAppliance = (ref: string, value: XapiValue): Result<PoolAppliance, string> =>
  reading("VM_appliance", ref, value, (record) => ({
    ref,
    uuid: text(record, "uuid"),
    name: text(record, "name_label"),
  }));

export const parseSr = (ref: string, value: XapiValue): Result<PoolSr, string> =>
  reading("SR", ref, value, (record) => ({
    ref,
    uuid: text(record, "uuid"),
    type: text(record, "type"),
    shared: flag(record, "shared"),
  }));

/** Null: not a certificate a host serves with (an authority's, or the one for xapi's own traffic inside the pool). */
export const parseCertificate = (ref: string, value: XapiValue): Result<PoolCertificate | null, string> =>
  reading("Certificate", ref, value, (record) => {
    const host = refOrNull(record, "host");
    // Before 1.294 there was no type, and only hosts had such records.
    const type = record["type"] === undefined ? "host" : text(record, "type");
    return host === null || type !== "host" ? null : { host, fingerprint: text(record, "fingerprint") };
  });

export const parseVdi = (ref: string, value: XapiValue): Result<VdiRecord, string> =>
  reading("VDI", ref, value, (record) => ({ ref, uuid: text(record, "uuid"), smConfig: texts(record, "sm_config") }));

/** The VDI behind a VBD; null for an empty drive. */
export const parseVbdDisk = (ref: string, value: XapiValue): Result<string | null, string> =>
  reading("VBD", ref, value, (record) => refOrNull(record, "VDI"));

export const parseTask = (ref: string, value: XapiValue): Result<TaskRecord, string> =>
  reading("task", ref, value, (record) => ({
    status: field(record, "status", "a task status", taskStatus),
    error: field(record, "error_info", "a list", (found) =>
      isList(found) ? { value: found.length === 0 ? null : parseApiError(found) } : undefined,
    ).value,
  }));

function taskStatus(value: XapiValue): TaskRecord["status"] | undefined {
  const statuses = ["pending", "success", "failure", "cancelling", "cancelled"] as const;
  return statuses.find((status) => status === value);
}

/** The answer of get_all_records; the first record that cannot be read fails the whole: half a list is no list. */
export function parseAll<T>(
  value: XapiValue,
  parse: (ref: string, record: XapiValue) => Result<T, string>,
): Result<readonly T[], string> {
  if (!isRecord(value)) return err(`found ${JSON.stringify(value).slice(0, 60)}, expected records`);
  const parsed: T[] = [];
  for (const [ref, record] of Object.entries(value)) {
    const one = parse(ref, record);
    if (!one.ok) return one;
    parsed.push(one.value);
  }
  return ok(parsed);
}

export interface EventBatch {
  readonly token: string;
  readonly events: readonly {
    readonly className: string;
    readonly operation: "add" | "mod" | "del";
    readonly ref: string;
    /** Absent for `del`. */
    readonly snapshot: XapiValue | undefined;
  }[];
  readonly counts: Readonly<Record<string, number>>;
}

/** The answer of event.from (xapi.md 2.8). */
export function parseEventBatch(value: XapiValue): Result<EventBatch, string> {
  return reading("event.from", "", value, (record) => ({
    token: text(record, "token"),
    counts: field(record, "valid_ref_counts", "a map of numbers", (counts) => {
      if (!isRecord(counts)) return undefined;
      const entries = Object.entries(counts);
      return entries.every((entry): entry is [string, number] => typeof entry[1] === "number")
        ? Object.fromEntries(entries)
        : undefined;
    }),
    events: field(record, "events", "a list of events", (events) =>
      isList(events) ? events.map(parseEvent) : undefined,
    ),
  }));
}

function parseEvent(value: XapiValue): EventBatch["events"][number] {
  if (!isRecord(value)) throw new FieldError(`event: found ${JSON.stringify(value).slice(0, 60)}, expected a record`);
  return {
    className: text(value, "class").toLowerCase(),
    operation: field(value, "operation", "add, mod or del", (found) =>
      found === "add" || found === "mod" || found === "del" ? found : undefined,
    ),
    ref: text(value, "ref"),
    snapshot: value["snapshot"],
  };
}

/** The part of a VM that the view shows. */
export function toPoolVm(vm: VmRecord): PoolVm {
  const { real: _real, controlDomain: _control, disks: _disks, ...shown } = vm;
  return shown;
}
