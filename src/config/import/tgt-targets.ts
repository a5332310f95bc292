// tgt-admin's targets.conf: the targets, their LUNs and the identifiers that initiators have seen. Pure. What it does not
// know it keeps by name, so that nothing of an installation is lost without a word.

import { err, ok, type Result } from "../../util/result.ts";

export interface OldLun {
  readonly device: string;
  /** As written; null: tgt-admin numbers by the order. */
  readonly lun: string | null;
  readonly scsiId: string | null;
  readonly scsiSn: string | null;
}

export interface OldTarget {
  readonly iqn: string;
  readonly luns: readonly OldLun[];
  /** initiator-address lines. */
  readonly initiators: readonly string[];
  /** Options that are not known here. Names only: a value may be a password. */
  readonly others: readonly string[];
}

type Values = Record<string, string[]>;
interface Block {
  readonly kind: string;
  readonly name: string;
  readonly values: Values;
  readonly stores: Block[];
}

const STORES = new Set(["backing-store", "direct-store"]);
const KNOWN = new Set([...STORES, "lun", "scsi_id", "scsi_sn", "initiator-address"]);

/** Sections in angle brackets, `option value` in between, `#` begins a comment. Includes are not followed. */
export function parseTargets(text: string): Result<readonly OldTarget[], string> {
  const targets: Block[] = [];
  const open: Block[] = [];
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.replace(/(^|\s)#.*$/, "").trim();
    if (line === "") continue;
    const closing = /^<\/([\w-]+)\s*>$/.exec(line)?.[1];
    if (closing !== undefined) {
      const block = open.pop();
      if (block?.kind !== closing.toLowerCase()) return err(`line ${index + 1} closes <${closing}>, which is not open`);
      if (block.kind === "target") targets.push(block);
      else open.at(-1)?.stores.push(block);
      continue;
    }
    const opening = /^<([\w-]+)\s+([^>]+?)\s*>$/.exec(line);
    if (opening !== null) {
      open.push({ kind: (opening[1] ?? "").toLowerCase(), name: unquoted(opening[2] ?? ""), values: {}, stores: [] });
      continue;
    }
    const option = /^([\w-]+)(?:\s+(.*))?$/.exec(line);
    if (option === null) return err(`line ${index + 1} is neither a section nor an option`);
    const block = open.at(-1);
    const name = (option[1] ?? "").toLowerCase();
    const value = unquoted(option[2] ?? "");
    if (block !== undefined) (block.values[name] ??= []).push(value);
  }
  if (open.length > 0) return err(`the text ends inside <${open.at(-1)?.kind ?? ""}>`);
  return ok(targets.map(targetOf));
}

const unquoted = (text: string): string => text.replaceAll('"', "").trim();

/** Identifiers may stand in the target, for its one store, or in the store's own section. */
function targetOf({ name, values, stores }: Block): OldTarget {
  const lun = (device: string, own: Values): OldLun => ({
    device,
    lun: (own["lun"] ?? values["lun"])?.[0] ?? null,
    scsiId: (own["scsi_id"] ?? values["scsi_id"])?.[0] ?? null,
    scsiSn: (own["scsi_sn"] ?? values["scsi_sn"])?.[0] ?? null,
  });
  const plain = [...STORES].flatMap((kind) => values[kind] ?? []).map((device) => lun(device, {}));
  const sections = stores.filter((one) => STORES.has(one.kind)).map((one) => lun(one.name, one.values));
  const all = [values, ...stores.map((one) => one.values)].flatMap((one) => Object.keys(one));
  return {
    iqn: name,
    luns: [...plain, ...sections],
    initiators: values["initiator-address"] ?? [],
    others: [...new Set(all.filter((one) => !KNOWN.has(one)))],
  };
}
