// Brings this host's copy up again, for restore and replace-disk: metadata where the disk has none, attach, and what is said of
// it. It must never erase a disk that was not named.

import type { SetupRecord } from "../../setup/answers.ts";
import { applyPlan, planHere, type HostParts, type Planned } from "../../setup/host.ts";
import { isBlank } from "../../setup/plan/data.ts";
import type { FilesOf } from "../../setup/plan/plan.ts";
import { show } from "../../setup/plan/step.ts";
import { err, type Result } from "../../util/result.ts";
import { question } from "../ask-person.ts";
import { isInteractive, type CliContext } from "../context.ts";
import { note, type ExitCode } from "../request.ts";
import { planLines } from "./setup-text.ts";

/** A full sync of a big disk takes a day. */
export const SYNC_MS = 48 * 3_600_000;

export const codeOf = (reason: string): ExitCode => (reason.startsWith("Refused") ? 3 : 1);

export function tell(context: CliContext, done: Result<string, string>, json: boolean, code: ExitCode = 1): ExitCode {
  if (json)
    context.out(JSON.stringify(done.ok ? { kind: "done", text: done.value } : { kind: "failed", reason: done.error }));
  if (!done.ok) {
    note(context, done.error, "  ");
    return code;
  }
  if (!json) note(context, done.value);
  return 0;
}

export interface BringingUp {
  readonly record: SetupRecord;
  readonly files: Exclude<FilesOf, "write">;
  readonly erase: readonly string[];
  readonly json: boolean;
  /** What is so already when an obstacle is told. */
  readonly standing: string;
  /** Once everything is agreed to, before anything is done to the disk. */
  readonly begin?: () => Promise<Result<unknown, string>>;
}

/** Metadata where the disk has none, then attach or up. "Refused" begins an error that nothing was done for. */
export async function bringCopyUp(
  context: CliContext,
  parts: HostParts,
  { record, files, erase, json, standing, begin }: BringingUp,
): Promise<Result<"done", string>> {
  const planned = await planHere(parts, record, erase, files);
  if (!planned.ok) return planned;
  const { plan } = planned.value;
  const agreed = [...erase];
  if (plan.obstacles.length > 0) {
    tellPlan(context, planned.value, json);
    return err(`Refused: mend what says STOP first; ${standing}`);
  }
  if (plan.atRisk !== null) {
    const what = `${plan.atRisk.name} holds data (${plan.atRisk.found.join(", ")})`;
    if (!isInteractive(context)) return err(`Refused: ${what}. To erase it: --erase ${plan.atRisk.name}`);
    note(context, `${what}. It would be ERASED and filled from the other host.`);
    const typed = await question(context, `Type ${plan.atRisk.name} to erase it, or Enter to quit: `);
    if (typed !== plan.atRisk.name) return err("Refused: nothing was done to the disk");
    agreed.push(plan.atRisk.name);
  }
  const begun = await begin?.();
  if (begun?.ok === false) return begun;
  return applyPlan(parts, record, agreed, files);
}

/** Never on the way of an answer in JSON. */
export function tellPlan(context: CliContext, { plan, facts }: Pick<Planned, "plan" | "facts">, json: boolean): void {
  const lines = planLines([show(plan, !("fault" in facts.disk) && isBlank(facts.disk), "")]).join("\n");
  if (json) context.note(lines);
  else context.out(lines);
}
