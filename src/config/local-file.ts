// /etc/tandem/tandem.yaml, text to checked values: who the hosts are, what the storage is, what this host overrides.
// Pure: reads no file. Reports every problem at once; a file with an error yields nothing at all.

import { isIP } from "node:net";
import * as z from "zod";
import { err, ok, type Result } from "../util/result.ts";
import type { HostEntry } from "./config.ts";
import type { Inventory } from "./inventory.ts";
import { isInside, isSameAddress, prefixOf } from "./network.ts";
import { findParameter, parametersOf, parseParameter, unknownNameAdvice, type Scope } from "./parameters.ts";
import { quote, type Problem } from "./problem.ts";
import { nearestName } from "./suggest.ts";
import { describeType, UUID_PATTERN, type Value } from "./value.ts";
import { readYaml, type Path, type YamlText } from "./yaml-text.ts";

export interface LunEntry {
  readonly resource: string;
  readonly device: string;
  readonly lun: number;
  /** Identifiers the SR was created with; text, never numbers. */
  readonly scsiId: string | null;
  readonly scsiSn: string | null;
}

export interface LocalStorage {
  /** Every storage parameter, defaults filled in. */
  readonly values: Readonly<Record<string, Value>>;
  readonly luns: readonly LunEntry[];
}

export interface LocalFile {
  readonly poolId: string;
  readonly hosts: readonly HostEntry[];
  readonly self: HostEntry;
  readonly peer: HostEntry;
  readonly managementInterface: string | null;
  /** Null: no storage of ours. */
  readonly storage: LocalStorage | null;
  /** Storage parameters that were written in the file. */
  readonly written: ReadonlySet<string>;
  readonly overrides: Readonly<Record<string, Value>>;
}

const said = (expected: string): { error: string } => ({ error: expected });
const uuid = z.string(said("a UUID")).toLowerCase().regex(UUID_PATTERN, said("a UUID"));
const address = z.string(said("an IP address")).refine((text) => isIP(text) !== 0, said("an IP address"));
const identifier = z
  .string(said("1 to 36 printable characters"))
  .regex(/^[!-~]{1,36}$/, said("1 to 36 printable characters without spaces"));

const hostSchema = z.strictObject(
  {
    uuid,
    name: z.string(said("a host name")).regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/, said("a host name")),
    management: address,
    replication: address,
  },
  said("a host with uuid, name, management and replication"),
);

const lunSchema = z.strictObject(
  {
    resource: z.string(said("a DRBD resource name")).regex(/^[A-Za-z0-9_.-]{1,64}$/, said("a DRBD resource name")),
    device: z
      .string(said("a device such as /dev/drbd1"))
      .regex(/^\/dev\/[A-Za-z0-9_./-]{1,100}$/, said("a device such as /dev/drbd1")),
    // tgtd keeps LUN 0 for its controller.
    lun: z
      .string(said("a LUN from 1 to 255"))
      .regex(/^[0-9]{1,3}$/, said("a LUN from 1 to 255"))
      .transform(Number)
      .refine((lun) => lun >= 1 && lun <= 255, said("a LUN from 1 to 255")),
    scsi_id: identifier.optional(),
    scsi_sn: identifier.optional(),
  },
  said("a LUN with resource, device, lun, scsi_id and scsi_sn"),
);

const parameterValue = z.union([z.string(), z.array(z.string())], said("a text or a list of texts"));
const emptyIsNothing = (value: unknown): unknown => (value === "" || value === null ? undefined : value);

const fileSchema = z.strictObject(
  {
    pool: z.strictObject({ uuid }, said("a section with uuid")),
    hosts: z
      .array(hostSchema, said("a list of hosts"))
      .min(2, said("two hosts; a pool without peer cannot fail over"))
      .max(64, said("at most 64 hosts")),
    storage: z.preprocess(
      emptyIsNothing,
      z.record(z.string(), z.unknown(), said("a section of parameters")).optional(),
    ),
    overrides: z.preprocess(
      emptyIsNothing,
      z.record(z.string(), parameterValue, said("a section of parameters")).optional(),
    ),
  },
  said("the sections pool, hosts, storage and overrides"),
);

