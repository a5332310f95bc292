// What stands in the place of the status when there is none, or when it is too old to be believed. Pure.
// Must never show old data as if it were new.

import type { StatusDocument } from "../../../core/model/status.ts";
import type { Millis } from "../../../core/model/time.ts";
import { dateTime, duration, wrap } from "../../text.ts";
import { row } from "./sections.ts";
import type { DashboardView, Frame, Row } from "./sections.ts";
import { span } from "./spans.ts";
import type { Style } from "./spans.ts";

function boxed(texts: readonly string[], columns: number, style: Style): Row[] {
  const rule = row([span("#".repeat(columns), style)]);
  const lines = texts.flatMap((text) => wrap(text, columns - 3)).map((text) => row([span(`## ${text}`, style)]));
  return [rule, ...lines, rule];
}

export function textRows(text: string, columns: number, indent: string, style: Style = "plain"): Row[] {
  return wrap(text, columns - 1, indent).map((line) => row([span(line, style)]));
}

/** Old data: why, and what to run. */
export function staleRows(status: StatusDocument, ageMs: Millis, { columns, toleranceMs }: Frame): Row[] {
  const tolerance = Math.round(toleranceMs / 1000);
  return [
    ...boxed(
      [`The status is ${duration(ageMs)} old.`, `Tolerance = ${tolerance} s. Nothing below is known to be true now.`],
      columns,
      "bad",
    ),
    row([]),
    row([span("Possible causes:", "bold")]),
    ...textRows("1) tandemd hangs or is overloaded. Run: systemctl status tandemd", columns, "   "),
    ...textRows("2) tandemd was stopped or restarted. Run: journalctl -u tandemd -n 50", columns, "   "),
    ...textRows("3) The clock of this host jumped. Run: timedatectl", columns, "   "),
    row([]),
    ...lastKnown(status, columns),
  ];
}

/** No daemon: why, and what to run. */
export function downRows(view: Extract<DashboardView, { kind: "down" }>, columns: number): Row[] {
  return [
    ...boxed(["The state of this host is not known: tandemd does not answer."], columns, "bad"),
    row([]),
    ...textRows(view.reason, columns, ""),
    row([span("Run:", "bold")]),
    ...view.next.split(/; (?:then: )?/).map((command) => row([span(`  ${command}`, "bold")])),
    row([]),
    row([span("Possible causes:", "bold")]),
    ...textRows("1) tandemd is not running on this host, or is just starting.", columns, "   "),
    ...textRows("2) It refused its configuration. Run: journalctl -u tandemd -n 50", columns, "   "),
    ...textRows("3) This host was reset after it lost its authority. Run: ha-cfg history", columns, "   "),
    row([]),
    ...textRows("Storage that runs keeps running without tandemd, but nothing fails over.", columns, "", "warn"),
    row([]),
    ...(view.last === null ? [] : lastKnown(view.last, columns)),
  ];
}

function lastKnown(status: StatusDocument, columns: number): Row[] {
  const { own } = status;
  const text = `Last known, ${dateTime(status.wallMs)}: ${own.name} was ${own.state}${own.serving ? ", serving" : ""}. ${own.outcome}`;
  return textRows(text, columns, "  ", "dim");
}
