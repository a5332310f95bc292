// What an agent's answer to `status` means. Pure. In doubt the power state is unknown, never off: "off" is the proof a
// takeover stands on.

import type { ExecResult } from "../exec/port.ts";
import { assertNever } from "../../util/assert.ts";
import type { StatusResult } from "./port.ts";

/** What the agent must do, for every message about one that does not. */
export const STATUS_CONTRACT =
  'the agent must support "status": print on or off and exit 0 when the host is on, 2 when it is off, 1 when it cannot tell (see agents/EXAMPLE)';

const OFF = /^(status|power|state)?\s*[:=]?\s*off$/i;
const ON = /^(status|power|state)?\s*[:=]?\s*on$/i;

/** Last words of a program, without its password and without control characters. */
export function lastWords(text: string, password: string | null): string {
  const shown = password === null || password === "" ? text : text.replaceAll(password, "[password]");
  const line = shown.trim().split("\n").at(-1) ?? "";
  return line
    .replaceAll(/\p{Cc}/gu, " ")
    .trim()
    .slice(0, 160);
}

const failed = (reason: string): StatusResult => ({ kind: "failed", reason });

/** One sentence for every end of a child but a normal one; null for `exited`. */
export function abnormalEnd(result: ExecResult, action: string): string | null {
  switch (result.kind) {
    case "exited":
      return null;
    case "timeout":
      return `the agent gave no answer to "${action}" within ${Math.round(result.afterMs)} ms and was killed`;
    case "busy":
      return `an earlier call of the agent (pid ${result.pid}) hangs and cannot be killed`;
    case "not-started":
      return `the agent could not be started: ${result.reason}`;
    default:
      return assertNever(result);
  }
}

/**
 * Exit 2 alone is not enough: bash ends with 2 on a syntax error, and many scripts on an action they do not know. Both
 * print something; so 2 means off only when the agent says "off" or nothing at all.
 */
export function readStatus(
  result: ExecResult,
  password: string | null,
  action: "status" | "monitor" = "status",
): StatusResult {
  const abnormal = abnormalEnd(result, action);
  if (abnormal !== null || result.kind !== "exited") return failed(abnormal ?? "no result");
  const said = result.stdout.trim();
  const words = lastWords(said === "" ? result.stderr : said, password);
  const heard = words === "" ? "" : `: ${words}`;
  if (result.code === 0) {
    return OFF.test(said)
      ? failed("the agent says off but exits with 0 (on); a contradiction proves nothing")
      : { kind: "power", state: "on" };
  }
  if (result.code !== 2) return failed(`"${action}" ended with ${result.code}${heard}; ${STATUS_CONTRACT}`);
  if (OFF.test(said)) return { kind: "power", state: "off" };
  if (ON.test(said)) return failed("the agent says on but exits with 2 (off); a contradiction proves nothing");
  if (said === "" && result.stderr.trim() === "") return { kind: "power", state: "off" };
  return failed(`"${action}" ended with 2 but did not say off${heard}; ${STATUS_CONTRACT}`);
}
