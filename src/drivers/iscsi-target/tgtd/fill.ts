// The parts of a filled target: the target itself, a LUN, the list of who may log in. Each looks at what was shown, asks for
// what is missing and says whether it asked. They must never change a LUN that is there: initiators may be using it.

import { err, ok, type Result } from "../../../util/result.ts";
import type { DriverError } from "../../driver-error.ts";
import type { Management } from "./management.ts";
import type { ShownTarget } from "./parse-show.ts";
import type { ExportedLun, TargetSpec } from "../port.ts";

/** Caching mode page (8) with WCE = 0: tgtd then syncs each write to the device before it acknowledges it. */
const writeCacheOffPage = "mode_page=8:0:18:0x10:0:0xff:0xff:0:0:0xff:0xff:0xff:0xff:0x80:0x14:0:0:0:0:0:0";

export async function ensureTarget(
  management: Management,
  spec: TargetSpec,
  seen: readonly ShownTarget[],
): Promise<Result<boolean, DriverError>> {
  const same = seen.find((target) => target.tid === spec.tid);
  if (same !== undefined && same.iqn !== spec.iqn) {
    return err({ kind: "unverified", action: `make target ${spec.tid}`, expected: spec.iqn, found: same.iqn });
  }
  if (same !== undefined) return ok(false);
  const made = await management.request({ mode: "target", op: "new", tid: spec.tid, data: `targetname=${spec.iqn}` });
  if (!made.ok) return made;
  // Wait 0 instead of 2 s before an initiator logs in again. No pings (nop_interval): when the answer to one is taken off the
  // queue, tgtd 1.0.85 stops sending, and an answer to a command that waits behind it leaves with the next ping only.
  const set = await management.request({ mode: "target", op: "update", tid: spec.tid, data: "DefaultTime2Wait=0" });
  return set.ok ? ok(true) : set;
}

export async function ensureLun(
  management: Management,
  spec: TargetSpec,
  lun: ExportedLun,
  seen: ShownTarget | undefined,
): Promise<Result<boolean, DriverError>> {
  const same = seen?.luns.find((one) => one.lun === lun.lun);
  if (same !== undefined && same.path !== lun.device) {
    return err({
      kind: "unverified",
      action: `export LUN ${lun.lun}`,
      expected: lun.device,
      found: same.path ?? "none",
    });
  }
  const where = { mode: "logicalunit", tid: spec.tid, lun: lun.lun } as const;
  if (same === undefined) {
    const made = await management.request({ ...where, op: "new", data: `path=${lun.device},bstype=rdwr` });
    if (!made.ok) return made;
    const parameters = [
      writeCacheOffPage,
      "thin_provisioning=0",
      ...(lun.scsiId === null ? [] : [`scsi_id=${lun.scsiId}`]),
      ...(lun.scsiSn === null ? [] : [`scsi_sn=${lun.scsiSn}`]),
    ];
    const set = await management.request({ ...where, op: "update", data: `targetOps ${parameters.join(",")},` });
    if (!set.ok) return set;
  }
  return ok(same === undefined);
}

/** Exactly these addresses. Taking away comes first. */
export async function ensureAcl(
  management: Management,
  tid: number,
  wanted: readonly string[],
  seen: ShownTarget | undefined,
): Promise<Result<boolean, DriverError>> {
  const list = new Set(wanted);
  const had = new Set(seen?.acl);
  const changes = [
    ...[...had].filter((one) => !list.has(one)).map((one) => ["unbind", one] as const),
    ...[...list].filter((one) => !had.has(one)).map((one) => ["bind", one] as const),
  ];
  for (const [op, address] of changes) {
    const done = await management.request({ mode: "target", op, tid, data: `initiator-address=${address}` });
    if (!done.ok) return done;
  }
  return ok(changes.length > 0);
}
