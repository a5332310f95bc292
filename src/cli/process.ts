// How a tool ends. Nothing else may touch the exit code.

import type { ExitCode } from "./request.ts";

/** `iscsi-cfg get | head -1` closes our output early; that is no failure of the tool. */
export function endQuietlyOnClosedPipe(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
}

/** Lets the output drain; nothing that is still open (a terminal, a timer) may keep the tool alive. */
export function exitWith(code: ExitCode): void {
  process.exitCode = code;
  process.stdin.unref?.();
}
