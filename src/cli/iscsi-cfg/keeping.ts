// iscsi-cfg check, backup, restore and replace-disk: whether both hosts are still as a failover needs them, and what brings
// one back. They must never erase a disk that was not named.

import { recordOfConfiguration } from "../../setup/existing.ts";
import { findBackup, stepsOf } from "../../setup/backup.ts";
import { carryOut } from "../../setup/carry-out/carry-out.ts";
import { followSync } from "../../setup/first-sync.ts";
import { applyPlan, checkHost, planHere, serve, type HostParts, type PlanReport } from "../../setup/host.ts";
import { mayReplaceDisk, mayReplaceFiles, type SeenCopy } from "../../setup/in-use.ts";
import { isBlank } from "../../setup/plan/data.ts";
import { show } from "../../setup/plan/step.ts";
import { hostParts } from "../../setup/parts.ts";
import type { Check } from "../../drivers/control/answers.ts";
import { askDaemon } from "../../drivers/control/client.ts";
import { err, ok, type Result } from "../../util/result.ts";
import { question } from "../ask-person.ts";
import { isInteractive, type CliContext } from "../context.ts";
import { checkLines } from "../reports.ts";
import { note, type ExitCode } from "../request.ts";
import { keepBoth, makeTeam, progressOf, type Team } from "./setup.ts";
import { planLines } from "./setup-text.ts";

const SYNC_MS = 48 * 3_600_000;

function tell(context: CliContext, done: Result<string, string>, json: boolean, code: ExitCode = 1): ExitCode {
  if (json)
    context.out(JSON.stringify(done.ok ? { kind: "done", text: done.value } : { kind: "failed", reason: done.error }));
  if (!done.ok) {
    note(context, done.error, "  ");
    return code;
  }
  if (!json) note(context, done.value);
  return 0;
}

/** Storage checks of the daemon, which looks at DRBD's options, the target and the SR all the time. */
const DAEMON_CHECKS = new Set(["drbd", "drbd-options", "target", "floating-ip", "storage-attached"]);

export async function checkStorage(context: CliContext, json: boolean): Promise<ExitCode> {
  const parts = hostParts(() => undefined);
  const own = await checkHost(parts);
  const checks: Check[] = own.ok
    ? [...own.value]
    : [{ id: "setup", title: "setup", outcome: "failed", found: own.error, next: "iscsi-cfg setup" }];
  checks.push(...(await peerChecks(context)), ...(await daemonChecks(context)));
  if (json) context.out(JSON.stringify({ kind: "checks", checks }, null, 2));
  else context.out(checkLines(checks).join("\n"));
  return checks.some(({ outcome }) => outcome === "failed") ? 1 : 0;
}

async function peerChecks(context: CliContext): Promise<readonly Check[]> {
  const team = await makeTeam(context);
  const answer: Result<unknown, string> = team.ok ? await team.value.ask("check") : err(team.error);
  if (answer.ok) return answer.value as readonly Check[];
  const next = "look there: iscsi-cfg check";
  return [{ id: "other-host", title: "other host", outcome: "warning", found: answer.error, next }];
}

async function daemonChecks(context: CliContext): Promise<readonly Check[]> {
  const answer = await askDaemon({ kind: "check" }, { path: context.socketPath, silenceMs: 120_000 });
  if (answer.ok && answer.value.kind === "checks") return answer.value.checks.filter(({ id }) => DAEMON_CHECKS.has(id));
  const found = "the daemon does not run: DRBD's options, the target and the SR were not looked at";
  return [{ id: "daemon", title: "daemon", outcome: "warning", found, next: "systemctl status tandemd" }];
}

export async function backUpStorage(context: CliContext, json: boolean): Promise<ExitCode> {
  const team = await makeTeam(context);
  if (!team.ok) return tell(context, team, json);
  const kept = await keepBoth(team.value);
  const { own, peer } = team.value;
  const done = `the storage configuration of ${own.name} and ${peer.name} is in the pool's database; "iscsi-cfg restore" on a host brings it back`;
  return tell(context, kept.ok ? ok(done) : kept, json);
}

interface Erasing {
  readonly erase: readonly string[];
  readonly json: boolean;
}

