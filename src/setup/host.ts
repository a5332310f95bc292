// What one host does for a setup: for its own command line, and for the other host by way of the plugin. Every answer is
// plain JSON without secrets.

import type { ClockPort } from "../drivers/clock/port.ts";
import { describeProblem } from "../config/problem.ts";
import { describe } from "../drivers/driver-error.ts";
import { succeeded } from "../drivers/exec/outcome.ts";
import type { PoolContext } from "../act/pool/procedure.ts";
import type { Check } from "../drivers/control/answers.ts";
import { err, ok, type Result } from "../util/result.ts";
import { checkAnswers, parseRecord, type SetupHost, type SetupRecord } from "./answers.ts";
import { keepBackup } from "./backup.ts";
import { carryOut, undo } from "./carry-out/carry-out.ts";
import { storageChecks } from "./checks.ts";
import { recordOfConfiguration } from "./existing.ts";
import type { HostFacts } from "./facts.ts";
import { primaryIn, told, type SeenCopy } from "./in-use.ts";
import { identify, lookAround, ownUuid, type LookPorts } from "./look/look.ts";
import { deviceBytes } from "./look/disk.ts";
import { carryOutOn, writeDiskOf } from "./name-disk.ts";
import { isBlank } from "./plan/data.ts";
import { planHost, type FilesOf } from "./plan/plan.ts";
import { show, type HostPlan, type ShownPlan } from "./plan/step.ts";
import { readPoolText, SETUP_RECORD } from "./pool/record.ts";
import type { PluginCall } from "./pool/plugin.ts";

export interface HostParts extends LookPorts {
  readonly clock: ClockPort;
  readonly context: PoolContext;
  readonly progress: (text: string) => void;
}

/** A plan together with the state of this host's copy. */
export interface PlanReport {
  readonly plan: ShownPlan;
  readonly view: SeenCopy;
  readonly isJustCreated: boolean;
  /** Of the replicated device; null: it has none yet. Absent: another version of the package. */
  readonly deviceBytes?: number | null;
}

export async function answerCall(parts: HostParts, call: PluginCall): Promise<Result<unknown, string>> {
  switch (call.fn) {
    case "identify":
      return identify();
    case "plan":
      return reportPlan(parts, call.erase, call.answers);
    case "apply":
      return apply(parts, call.erase);
    case "serve":
      return serve(parts);
    case "check":
      return checkHost(parts);
    case "undo":
      return takeBack(parts);
    case "keep":
      return keepBackup(parts);
    case "disk":
      return writeOthersDisk(parts, call.disk ?? "");
  }
}

async function writeOthersDisk(parts: HostParts, named: string): Promise<Result<"written" | "already", string>> {
  const record = await recordOfConfiguration(parts.exec);
  if (!record.ok) return record;
  const uuid = await ownUuid();
  return uuid.ok ? writeDiskOf(parts, record.value, uuid.value, named) : uuid;
}

/** The setup of this pool; the error says what to do when there is none. */
export async function readRecord(context: PoolContext): Promise<Result<SetupRecord, string>> {
  const text = await readPoolText(context, SETUP_RECORD);
  if (!text.ok) return text;
  if (text.value === null) return err("no setup is kept in the pool's database: run iscsi-cfg setup");
  return parseRecord(text.value);
}

export interface Planned {
  readonly plan: HostPlan;
  readonly facts: HostFacts;
  readonly self: SetupHost;
  readonly peer: SetupHost;
}

export async function planHere(
  parts: LookPorts,
  record: SetupRecord,
  erase: readonly string[],
  files: FilesOf = "write",
): Promise<Result<Planned, string>> {
  const pair = await pairOf(record);
  if (!pair.ok) return pair;
  const { self, peer } = pair.value;
  const facts = await lookAround(parts, record.answers, self, peer);
  return ok({ plan: planHost({ record, self: self.uuid, facts, erase, files }), facts, self, peer });
}

export async function pairOf({ answers }: SetupRecord): Promise<Result<Pick<Planned, "self" | "peer">, string>> {
  const uuid = await ownUuid();
  if (!uuid.ok) return uuid;
  const self = answers.hosts.find((one) => one.uuid === uuid.value);
  const peer = answers.hosts.find((one) => one.uuid !== uuid.value);
  if (self !== undefined && peer !== undefined) return ok({ self, peer });
  const names = answers.hosts.map(({ name }) => name).join(" and ");
  return err(`this host (${uuid.value}) is neither of ${names}, for which the storage was set up`);
}

