// /etc/tandem/tandem.yaml, text to checked values: who the hosts are, what the storage is, what this host overrides.
// Pure: reads no file. Reports every problem at once; a file with an error yields nothing at all.

import * as z from "zod/mini";
import { err, ok, type Result } from "../util/result.ts";
import type { HostEntry } from "./config.ts";
import type { Inventory } from "./inventory.ts";
import { checkFloatingAddress, checkHosts, checkLuns } from "./local-checks.ts";
import { foundText, itemAt, reporter, reportShape, type Report } from "./local-report.ts";
import { fileSchema, hostSchema, lunSchema, parameterValue, said } from "./local-schema.ts";
import type { Scope } from "./parameter.ts";
import { findParameter, parametersOf, parseParameter, unknownNameAdvice } from "./parameters.ts";
import type { Problem } from "./problem.ts";
import { describeType, type Value } from "./value.ts";
import { readYaml } from "./yaml-text.ts";

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
  /** As it was written, passwords included. */
  readonly text: string;
  readonly poolId: string;
  readonly hosts: readonly HostEntry[];
  readonly self: HostEntry;
  readonly peer: HostEntry;
  /** The two hosts that hold the storage; none without a storage section. */
  readonly storageHosts: readonly HostEntry[];
  readonly managementInterface: string | null;
  /** Null: no storage of ours. */
  readonly storage: LocalStorage | null;
  /** Storage parameters that were written in the file. */
  readonly written: ReadonlySet<string>;
  readonly overrides: Readonly<Record<string, Value>>;
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
  const parsed = z
    .array(lunSchema, said("a list of LUNs"))
    .check(z.minLength(1, said("at least one LUN")))
    .safeParse(raw);
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

function readStorage(
  report: Report,
  raw: Readonly<Record<string, unknown>>,
  hosts: readonly HostEntry[],
  storageHosts: number,
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
  if (storageHosts !== 2)
    report.add(
      ["hosts"],
      `${storageHosts} hosts`,
      "exactly two hosts for replicated storage",
      "mark the others with `diskless: true`, or remove the storage section",
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
  const diskless = hosts.filter((host) => host.diskless === true).length;
  const read =
    rawStorage === undefined
      ? null
      : readStorage(report, rawStorage, hosts, Array.isArray(rawHosts) ? rawHosts.length - diskless : 2);
  const overrides = readParameters(report, "pool", rawOverrides, "overrides");
  const self = hosts.find((host) => host.uuid === inventory.hostId);
  const storageHosts = read === null ? [] : hosts.filter((host) => host.diskless !== true);
  const others = (read === null ? hosts : storageHosts).filter((host) => host.uuid !== inventory.hostId);
  const [peer] = others;
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
    text,
    poolId: shape.data.pool.uuid,
    hosts,
    self,
    peer,
    storageHosts,
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
