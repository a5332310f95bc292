// The first agreement of two new copies: declared where both disks were blank, else a full sync from this host. It must never
// touch copies of which one was used before: DRBD knows which of those is the newer one.

import type { DrbdView } from "../core/model/drbd.ts";
import type { Instant, Millis } from "../core/model/time.ts";
import { describe } from "../drivers/driver-error.ts";
import { succeeded } from "../drivers/exec/outcome.ts";
import { err, ok, type Result } from "../util/result.ts";
import type { SetupAnswers } from "./answers.ts";
import type { HostParts, PlanReport } from "./host.ts";
import type { ShownPlan } from "./plan/step.ts";

const CONNECT_MS: Millis = 30_000;
const ACT_MS: Millis = 30_000;
/** A disk that is just being attached, or a connection that is just made, looks the same for a moment. */
const HOPELESS_MS: Millis = 15_000;

export type FirstSync = "agreed" | "declared" | "runs";

/**
 * How the copies come to agree. Copies are declared equal only where both disks were blank, in this run and in those before it:
 * of a disk that is erased only what tools would know it by goes. `kept`: of an earlier run; null: this is the first.
 */
export function firstSyncOf(
  kept: SetupAnswers["firstSync"] | null,
  plans: readonly Pick<ShownPlan, "isBlank" | "steps" | "atRisk">[],
  fullSync: boolean,
): SetupAnswers["firstSync"] {
  if (kept === null) return fullSync || !plans.every(({ isBlank }) => isBlank) ? "full" : "skip";
  const erases = plans.some(
    ({ steps, atRisk }) => atRisk !== null || steps.some((step) => step.kind === "command" && step.destroys !== null),
  );
  return erases ? "full" : kept;
}

/** `reports`: of both hosts, after both were set up. */
export async function beginFirstSync(
  parts: HostParts,
  { resource, firstSync }: SetupAnswers,
  reports: readonly PlanReport[],
): Promise<Result<FirstSync, string>> {
  const connected = await waitFor(parts, resource, CONNECT_MS, (view) => view.connection === "Connected");
  if (!connected.ok) return err(`${connected.error}; does the link carry DRBD's port? see iscsi-cfg check`);
  const view = connected.value;
  if (view.disk === "UpToDate" && view.peerDisk === "UpToDate") return ok("agreed");
  if (view.disk === "UpToDate" || view.peerDisk === "UpToDate") return ok("runs");
  if (!reports.every(({ isJustCreated }) => isJustCreated))
    return err(
      `${resource} is ${view.disk} here and ${view.peerDisk} there, and one of the copies was used before: ` +
        "which one counts is for a person to say; see iscsi-cfg status",
    );
  const volume = `${resource}/0`;
  if (firstSync === "skip") {
    parts.progress("both disks are blank: their copies are declared equal");
    const declared = await run(parts, ["drbdadm", "new-current-uuid", "--clear-bitmap", volume]);
    if (!declared.ok) return declared;
    const agreed = await waitFor(
      parts,
      resource,
      ACT_MS,
      ({ disk, peerDisk }) => disk === peerDisk && disk === "UpToDate",
    );
    return agreed.ok ? ok("declared") : agreed;
  }
  parts.progress("the first sync: from this host to the other one");
  // Primary for a moment: that is what makes this copy the source.
  const forced = await run(parts, ["drbdadm", "primary", "--force", resource]);
  if (!forced.ok) return forced;
  const demoted = await demote(parts, resource);
  return demoted.ok ? ok("runs") : demoted;
}

/** udev opens every device that becomes writable for a moment, and DRBD then refuses. */
async function demote(parts: HostParts, resource: string): Promise<Result<"done", string>> {
  const end = parts.clock.now() + CONNECT_MS;
  for (;;) {
    const done = await run(parts, ["drbdadm", "secondary", resource]);
    if (done.ok || parts.clock.now() >= end) return done;
    await parts.clock.sleep(1_000);
  }
}

/** Why the copies cannot come to agree by themselves, and what to do; null: they can. */
function whyNever(resource: string, { disk, peerDisk, connection }: DrbdView): string | null {
  for (const [state, where] of [
    [disk, "this host"],
    [peerDisk, "the other host"],
  ] as const) {
    if (state === "Failed")
      return `the disk of ${where} failed: there drbdadm detach ${resource}, then iscsi-cfg replace-disk`;
    if (state === "Diskless") return `${where} has no disk under it: there iscsi-cfg replace-disk`;
  }
  return connection === "StandAlone" ? "it is StandAlone: see iscsi-cfg status for the reason" : null;
}

/** Tells each percent; ends when both copies agree, or when they cannot. The storage can be used meanwhile. */
export async function followSync(
  parts: HostParts,
  resource: string,
  limitMs: Millis,
): Promise<Result<"agreed", string>> {
  let told = -1;
  let hopelessSince: Instant | null = null;
  let never: string | null = null;
  let partedSince: Instant | null = null;
  let isPartedTold = false;
  const agreed = await waitFor(parts, resource, limitMs, (view) => {
    never = whyNever(resource, view);
    hopelessSince = never === null ? null : (hopelessSince ?? parts.clock.now());
    if (hopelessSince !== null && parts.clock.now() - hopelessSince >= HOPELESS_MS) return true;
    partedSince = view.connection === "Connected" ? null : (partedSince ?? parts.clock.now());
    if (!isPartedTold && partedSince !== null && parts.clock.now() - partedSince >= HOPELESS_MS) {
      isPartedTold = true;
      parts.progress(
        `waits for the other host's DRBD (${view.connection}): see iscsi-cfg status there. Ctrl-C ends only the waiting`,
      );
    }
    const percent = Math.floor(view.donePercent ?? -1);
    if (percent > told) {
      told = percent;
      parts.progress(`sync ${percent} %, ${Math.round((view.outOfSyncKiB ?? 0) / 1024)} MiB to go`);
    }
    return view.disk === "UpToDate" && view.peerDisk === "UpToDate";
  });
  if (!agreed.ok) return agreed;
  return never === null ? ok("agreed") : err(`${resource} does not come to agree: ${String(never)}`);
}

async function run({ exec }: HostParts, [file = "", ...args]: readonly string[]): Promise<Result<"done", string>> {
  const line = [file, ...args].join(" ");
  const done = succeeded(line, await exec.run(file, args, { timeoutMs: ACT_MS, lane: "setup drbdadm" }));
  return done.ok ? ok("done") : err(describe(done.error));
}

async function waitFor(
  { drbd, clock }: HostParts,
  resource: string,
  limitMs: Millis,
  isSo: (view: DrbdView) => boolean,
): Promise<Result<DrbdView, string>> {
  const end = clock.now() + limitMs;
  for (;;) {
    const seen = await drbd.observe();
    const view = seen.ok ? seen.value.get(resource) : undefined;
    if (view !== undefined && isSo(view)) return ok(view);
    if (clock.now() >= end) {
      const found = view === undefined ? "not up" : `${view.connection}, ${view.disk} here and ${view.peerDisk} there`;
      return err(`${resource} did not get ready within ${Math.round(limitMs / 1000)} s: it is ${found}`);
    }
    await clock.sleep(500);
  }
}
