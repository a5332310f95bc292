// Gives up the suspended writes of an owner that was replaced, so that whoever waits for them can end and the device can be
// closed: upstream's "forced down" in steps (drbdsetup(8), drbd_adm_resume_io of 8.4).

import { readdirSync, readFileSync } from "node:fs";
import type { DrbdView } from "../../core/model/drbd.ts";
import type { Millis } from "../../core/model/time.ts";
import { err, ok, type Result } from "../../util/result.ts";
import type { ClockPort } from "../clock/port.ts";
import type { DriverError } from "../driver-error.ts";

export interface AbandonTools {
  readonly clock: ClockPort;
  drbdsetup(...args: readonly string[]): Promise<Result<unknown, DriverError>>;
  drbdadm(verb: "down" | "up"): Promise<Result<unknown, DriverError>>;
  /** True as soon as the disk is in that state; else what it is after `withinMs`. */
  diskIs(disk: DrbdView["disk"], withinMs: Millis): Promise<true | string>;
  handlerRuns(): boolean;
}

/** How long whoever holds a device may take to close it after its writes failed, and a handler to end that was answered. */
const closeMs: Millis = 5_000;
const lookEveryMs: Millis = 200;

/** The kernel thread that waits for a fence-peer handler after a lost connection (drbd_nl.c, 8.4 and 9). */
const HANDLER_THREAD = "drbd_async_h";

/** For any resource: the thread's name does not tell which. */
export function handlerThreadRuns(proc = "/proc"): boolean {
  return readdirSync(proc).some((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`${proc}/${name}/comm`, "utf8").trim() === HANDLER_THREAD;
    } catch {
      // It ended between the two looks.
      return false;
    }
  });
}

/**
 * `detach --force` lets all pending I/O of the disk fail, and with on-no-data-accessible=io-error the thaw fails what is frozen
 * instead of keeping it. `up` applies the activity log, so that every block that may have been written here is resynced; it
 * also brings the options back.
 */
export async function abandonWrites(
  resource: string,
  minor: number,
  tools: AbandonTools,
): Promise<Result<"changed", DriverError>> {
  const { clock, drbdsetup, drbdadm } = tools;
  const device = String(minor);
  // What was done before, or is not needed any more, is refused by the kernel: the demotion below is the proof.
  const give = async (...args: readonly string[]) => {
    const done = await drbdsetup(...args);
    return done.ok || done.error.kind === "exit" ? ok("given") : done;
  };
  const noHandler = async (): Promise<Result<unknown, DriverError>> => {
    const deadline = clock.now() + closeMs;
    while (tools.handlerRuns()) {
      if (clock.now() >= deadline) {
        const action = `give up the suspended writes of ${resource}`;
        return err({ kind: "unverified", action, expected: "no fence-peer handler", found: "one that waits" });
      }
      await clock.sleep(lookEveryMs);
    }
    return ok("none");
  };
  // A resource that is taken down while DRBD waits for its handler ends the kernel when the answer comes (8.4.11, seen).
  const answered = await noHandler();
  if (!answered.ok) return answered;
  const failing = await give("resource-options", resource, "--on-no-data-accessible=io-error");
  if (!failing.ok) return failing;
  const detached = await give("detach", device, "--force");
  if (!detached.ok) return detached;
  // A thaw while the disk is still leaving would begin a new generation on it: a split brain with the owner.
  const gone = await tools.diskIs("Diskless", closeMs);
  if (gone !== true)
    return err({ kind: "unverified", action: `detach ${resource}`, expected: "Diskless", found: gone });
  const thawed = await give("resume-io", device);
  if (!thawed.ok) return thawed;
  const deadline = clock.now() + closeMs;
  for (;;) {
    const demoted = await drbdsetup("secondary", device);
    if (demoted.ok) break;
    if (demoted.error.kind !== "exit" || clock.now() >= deadline) return demoted;
    await clock.sleep(lookEveryMs);
  }
  const still = await noHandler();
  if (!still.ok) return still;
  const down = await drbdadm("down");
  if (!down.ok) return down;
  const up = await drbdadm("up");
  return up.ok ? ok("changed") : up;
}
