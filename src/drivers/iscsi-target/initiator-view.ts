// What an initiator of the target meets: a login and the READ of a block, through the floating IP. Silence is traced: to the way
// there, to the disk below, or to the target itself, because only the last is mended by ending the target.

import { isIPv4 } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Millis } from "../../core/model/time.ts";
import type { DriverError } from "../driver-error.ts";
import type { ExecPort } from "../exec/port.ts";
import { askLun, type Portal, type Question } from "./ask-lun.ts";
import { readWriteCacheOff } from "./mode-sense.ts";
import type { InitiatorView, TargetSpec } from "./port.ts";

/** The largest logical block of a disk; of smaller blocks one comes. */
const BLOCK_BYTES = 4096;
/** READ(10), block 0, one block. */
const FIRST_BLOCK: Question = { name: "READ", command: [0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0], length: BLOCK_BYTES };

export interface ViewParts {
  readonly exec: Pick<ExecPort, "run">;
  readonly loopback: { readonly host: string; readonly port: number };
  readonly timeoutMs: Millis;
  /** Whether a question on the loopback portal that failed like this shows a target that lives. */
  readonly isAnswer: (error: DriverError) => boolean;
}

/** In calm one login for each LUN and no process. Takes up to three times `timeoutMs`. */
export async function viewOf(
  { exec, loopback, timeoutMs, isAnswer }: ViewParts,
  spec: TargetSpec,
): Promise<InitiatorView> {
  const { iqn, luns, portal } = spec;
  const [lun] = luns;
  if (lun === undefined) return "answers";

  /** The first LUN that does not answer; null: all do. A bad status is an answer: of the disk, by the target. */
  async function unread(at: Portal): Promise<DriverError | null> {
    const all = await Promise.all(luns.map((one) => askLun(at, iqn, one.lun, FIRST_BLOCK, timeoutMs)));
    for (const asked of all) if (!asked.ok && asked.error.kind !== "parse") return asked.error;
    return null;
  }

  // From loopback, which every list of initiators has; to an IPv6 address only the routes lead.
  const source = isIPv4(portal.address) ? { localAddress: loopback.host } : {};
  const missed = await unread({ host: portal.address, port: portal.port, ...source });
  if (missed === null) return "answers";
  // A refusal comes at once: it has as long to pass as silence has to end.
  if (missed.kind !== "timeout") await delay(timeoutMs);
  const [here, sensed] = await Promise.all([unread(loopback), readWriteCacheOff(loopback, iqn, lun.lun, timeoutMs)]);
  // Refused at the address, let in on loopback: a list of initiators without this host.
  if (here === null) return missed.kind === "exit" ? "answers" : "answers-on-loopback";
  if (!sensed.ok) return isAnswer(sensed.error) ? "answers" : "silent";
  const read = (device: string) =>
    exec.run("dd", [`if=${device}`, "of=/dev/null", `bs=${BLOCK_BYTES}`, "count=1", "iflag=direct"], {
      timeoutMs,
      lane: `target-disk:${device}`,
    });
  const disks = await Promise.all(luns.map(({ device }) => read(device)));
  return disks.every((one) => one.kind === "exited") ? "silent" : "disk-waits";
}