const KNOWN_KEYS = [
  "pool",
  "hosts",
  "storage",
  "overrides",
  "uuid",
  "name",
  "management",
  "replication",
  "resource",
  "device",
  "lun",
  "scsi_id",
  "scsi_sn",
];

const pathText = (path: Path): string =>
  path.reduce<string>(
    (text, step) => (typeof step === "number" ? `${text}[${step}]` : text === "" ? step : `${text}.${step}`),
    "",
  ) || "the file";

function itemAt(data: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (item, step) => (item !== null && typeof item === "object" ? Reflect.get(item, step) : undefined),
    data,
  );
}

function foundText(item: unknown): string {
  if (item === undefined || item === null || item === "") return "nothing";
  if (typeof item === "string") return quote(item);
  if (Array.isArray(item)) return `a list of ${item.length}`;
  return "a section";
}

/** Collects problems with their lines. */
function reporter(yaml: YamlText): {
  readonly problems: Problem[];
  add(path: Path, found: string, expected: string, action: string): void;
} {
  const problems: Problem[] = [];
  return {
    problems,
    add(path, found, expected, action): void {
      problems.push({ path: pathText(path), line: yaml.lineOf(path), severity: "error", found, expected, action });
    },
  };
}

type Report = ReturnType<typeof reporter>;

function reportShape(report: Report, data: unknown, issues: readonly z.core.$ZodIssue[], prefix: Path = []): void {
  for (const issue of issues) {
    const path = [...prefix, ...issue.path.map((step) => (typeof step === "number" ? step : String(step)))];
    if (issue.code === "unrecognized_keys") {
      for (const key of issue.keys) {
        const near = nearestName(key, KNOWN_KEYS);
        report.add(
          [...path, key],
          "an unknown key",
          "a known key",
          near === null ? "remove it" : `did you mean ${near}?`,
        );
      }
      continue;
    }
    const item = itemAt(data, path.slice(prefix.length));
    report.add(path, foundText(item), issue.message, item === undefined ? "add it" : "correct it");
  }
}

/** One section of parameters, names in any case. Secrets are never shown. */
function readParameters(
  report: Report,
  scope: Scope,
  section: Readonly<Record<string, unknown>>,
  where: string,
): Record<string, Value> {
  const values: Record<string, Value> = {};
  for (const [name, raw] of Object.entries(section)) {
    const path = [where, name];
    const one = findParameter(scope, name);
    if (one === undefined) {
      report.add(path, "an unknown parameter", `a ${scope} parameter`, unknownNameAdvice(scope, name));
      continue;
    }
    if (Object.hasOwn(values, one.name)) {
      report.add(path, `${one.name} twice`, "one value", "remove one of the two");
      continue;
    }
    if (where === "overrides" && !one.perHost) {
      report.add(
        path,
        "an override",
        "one value for the whole pool (A24)",
        `remove it and use \`ha-cfg set ${one.name} ...\``,
      );
      continue;
    }
    const isText = typeof raw === "string" || (Array.isArray(raw) && raw.every((item) => typeof item === "string"));
    const parsed = isText ? parseParameter(one, raw) : err({ found: foundText(raw), expected: describeType(one.type) });
    if (parsed.ok) values[one.name] = parsed.value;
    else report.add(path, parsed.error.found, parsed.error.expected, "correct it");
  }
  return values;
}

function readLuns(report: Report, raw: unknown): readonly LunEntry[] {
  const parsed = z.array(lunSchema, said("a list of LUNs")).min(1, said("at least one LUN")).safeParse(raw);
  if (!parsed.success) {
    reportShape(report, raw, parsed.error.issues, ["storage", "LUNS"]);
    return [];
  }
  return parsed.data.map((one) => ({
    resource: one.resource,
    device: one.device,
    lun: one.lun,
    scsiId: one.scsi_id ?? null,
    scsiSn: one.scsi_sn ?? null,
  }));
}