export async function restoreStorage(
  context: CliContext,
  { dryRun, ...given }: Erasing & { readonly dryRun: boolean },
): Promise<ExitCode> {
  const parts = hostParts(progressOf(context));
  const backup = await findBackup(parts.context);
  if (!backup.ok) return tell(context, backup, given.json);
  const steps = await stepsOf(backup.value);
  if (!steps.ok) return tell(context, steps, given.json);
  if (steps.value.length > 0) {
    const free = mayReplaceFiles(await parts.drbd.observe());
    if (!free.ok) return tell(context, free, given.json, 3);
  }
  if (dryRun) {
    const lines = steps.value.map(({ path }) => `  file  ${path}`);
    context.out(
      [
        `From the backup of ${backup.value.hostName}:`,
        ...lines,
        "  then metadata where there is none, DRBD, tandemd",
      ].join("\n"),
    );
    return 0;
  }
  const written = await carryOut(parts, steps.value, []);
  if (!written.ok) return tell(context, written, given.json);
  const attached = await bringCopyUp(context, parts, given);
  if (!attached.ok) return tell(context, attached, given.json, attached.error.startsWith("Refused") ? 3 : 1);
  const started = await serve(parts);
  if (!started.ok) return tell(context, started, given.json);
  const uuids = await team(context);
  const isNewHost = uuids?.own.uuid !== undefined && uuids.own.uuid !== backup.value.hostUuid;
  if (isNewHost)
    note(
      context,
      `This host has a new UUID: on ${uuids.peer.name} replace ${backup.value.hostUuid} by ${uuids.own.uuid} in /etc/tandem/tandem.yaml, then restart tandemd there.`,
    );
  const synced = await followSync(parts, attached.value, SYNC_MS);
  return tell(context, synced.ok ? ok(`${attached.value}: restored, both copies agree`) : synced, given.json);
}

async function team(context: CliContext): Promise<Team | null> {
  const made = await makeTeam(context);
  return made.ok ? made.value : null;
}

/** Metadata where the disk has none, then attach or up; the name of the resource when it is done. */
async function bringCopyUp(context: CliContext, parts: HostParts, { erase }: Erasing): Promise<Result<string, string>> {
  const record = await recordOfConfiguration(parts.exec);
  if (!record.ok) return record;
  const planned = await planHere(parts, record.value, erase, "keep");
  if (!planned.ok) return planned;
  const { plan, facts } = planned.value;
  const agreed = [...erase];
  if (plan.obstacles.length > 0) {
    context.out(planLines([show(plan, !("fault" in facts.disk) && isBlank(facts.disk), "")]).join("\n"));
    return err("Refused: mend what says STOP first; the files of the configuration are in place");
  }
  if (plan.atRisk !== null) {
    const what = `${plan.atRisk.name} holds data (${plan.atRisk.found.join(", ")})`;
    if (!isInteractive(context)) return err(`Refused: ${what}. To erase it: --erase ${plan.atRisk.name}`);
    note(context, `${what}. It would be ERASED and filled from the other host.`);
    const typed = await question(context, `Type ${plan.atRisk.name} to erase it, or Enter to quit: `);
    if (typed !== plan.atRisk.name) return err("Refused: nothing was done to the disk");
    agreed.push(plan.atRisk.name);
  }
  const done = await applyPlan(parts, record.value, agreed, "keep");
  return done.ok ? ok(record.value.answers.resource) : done;
}

/** A new disk in the place of a broken one: the other host's copy is the only one, so it has to be whole. */
export async function replaceDisk(context: CliContext, given: Erasing): Promise<ExitCode> {
  const parts = hostParts(progressOf(context));
  const record = await recordOfConfiguration(parts.exec);
  if (!record.ok) return tell(context, record, given.json);
  const { resource } = record.value.answers;
  const allowed = await mayReplaceDisk(resource, await parts.drbd.observe(), () => askPeerCopy(context));
  if (!allowed.ok) return tell(context, allowed, given.json, 3);
  const done = await bringCopyUp(context, parts, given);
  if (!done.ok) return tell(context, done, given.json, done.error.startsWith("Refused") ? 3 : 1);
  const synced = await followSync(parts, resource, SYNC_MS);
  return tell(context, synced.ok ? ok(`${resource}: the new disk is up to date`) : synced, given.json);
}

async function askPeerCopy(context: CliContext): Promise<Result<SeenCopy, string>> {
  const made = await makeTeam(context);
  if (!made.ok) return made;
  const there = await made.value.ask("plan");
  return there.ok ? ok((there.value as PlanReport).view) : there;
}
