// `log` of both tools: the daemon's log file, or the journal where there is no file.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { textColumns } from "./context.ts";
import type { CliContext } from "./context.ts";
import { followFile } from "./follow-file.ts";
import { formatLogLine, isAtLeast } from "./log-line.ts";
import type { Level } from "./log-line.ts";
import { note } from "./request.ts";
import type { ExitCode } from "./request.ts";
import { wrap } from "./text.ts";

export interface LogOptions {
  readonly json: boolean;
  readonly lines: number;
  readonly follow: boolean;
  readonly level: Level;
}

export async function showLog(context: CliContext, options: LogOptions): Promise<ExitCode> {
  const abort = new AbortController();
  const stop = (): void => abort.abort();
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  // `iscsi-cfg log | head` ends by closing the pipe.
  context.stdout.once("error", stop);
  const onLine = (line: string): void => {
    if (line === "" || !isAtLeast(line, options.level)) return;
    // Folded for eyes only: in a pipe one event stays one line, for grep.
    const width = Math.max(textColumns, context.stdout.columns ?? 0);
    if (options.json) context.out(line);
    else context.out(context.stdout.isTTY ? wrap(formatLogLine(line), width, "  ").join("\n") : formatLogLine(line));
  };
  try {
    await followFile({ ...options, path: context.logPath, onLine, signal: abort.signal });
    return 0;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    note(context, `No log file (${reason}); trying the journal of the unit tandemd`);
    return await followJournal(context, options, onLine, abort.signal);
  } finally {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  }
}

async function followJournal(
  context: CliContext,
  options: LogOptions,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<ExitCode> {
  const follow = options.follow ? ["--follow"] : [];
  const args = ["--unit", "tandemd", "--output", "cat", "--no-pager", "--lines", String(options.lines), ...follow];
  const child = spawn("journalctl", args, { stdio: ["ignore", "pipe", "inherit"], signal });
  const ended = once(child, "close");
  createInterface({ input: child.stdout }).on("line", onLine);
  try {
    const [code] = await ended;
    return code === 0 ? 0 : 1;
  } catch (error) {
    if (signal.aborted) return 0;
    const reason = error instanceof Error ? error.message : String(error);
    note(context, `Cannot read the log of tandemd: found neither ${context.logPath} nor journalctl (${reason})`);
    note(context, "Next: systemctl status tandemd", "      ");
    return 1;
  }
}
