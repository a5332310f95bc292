// The daemon's answers that are more than a sentence, as lines of text. Pure; every line at most 80 columns.

import type { Check, ExplanationReport, Failover, Forecast, VmFlags } from "../drivers/control/answers.ts";
import { textColumns } from "./context.ts";
import { clean, clip, clock, dateTime, duration, fit, plural, wrap } from "./text.ts";

const folded = (lead: string, text: string): string[] => {
  const indent = " ".repeat(lead.length);
  return wrap(clean(text), textColumns - lead.length).map((line, index) => `${index === 0 ? lead : indent}${line}`);
};

const MARKS: Readonly<Record<Check["outcome"], string>> = {
  ok: "  ok    ",
  warning: "  warn  ",
  failed: "FAILED  ",
  skipped: "  -     ",
};

/** Worst first: what stands against a failover must not scroll away. */
export function checkLines(checks: readonly Check[]): string[] {
  const order: readonly Check["outcome"][] = ["ok", "skipped", "warning", "failed"];
  const sorted = checks.toSorted((a, b) => order.indexOf(a.outcome) - order.indexOf(b.outcome));
  const lines = sorted.flatMap(({ outcome, title, found, next }) => [
    ...folded(MARKS[outcome], `${title}: ${found}`),
    ...(next === "" ? [] : folded("        Next: ", next)),
  ]);
  const count = (outcome: Check["outcome"]): number => checks.filter((one) => one.outcome === outcome).length;
  const failed = count("failed");
  const warnings = count("warning") > 0 ? `; ${plural(count("warning"), "warning")}` : "";
  const verdict =
    failed === 0
      ? `A failover finds everything it needs${warnings}.`
      : `${plural(failed, "thing")} would stand in the way of a failover.`;
  return [...lines, "", verdict, ...nextStep(checks)];
}

/** The checks come in the order in which one thing needs another: the first that fails is what to do first. */
function nextStep(checks: readonly Check[]): string[] {
  const first =
    checks.find((one) => one.outcome === "failed") ?? checks.find((one) => one.id === "ha" && one.next !== "");
  if (first !== undefined) return folded("Next: ", `${first.next} (${first.title})`);
  return checks.some((one) => one.id === "ha") ? ["This pool is protected."] : [];
}

export function vmLines({ opMode, globalVmHa, masterOnly, vms }: VmFlags): string[] {
  const mode = masterOnly
    ? "MASTER_ONLY is 1: VMs are left to their own manager, whatever these flags say."
    : opMode === 1
      ? "OP_MODE is 1: appliances are protected, whatever these flags say."
      : globalVmHa
        ? "GLOBAL_VM_HA is 1: every VM is protected, whatever these flags say."
        : "GLOBAL_VM_HA is 0: a VM is protected when its flag is true. Use [ha-cfg set-vm-ha NAME true|false] to set it.";
  return [
    ...wrap(mode, textColumns),
    "",
    `${fit("HA-Enabled", 12)}${fit("VM-UUID", 38)}VM-Name`,
    ...vms.map(({ uuid, name, flag }) =>
      clip(`${fit(flag === null ? "unset" : String(flag), 12)}${fit(uuid, 38)}${clean(name)}`, textColumns),
    ),
  ];
}

/** Newest first, as their numbers count. */
export function listedFailovers(failovers: readonly Failover[]): string[] {
  if (failovers.length === 0) return [NOTHING_ON_RECORD];
  return [
    ...failovers.toReversed().flatMap((one, index) => {
      const lead = `${String(index + 1).padStart(3)}  ${dateTime(one.startWallMs)}  `;
      return folded(lead, `${one.summary}${one.isOver ? "" : " (still going on)"}`);
    }),
    "",
    "The moments of one: history NUMBER; drawn: history NUMBER --html FILE",
  ];
}

const NOTHING_ON_RECORD = "No failover and no move of the storage is on record on this host.";

export function historyLines(failovers: readonly Failover[]): string[] {
  if (failovers.length === 0) return [NOTHING_ON_RECORD];
  return failovers.flatMap((one, index) => [
    ...(index === 0 ? [] : [""]),
    ...folded("", `${dateTime(one.startWallMs)}  ${one.node}: ${one.summary}${one.isOver ? "" : " (still going on)"}`),
    ...one.events.flatMap(({ wallMs, event, detail }) => {
      const after = duration(wallMs - one.startWallMs).padStart(8);
      return folded(`  ${clock(wallMs)} ${after}  `, `${event}: ${detail}`);
    }),
  ]);
}

export function explanationLines(report: ExplanationReport): string[] {
  const { host, state, outcome, policyNote, waits, ifPeerDied, elsewhere } = report;
  return [
    ...folded("", `${host} is ${state}: ${outcome}.`),
    ...folded("", `Policy: ${policyNote}`),
    "",
    ...(waits.length === 0 ? ["Nothing holds this host back."] : ["What holds this host back now:"]),
    ...waits.flatMap(({ rule, sentence, remainingMs }) => {
      const left = remainingMs === null ? "" : ` (${duration(remainingMs)} more)`;
      return folded(`  ${rule.padEnd(4)} `, `${sentence}${left}.`);
    }),
    "",
    ...(ifPeerDied === null
      ? folded("", elsewhere ?? "The other host is silent already: the lines above say what happens.")
      : forecastLines(ifPeerDied)),
  ];
}

function forecastLines({ storageServed, steps, obstacles }: Forecast): string[] {
  const end = storageServed ? "the storage would be served" : "the storage would NOT be served without a person";
  return [
    ...folded("", `If the other host lost its power now, ${end}:`),
    ...steps.flatMap(({ afterMs, what }) => folded(`  after ${duration(afterMs).padStart(7)}  `, what)),
    ...(obstacles.length === 0 ? [] : ["  and then it would wait, because:"]),
    ...obstacles.flatMap((one) => folded("  - ", one)),
    "  (assuming that what answers now still answers then)",
  ];
}
