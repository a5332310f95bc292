// Reads a LUN's caching mode page: how "write cache off" is read back, because no target tells it otherwise.

import type { Millis } from "../../core/model/time.ts";
import { err, ok, type Result } from "../../util/result.ts";
import type { DriverError } from "../driver-error.ts";
import { askLun, type Portal, type Question } from "./ask-lun.ts";

/** MODE SENSE(6), no block descriptors, current values of page 8, up to 255 bytes. */
const CACHING_PAGE: Question = { name: "MODE SENSE", command: [0x1a, 0x08, 0x08, 0, 0xff, 0], length: 0xff };

/** True when the LUN says that its write cache is off (WCE = 0 in mode page 8). */
export async function readWriteCacheOff(
  portal: Portal,
  iqn: string,
  lun: number,
  timeoutMs: Millis,
): Promise<Result<boolean, DriverError>> {
  const asked = await askLun(portal, iqn, lun, CACHING_PAGE, timeoutMs);
  if (!asked.ok) return asked;
  const page = asked.value;
  // Mode header (4 bytes, no block descriptor was asked for), then the page: code, length, flags with WCE as 0x04.
  if (((page[4] ?? 0) & 0x3f) === 8 && page.length >= 7) return ok(((page[6] ?? 0xff) & 0x04) === 0);
  const sample = page.subarray(0, 24).toString("hex");
  return err({ kind: "parse", command: `MODE SENSE of ${iqn} LUN ${lun}`, sample });
}
