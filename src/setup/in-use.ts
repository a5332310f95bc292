// Whether this host's storage is in use, for what may only be done while it is not. It must never take "cannot tell" for "not
// in use": a host under load answers late, and it is the one that serves. A module that is not loaded is an answer.

import type { DiskState, DrbdView } from "../core/model/drbd.ts";
import { describe, type DriverError } from "../drivers/driver-error.ts";
import { err, ok, type Result } from "../util/result.ts";

export type Looked = Result<ReadonlyMap<string, DrbdView>, DriverError>;

/** The views by resource; the error is a sentence that says what to do. */
export function told(looked: Looked): Result<ReadonlyMap<string, DrbdView>, string> {
  if (looked.ok) return looked;
  return err(
    `Cannot tell whether this host's storage is in use: ${describe(looked.error)}; ` +
      'run it again when "drbdsetup status" answers, see dmesg when it does not',
  );
}

/** The resource that is Primary here; null: none is. */
export function primaryIn(looked: Looked): Result<string | null, string> {
  const views = told(looked);
  return views.ok ? ok([...views.value].find(([, view]) => view.role === "Primary")?.[0] ?? null) : views;
}

/** Never under a Primary, nor where DRBD does not say whether there is one. */
export function mayReplaceFiles(looked: Looked): Result<"yes", string> {
  const serving = primaryIn(looked);
  if (!serving.ok) return serving;
  if (serving.value === null) return ok("yes");
  return err(`${serving.value} is in use on this host (Primary): its configuration is not replaced`);
}

/** Null: the resource is not up. "unknown": DRBD did not say. */
export type SeenCopy = DrbdView | null | "unknown";

/** Which disk is to be put under the copy: the configured one, by its own name or by none, or another. */
export type NamedDisk = "none" | "configured" | "other";

const FILLING: readonly DiskState[] = ["Attaching", "Negotiating", "Inconsistent"];
const HELD: readonly DiskState[] = [...FILLING, "Outdated", "Consistent", "UpToDate"];
/** In which states of its disk a copy has what was asked for already: an earlier run got that far, and this one goes on. */
const REACHED: Readonly<Record<NamedDisk, readonly DiskState[]>> = { none: FILLING, configured: HELD, other: [] };

/**
 * Whether a new disk may be put under the copy of this host, which is then filled from the other one; the error says why not.
 * "attached": it is there. `peer` is the other host's own picture, asked for only where this host's does not show that copy.
 */
export async function mayReplaceDisk(
  resource: string,
  looked: Looked,
  peer: () => Promise<Result<SeenCopy, string>>,
  named: NamedDisk = "none",
): Promise<Result<"yes" | "attached", string>> {
  const views = told(looked);
  if (!views.ok) return err(`Refused: ${views.error}`);
  const view = views.value.get(resource);
  if (view !== undefined && REACHED[named].includes(view.disk)) return ok("attached");
  const found = view?.peerDisk === "UpToDate" ? "UpToDate" : await copyThere(peer);
  // Before any word of a detach: on the host of the only whole copy that would be the end of it.
  if (found !== "UpToDate")
    return err(
      `Refused: the new disk is filled from the other host's copy, which has to be UpToDate; found: ${found}. ` +
        (view?.disk === "UpToDate"
          ? `The copy of ${resource} on this host is whole: where the other one lost its disk, run it there`
          : "See iscsi-cfg status there"),
    );
  // Failed too: until the broken disk is let go, the resource takes no other one.
  if (view !== undefined && view.disk !== "Diskless")
    return err(`Refused: ${resource} has its disk (${view.disk}); first: drbdadm detach ${resource}`);
  return ok("yes");
}

async function copyThere(peer: () => Promise<Result<SeenCopy, string>>): Promise<string> {
  const there = await peer();
  return there.ok ? (there.value === null ? "not up" : wordsOf(there.value)) : there.error;
}

const wordsOf = (seen: DrbdView | "unknown"): string => (seen === "unknown" ? "DRBD does not answer there" : seen.disk);
