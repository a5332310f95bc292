// The plan of a setup as text for people. Pure; every line at most 80 columns, but for the lines of files.

import type { ShownPlan, ShownStep } from "../../setup/plan/step.ts";
import { textColumns } from "../context.ts";
import { clean, plural, wrap } from "../text.ts";

const folded = (lead: string, text: string): string[] => {
  const indent = " ".repeat(lead.length);
  return wrap(clean(text), textColumns - lead.length).map((line, index) => `${index === 0 ? lead : indent}${line}`);
};

/** Every file with its lines and every command, per host. */
export function planLines(plans: readonly ShownPlan[]): string[] {
  return plans.flatMap((plan, index) => [...(index === 0 ? [] : [""]), ...hostLines(plan)]);
}

function hostLines({ host, steps, already, obstacles, atRisk }: ShownPlan): string[] {
  return [
    `${host}: ${steps.length === 0 ? "nothing to do" : plural(steps.length, "step")}`,
    ...obstacles.flatMap(({ what, next }) => [...folded("  STOP  ", what), ...folded("        Next: ", next)]),
    ...(atRisk === null ? [] : [...folded("  DATA  ", `${atRisk.name} would be ERASED: ${atRisk.found.join(", ")}`)]),
    ...steps.flatMap(stepLines),
    ...folded("  ok    ", already.join(", ") || "-"),
  ];
}

function stepLines(step: ShownStep): string[] {
  if (step.kind === "command") {
    const mark = step.destroys === null ? "  run   " : "  ERASE ";
    return [...folded(mark, step.title), `          ${clean(step.command)}`];
  }
  return [
    ...folded(step.isNew ? "  new   " : "  edit  ", `${step.path}: ${step.title}`),
    ...step.change.map((line) => `        ${clean(line)}`),
  ];
}

/** Without the lines of files: before the question whether to go on. */
export function summaryLines(plans: readonly ShownPlan[]): string[] {
  return plans.flatMap(({ host, steps }) =>
    steps.flatMap((step) =>
      folded(`  ${host}  `, step.kind === "file" ? `${step.path} (${step.title})` : `${step.title}: ${step.command}`),
    ),
  );
}
