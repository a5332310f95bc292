// iscsi-cfg check, backup and restore: whether both hosts are still as a failover needs them, and what brings one back. They
// must never erase a disk that was not named.

import { recordOfConfiguration } from "../../setup/existing.ts";
import { findBackup, stepsOf } from "../../setup/backup.ts";
import { carryOut } from "../../setup/carry-out/carry-out.ts";
import { followSync } from "../../setup/first-sync.ts";
import { checkHost, serve } from "../../setup/host.ts";
import { mayReplaceFiles } from "../../setup/in-use.ts";
import { hostParts } from "../../setup/parts.ts";
import type { Check } from "../../drivers/control/answers.ts";
import { askDaemon } from "../../drivers/control/client.ts";
import { err, ok, type Result } from "../../util/result.ts";
import type { CliContext } from "../context.ts";
import { checkLines } from "../reports.ts";
import { note, type ExitCode } from "../request.ts";
import { bringCopyUp, codeOf, SYNC_MS, tell } from "./bring-copy-up.ts";
import { keepBoth, makeTeam, progressOf, type Team } from "./setup.ts";

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

export async function restoreStorage(
  context: CliContext,
  { dryRun, ...given }: { readonly erase: readonly string[]; readonly json: boolean; readonly dryRun: boolean },
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
  const record = await recordOfConfiguration(parts.exec);
  if (!record.ok) return tell(context, record, given.json);
  const { resource } = record.value.answers;
  const standing = "the files of the configuration are in place";
  const attached = await bringCopyUp(context, parts, { ...given, record: record.value, files: "keep", standing });
  if (!attached.ok) return tell(context, attached, given.json, codeOf(attached.error));
  const started = await serve(parts);
  if (!started.ok) return tell(context, started, given.json);
  const uuids = await team(context);
  const isNewHost = uuids?.own.uuid !== undefined && uuids.own.uuid !== backup.value.hostUuid;
  if (isNewHost)
    note(
      context,
      `This host has a new UUID: on ${uuids.peer.name} replace ${backup.value.hostUuid} by ${uuids.own.uuid} in /etc/tandem/tandem.yaml, then restart tandemd there.`,
    );
  const synced = await followSync(parts, resource, SYNC_MS);
  return tell(context, synced.ok ? ok(`${resource}: restored, both copies agree`) : synced, given.json);
}

async function team(context: CliContext): Promise<Team | null> {
  const made = await makeTeam(context);
  return made.ok ? made.value : null;
}