export async function reportPlan(
  parts: HostParts,
  erase: readonly string[],
  answers: string | null = null,
): Promise<Result<PlanReport, string>> {
  const record = answers === null ? await keptOrConfigured(parts) : draft(answers);
  if (!record.ok) return record;
  // Files that other hands wrote are not compared: the secret in them is none that this plan could hide.
  const files = record.value.drbdSecret === "" ? "keep" : "write";
  const planned = await planHere(parts, record.value, erase, files);
  if (!planned.ok) return planned;
  const { plan, facts } = planned.value;
  const blank = !("fault" in facts.disk) && isBlank(facts.disk);
  return ok({
    plan: show(plan, blank, record.value.drbdSecret),
    view: facts.view,
    isJustCreated: facts.isJustCreated,
    deviceBytes: await deviceBytes(record.value.answers.device),
  });
}

/** Answers that nobody agreed to yet, for a plan that is only shown. */
function draft(text: string): Result<SetupRecord, string> {
  const answers = checkAnswers(JSON.parse(text));
  return answers.ok
    ? ok({ answers: answers.value, drbdSecret: "(made by the setup)" })
    : err(answers.error.map(describeProblem).join("; "));
}

/** Does this host's part and looks again: what is left then did not take effect. */
async function apply(parts: HostParts, erase: readonly string[]): Promise<Result<PlanReport, string>> {
  const record = await readRecord(parts.context);
  if (!record.ok) return record;
  const done = await applyPlan(parts, record.value, erase);
  if (!done.ok) return done;
  const after = await reportPlan(parts, []);
  if (!after.ok) return after;
  const [left] = after.value.plan.steps;
  const [obstacle] = after.value.plan.obstacles;
  if (obstacle !== undefined) return err(`${obstacle.what}; ${obstacle.next}`);
  if (left === undefined) return after;
  return err(`"${left.title}" did not take effect; run iscsi-cfg setup again and see iscsi-cfg check`);
}

export async function applyPlan(
  parts: HostParts,
  record: SetupRecord,
  erase: readonly string[],
  files: FilesOf = "write",
): Promise<Result<"done", string>> {
  const planned = await planHere(parts, record, erase, files);
  if (!planned.ok) return planned;
  const { plan } = planned.value;
  const [obstacle] = plan.obstacles;
  if (obstacle !== undefined) return err(`${obstacle.what}; ${obstacle.next}`);
  if (plan.atRisk !== null)
    return err(`${plan.atRisk.name} holds ${plan.atRisk.found.join(", ")}: nobody agreed to its loss`);
  if (typeof files === "string") return carryOut(parts, plan.steps, erase);
  return carryOutOn(parts, plan.steps, erase, record.answers.resource, planned.value.self);
}

const DAEMON = "tandemd";

/** The daemon at boot, and now. Idempotent: systemctl says nothing when it is so. */
export async function serve({ exec, progress }: Pick<HostParts, "exec" | "progress">): Promise<Result<"done", string>> {
  for (const verb of ["enable", "start"]) {
    progress(`systemctl ${verb} ${DAEMON}`);
    const done = succeeded(
      `systemctl ${verb} ${DAEMON}`,
      await exec.run("systemctl", [verb, DAEMON], { timeoutMs: 40_000, lane: "setup systemctl" }),
    );
    if (!done.ok) return err(`${describe(done.error)}; see journalctl -u ${DAEMON}`);
  }
  return ok("done");
}

/** The setup that the pool keeps, or what is configured here by other means: then without DRBD's secret. */
async function keptOrConfigured({ context, exec }: HostParts): Promise<Result<SetupRecord, string>> {
  const kept = await readRecord(context);
  return kept.ok ? kept : recordOfConfiguration(exec);
}

/** The preflight of this host's storage, set up by tandem or by other means. */
export async function checkHost(parts: HostParts): Promise<Result<readonly Check[], string>> {
  const record = await keptOrConfigured(parts);
  if (!record.ok) return record;
  const pair = await pairOf(record.value);
  if (!pair.ok) return pair;
  const { self, peer } = pair.value;
  const facts = await lookAround(parts, record.value.answers, self, peer);
  return ok(storageChecks({ record: record.value, self, peer, facts }));
}

/** Refused while this host serves or is the only one with the data in use: an undo is no way to stop the storage. */
async function takeBack(parts: HostParts): Promise<Result<readonly string[], string>> {
  const primary = primaryIn(await parts.drbd.observe());
  if (!primary.ok) return primary;
  if (primary.value !== null)
    return err(
      `${primary.value} is in use here (Primary): first ha-cfg disable, iscsi-cfg manual-mode-enable on both hosts, ` +
        "then iscsi-cfg become-secondary on this one",
    );
  for (const verb of ["stop", "disable"]) {
    parts.progress(`systemctl ${verb} ${DAEMON}`);
    const options = { timeoutMs: 60_000, lane: "setup systemctl" };
    const done = succeeded(`systemctl ${verb}`, await parts.exec.run("systemctl", [verb, DAEMON], options));
    if (!done.ok) return err(`${describe(done.error)}: HA must be off before the daemon can be stopped for good`);
  }
  const left = told(await parts.drbd.observe());
  return left.ok ? undo(parts, new Set(left.value.keys())) : left;
}
