// iSCSI-HA's configuration to the storage section of tandem.yaml: its own file, the target of targets.conf and the devices
// of DRBD's resources. Pure. Every identifier stays as it was, or the SR would not attach; what cannot be taken over is
// named with the reason, and nothing is guessed.

import { isMap, parseDocument, stringify } from "yaml";
import { err, ok, type Result } from "../../util/result.ts";
import { findParameter, parseParameter } from "../parameters.ts";
import { formatValue } from "../value.ts";
import type { OldTarget } from "./tgt-targets.ts";

export interface OldStorage {
  /** Assignments of iscsi-ha.conf. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly targets: readonly OldTarget[];
  /** DRBD's resources and the devices of each. */
  readonly resources: readonly { readonly name: string; readonly devices: readonly string[] }[];
}

type Lun = Readonly<Record<"resource" | "device" | "lun" | "scsi_id" | "scsi_sn", string | undefined>>;

export interface ImportedStorage {
  /** The storage section: parameters as texts, and LUNS. */
  readonly section: Readonly<Record<string, string | readonly Lun[]>>;
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
  /** What an administrator has to add before the section is whole. */
  readonly missing: readonly string[];
}

export function importStorage(old: OldStorage): ImportedStorage {
  const section: Record<string, string | readonly Lun[]> = {};
  const skipped: { name: string; reason: string }[] = [];
  for (const [name, text] of Object.entries(old.parameters)) {
    const one = findParameter("storage", name);
    if (one === undefined) {
      const shared = findParameter("pool", name) !== undefined;
      skipped.push({
        name,
        reason: shared ? `it belongs to the whole pool here: ha-cfg set ${name}` : "there is no such parameter here",
      });
      continue;
    }
    const parsed = parseParameter(one, text);
    if (parsed.ok) section[one.name] = formatValue(one.type, parsed.value);
    else skipped.push({ name, reason: `found ${parsed.error.found}, expected ${parsed.error.expected}` });
  }
  const resources = resourcesOf(section["DRBD_RESOURCES"]);
  const target = chooseTarget(old, resources, skipped);
  if (target !== null) {
    section["TARGET_IQN"] = target.iqn;
    const initiators = target.initiators.filter((one) => one !== "ALL");
    if (initiators.length > 0) section["TARGET_INITIATORS"] = initiators.join(",");
    section["LUNS"] = lunsOf(target, old, resources);
    for (const name of target.others) skipped.push({ name, reason: OPTIONS[name] ?? "tandem has no such option" });
  }
  return { section, skipped, missing: missingOf(section) };
}

const WRITE_CACHE = "the write cache of the target is always off";
const OPTIONS: Readonly<Record<string, string>> = {
  "write-cache": WRITE_CACHE,
  incominguser: "initiators log in by their addresses (TARGET_INITIATORS), without a password",
  outgoinguser: "initiators log in by their addresses (TARGET_INITIATORS), without a password",
};

const resourcesOf = (text: unknown): readonly string[] =>
  typeof text === "string" ? text.split(":").filter((name) => name !== "") : [];

/** The target that exports a device of these resources; where DRBD's configuration is unknown, the only one. */
function chooseTarget(
  old: OldStorage,
  resources: readonly string[],
  skipped: { name: string; reason: string }[],
): OldTarget | null {
  const devices = new Set(old.resources.filter(({ name }) => resources.includes(name)).flatMap((one) => one.devices));
  const ours = old.targets.filter((target) => devices.size === 0 || target.luns.some((lun) => devices.has(lun.device)));
  const [first, second] = ours;
  if (second !== undefined) {
    const names = ours.map((target) => target.iqn).join(", ");
    skipped.push({ name: "targets.conf", reason: `found ${ours.length} targets (${names}), expected one` });
    return null;
  }
  return first ?? null;
}

function lunsOf(target: OldTarget, old: OldStorage, resources: readonly string[]): readonly Lun[] {
  const known = (device: string): string | undefined =>
    old.resources.find((one) => one.devices.includes(device))?.name ??
    (resources.length === 1 && old.resources.length === 0 ? resources[0] : undefined);
  return target.luns.map((lun, index) => ({
    resource: known(lun.device),
    device: lun.device,
    // tgt-admin counts from 1 where nothing is written.
    lun: lun.lun ?? String(index + 1),
    scsi_id: lun.scsiId ?? undefined,
    scsi_sn: lun.scsiSn ?? undefined,
  }));
}

const NEEDED = ["DRBD_RESOURCES", "DRBD_VIRTUAL_IP", "DRBD_INTERFACE", "TARGET_IQN", "LUNS"] as const;

function missingOf(section: ImportedStorage["section"]): readonly string[] {
  const luns = section["LUNS"];
  const nameless = typeof luns === "object" ? luns.filter((lun) => lun.resource === undefined) : [];
  return [
    ...NEEDED.filter((name) => section[name] === undefined || section[name] === ""),
    ...nameless.map((lun) => `the DRBD resource of ${lun.device ?? ""}`),
  ];
}

export const storageYaml = (section: ImportedStorage["section"]): string => stringify({ storage: section });

/** The text of tandem.yaml with this storage section; what else it holds, comments included, stays. */
export function addStorage(text: string, section: ImportedStorage["section"]): Result<string, string> {
  const document = parseDocument(text);
  if (document.errors[0] !== undefined) return err(`the YAML text is damaged: ${document.errors[0].message}`);
  if (!isMap(document.contents)) return err("found no sections pool and hosts in it");
  const present: unknown = document.get("storage");
  if (present !== undefined && present !== null && present !== "") return err("it has a storage section already");
  document.set("storage", document.createNode(section));
  return ok(String(document));
}