function checkLuns(report: Report, luns: readonly LunEntry[], resources: Value | undefined): void {
  const names = Array.isArray(resources) ? resources.map(String) : [];
  for (const [index, one] of luns.entries()) {
    if (names.length > 0 && !names.includes(one.resource)) {
      report.add(
        ["storage", "LUNS", index, "resource"],
        quote(one.resource),
        `one of DRBD_RESOURCES (${names.join(", ")})`,
        "correct it",
      );
    }
    const same = (key: "lun" | "device" | "scsiId" | "scsiSn"): boolean =>
      one[key] !== null && luns.findIndex((other) => other[key] === one[key]) < index;
    if (same("lun"))
      report.add(["storage", "LUNS", index, "lun"], `LUN ${one.lun} twice`, "each LUN once", "give it another number");
    if (same("device"))
      report.add(["storage", "LUNS", index, "device"], `${one.device} twice`, "each device once", "correct it");
    if (same("scsiId"))
      report.add(
        ["storage", "LUNS", index, "scsi_id"],
        `${quote(one.scsiId ?? "")} twice`,
        "each scsi_id once",
        "correct it",
      );
    if (same("scsiSn"))
      report.add(
        ["storage", "LUNS", index, "scsi_sn"],
        `${quote(one.scsiSn ?? "")} twice`,
        "each scsi_sn once",
        "correct it",
      );
  }
  for (const name of names) {
    if (luns.length > 0 && !luns.some((one) => one.resource === name)) {
      report.add(
        ["storage", "LUNS"],
        `no LUN of resource ${quote(name)}`,
        "a LUN for every resource",
        "add it, or take the resource out of DRBD_RESOURCES",
      );
    }
  }
}

function checkFloatingAddress(
  report: Report,
  values: Readonly<Record<string, Value>>,
  hosts: readonly HostEntry[],
): void {
  const vip = values["DRBD_VIRTUAL_IP"];
  if (typeof vip !== "string") return;
  const path = ["storage", "DRBD_VIRTUAL_IP"];
  if (isIP(vip) === 0) {
    report.add(path, quote(vip), "an IPv4 or IPv6 address", "correct it");
    return;
  }
  for (const host of hosts) {
    for (const own of [host.management, host.replication]) {
      if (isSameAddress(vip, own))
        report.add(
          path,
          `${vip}, the address of host ${host.name}`,
          "an address of its own",
          "choose a free address of the replication network",
        );
    }
    if (isIP(vip) !== isIP(host.replication))
      report.add(
        path,
        vip,
        `the address family of ${host.replication}`,
        "use the same IP version on the replication network",
      );
  }
  const mask = values["DRBD_VIRTUAL_MASK"];
  const prefix = prefixOf(typeof mask === "string" ? mask : "", vip);
  if (prefix === undefined) {
    report.add(
      ["storage", "DRBD_VIRTUAL_MASK"],
      quote(String(mask)),
      "a netmask such as 255.255.255.0, or a prefix length",
      "correct it",
    );
    return;
  }
  const bits = isIP(vip) === 6 ? 128 : 32;
  for (const host of prefix === null || prefix === bits ? [] : hosts) {
    if (isIP(vip) === isIP(host.replication) && !isInside(host.replication, { address: vip, prefix: prefix ?? bits })) {
      report.add(
        path,
        `${vip}/${prefix}`,
        `the network of ${host.name}'s replication address ${host.replication}`,
        "correct the address or DRBD_VIRTUAL_MASK",
      );
    }
  }
}

function checkHosts(report: Report, hosts: readonly HostEntry[]): void {
  const seen = new Map<string, string>();
  for (const [index, host] of hosts.entries()) {
    for (const key of ["uuid", "name", "management", "replication"] as const) {
      const text = host[key];
      const earlier = seen.get(text);
      if (earlier === undefined) seen.set(text, `hosts[${index}].${key}`);
      else
        report.add(
          ["hosts", index, key],
          `${quote(text)}, which is also ${earlier}`,
          "a value of its own",
          "correct one of the two",
        );
    }
  }
}

