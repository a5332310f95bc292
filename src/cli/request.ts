// Asks the daemon for one thing and turns its answer into text and an exit code. The same for both tools.
// Must never report success that the daemon did not report.

import type { Millis } from "../core/model/time.ts";
import { askDaemon, describeClientError } from "../drivers/control/client.ts";
import type { FinalReply } from "../drivers/control/client.ts";
import type { ControlRequest } from "../drivers/control/port.ts";
import { assertNever } from "../util/assert.ts";
import { textColumns } from "./context.ts";
import type { CliContext } from "./context.ts";
import { checkLines, explanationLines, historyLines, vmLines } from "./reports.ts";
import { clean, wrap } from "./text.ts";

/** 0 done, 1 failed, 2 usage, 3 refused by a safety rule. */
export type ExitCode = 0 | 1 | 2 | 3;

/** Longest silence of the daemon: a look answers at once, a change may wait for DRBD, the peer or a fence device. */
const lookMs: Millis = 10_000;
const changeMs: Millis = 180_000;

/** Null: the failure was already told; exit with 1. */
export async function ask(context: CliContext, request: ControlRequest, json: boolean): Promise<FinalReply | null> {
  const isLook = ["status", "get", "explain", "metrics", "history", "vms", "backup"].includes(request.kind);
  const answer = await askDaemon(request, {
    path: context.socketPath,
    silenceMs: isLook ? lookMs : changeMs,
    onProgress: (text) => note(context, `... ${clean(text)}`, "    "),
  });
  if (answer.ok) return answer.value;
  const { reason, next } = describeClientError(answer.error);
  failHere(context, json, reason, next);
  return null;
}

/** What failed before or beside the daemon, as the daemon would answer it. */
export function failHere(context: CliContext, json: boolean, reason: string, next: string): ExitCode {
  if (json) context.out(JSON.stringify({ kind: "failed", reason, next }));
  note(context, reason);
  note(context, `Next: ${next}`, "      ");
  return 1;
}

/** Tells the answer of any request but status and get, which have screens of their own. */
export function tell(context: CliContext, reply: FinalReply, json: boolean): ExitCode {
  if (json) context.out(JSON.stringify(reply, null, 2));
  switch (reply.kind) {
    case "done":
    case "text":
      if (!json) context.out(paragraphs(reply.text));
      return 0;
    case "refused":
      note(context, `Refused${reply.rule === null ? "" : ` (rule ${clean(reply.rule)})`}: ${cleanText(reply.reason)}`);
      note(context, `Next: ${cleanText(reply.next)}`, "      ");
      return 3;
    case "failed":
      note(context, cleanText(reply.reason));
      note(context, `Next: ${cleanText(reply.next)}`, "      ");
      return 1;
    case "checks":
      if (!json) context.out(checkLines(reply.checks).join("\n"));
      return reply.checks.some((one) => one.outcome === "failed") ? 1 : 0;
    case "vms":
      if (!json) context.out(vmLines(reply.flags).join("\n"));
      return 0;
    case "history":
      if (!json) context.out(historyLines(reply.failovers).join("\n"));
      return 0;
    case "explanation":
      if (!json) context.out(explanationLines(reply.explanation).join("\n"));
      return 0;
    case "backup":
      if (!json) context.out(JSON.stringify(reply.backup, null, 2));
      return 0;
    case "status":
    case "metrics":
    case "parameters":
      if (json) return 0;
      note(context, `Cannot use the answer of tandemd: found ${reply.kind}, expected done or text`);
      return 1;
    default:
      return assertNever(reply);
  }
}

export async function run(context: CliContext, request: ControlRequest, json: boolean): Promise<ExitCode> {
  const reply = await ask(context, request, json);
  return reply === null ? 1 : tell(context, reply, json);
}

/** To stderr, at most 80 columns. */
export function note(context: CliContext, text: string, indent = ""): void {
  context.note(wrap(text, textColumns, indent).join("\n"));
}

/** Keeps line breaks. */
const cleanText = (text: string): string => text.split("\n").map(clean).join("\n");

export const paragraphs = (text: string): string => wrap(cleanText(text).trimEnd(), textColumns).join("\n");
