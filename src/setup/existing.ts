// The answers that a configuration which is already there amounts to: for checks, backups and restores of storage that was
// set up by hand or taken over from HA-Lizard. Reads this host's files; changes nothing.

import { readLocalFile } from "../config/read-local-file.ts";
import { describeProblem } from "../config/problem.ts";
import type { LocalFile } from "../config/local-file.ts";
import type { Value } from "../config/value.ts";
import { prefixOf } from "../config/network.ts";
import { describe } from "../drivers/driver-error.ts";
import { succeeded } from "../drivers/exec/outcome.ts";
import type { ExecPort } from "../drivers/exec/port.ts";
import { err, ok, type Result } from "../util/result.ts";
import type { SetupRecord } from "./answers.ts";
import { diskOf } from "./texts/drbd-disk.ts";

const LOOK_MS = 10_000;

/** Of the first resource; the record's secret stays empty, because nothing is written from it. */
export async function recordOfConfiguration(exec: ExecPort): Promise<Result<SetupRecord, string>> {
  const local = await readLocalFile();
  if (!local.ok) return err(local.error.map(describeProblem).join("; "));
  const dump = await readDump(exec);
  return dump.ok ? recordOf(local.value, dump.value) : dump;
}

/** DRBD's configuration as drbdadm understands it. */
export async function readDump(exec: ExecPort): Promise<Result<string, string>> {
  const dump = succeeded("drbdadm dump", await exec.run("drbdadm", ["dump"], { timeoutMs: LOOK_MS }));
  return dump.ok ? ok(dump.value.stdout) : err(describe(dump.error));
}

/** Pure: tandem.yaml and what `drbdadm dump` prints. */
export function recordOf(local: LocalFile, dump: string): Result<SetupRecord, string> {
  const [lun] = local.storage?.luns ?? [];
  const [first, second, ...more] = local.storageHosts;
  if (local.storage === null || lun === undefined || first === undefined || second === undefined || more.length > 0)
    return err("Cannot find the storage of this host: tandem.yaml has no section storage with two hosts");
  const { values } = local.storage;
  const text = (name: string): string => textOf(values[name]);
  const host = (one: typeof first): SetupRecord["answers"]["hosts"][0] => ({
    uuid: one.uuid,
    name: one.name,
    management: one.management,
    replication: one.replication,
    disk: diskOf(dump, lun.resource, one.name) ?? "",
  });
  const vip = text("DRBD_VIRTUAL_IP");
  return ok({
    drbdSecret: "",
    answers: {
      poolUuid: local.poolId,
      hosts: [host(first), host(second)],
      resource: lun.resource,
      device: lun.device,
      drbdPort: Number(/address\s+(?:ipv[46]\s+)?\S+:(\d+)\s*;/.exec(dump)?.[1] ?? 7789),
      vip,
      prefix: prefixOf(text("DRBD_VIRTUAL_MASK"), vip) ?? 32,
      interface: text("DRBD_INTERFACE"),
      iqn: text("TARGET_IQN"),
      lun: lun.lun,
      scsiId: lun.scsiId ?? "",
      scsiSn: lun.scsiSn ?? "",
      linkMbit: 1_000,
      firstSync: "full",
      srName: "",
    },
  });
}

const textOf = (value: Value | undefined): string =>
  value === undefined || value === null ? "" : Array.isArray(value) ? value.join(",") : String(value);