function readStorage(
  report: Report,
  raw: Readonly<Record<string, unknown>>,
  hosts: readonly HostEntry[],
  hostCount: number,
): { readonly storage: LocalStorage; readonly written: ReadonlySet<string> } {
  const lunsKey = Object.keys(raw).find((key) => key.toUpperCase() === "LUNS");
  const given = readParameters(
    report,
    "storage",
    Object.fromEntries(Object.entries(raw).filter(([key]) => key !== lunsKey)),
    "storage",
  );
  const attempted = new Set(Object.keys(raw).map((key) => key.toUpperCase()));
  const values: Record<string, Value> = storageDefaults();
  for (const one of parametersOf("storage")) {
    if (one.initial === null && !attempted.has(one.name)) {
      report.add(["storage", one.name], "nothing", describeType(one.type), `add it (${one.summary})`);
    }
  }
  Object.assign(values, given);
  const resources = given["DRBD_RESOURCES"];
  if (Array.isArray(resources) && resources.length === 0)
    report.add(["storage", "DRBD_RESOURCES"], "an empty list", "at least one resource", "add it");
  const luns = readLuns(report, lunsKey === undefined ? undefined : raw[lunsKey]);
  checkLuns(report, luns, resources);
  checkFloatingAddress(report, values, hosts);
  if (hostCount !== 2)
    report.add(
      ["hosts"],
      `${hostCount} hosts`,
      "exactly two hosts for replicated storage",
      "remove the others, or the storage section",
    );
  return { storage: { values, luns }, written: new Set(Object.keys(given)) };
}

/** The defaults of the storage scope; parameters without one are absent. */
export function storageDefaults(): Record<string, Value> {
  const values: Record<string, Value> = {};
  for (const one of parametersOf("storage")) {
    if (one.initial === null) continue;
    const parsed = parseParameter(one, one.initial);
    if (parsed.ok) values[one.name] = parsed.value;
  }
  return values;
}

/** Text of tandem.yaml to values; `inventory` says which of the hosts this one is. */
export function parseLocalFile(text: string, inventory: Inventory): Result<LocalFile, readonly Problem[]> {
  const yaml = readYaml(text);
  if (!yaml.ok) return yaml;
  const report = reporter(yaml.value);
  const shape = fileSchema.safeParse(yaml.value.data);
  if (!shape.success) reportShape(report, yaml.value.data, shape.error.issues);
  // Also look into the parts that can be read although others are wrong: all problems are reported at once.
  const rawHosts = itemAt(yaml.value.data, ["hosts"]);
  const hosts = Array.isArray(rawHosts) ? rawHosts.flatMap((raw) => hostSchema.safeParse(raw).data ?? []) : [];
  const sectionAt = (name: string): Record<string, unknown> | undefined =>
    z.record(z.string(), z.unknown()).safeParse(itemAt(yaml.value.data, [name])).data;
  const rawStorage = sectionAt("storage");
  const rawOverrides = shape.success ? (sectionAt("overrides") ?? {}) : onlyTexts(sectionAt("overrides") ?? {});
  checkHosts(report, hosts);
  const read =
    rawStorage === undefined
      ? null
      : readStorage(report, rawStorage, hosts, Array.isArray(rawHosts) ? rawHosts.length : 2);
  const overrides = readParameters(report, "pool", rawOverrides, "overrides");
  const self = hosts.find((host) => host.uuid === inventory.hostId);
  const peer = hosts.find((host) => host.uuid !== inventory.hostId);
  if (shape.success && self === undefined) {
    report.add(
      ["hosts"],
      `no host with UUID ${inventory.hostId}`,
      "an entry for this host (INSTALLATION_UUID)",
      "add this host, or correct its uuid",
    );
  }
  if (report.problems.length > 0 || !shape.success || self === undefined || peer === undefined)
    return err(report.problems);
  return ok({
    poolId: shape.data.pool.uuid,
    hosts,
    self,
    peer,
    managementInterface: inventory.managementInterface,
    storage: read?.storage ?? null,
    written: read?.written ?? new Set(),
    overrides,
  });
}

/** Values of a wrong shape were already reported with the shape of the file. */
function onlyTexts(section: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(section).filter(([, value]) => parameterValue.safeParse(value).success));
}
