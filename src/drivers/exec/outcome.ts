// From what the exec port says to what a driver says. Pure.

import { err, ok, type Result } from "../../util/result.ts";
import type { DriverError } from "../driver-error.ts";
import type { ExecResult } from "./port.ts";

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `command` is what people see: no secret in it, and short. */
export function finished(command: string, result: ExecResult): Result<Finished, DriverError> {
  switch (result.kind) {
    case "exited":
      return ok(result);
    case "timeout":
      return err({ kind: "timeout", command, afterMs: result.afterMs });
    case "busy":
      return err({ kind: "busy", command, pid: result.pid });
    case "not-started":
      return err({ kind: "missing", command, reason: result.reason });
  }
}

/** As `finished`, and any exit code but 0 is an error too. */
export function succeeded(command: string, result: ExecResult): Result<Finished, DriverError> {
  const done = finished(command, result);
  if (!done.ok || done.value.code === 0) return done;
  return err({ kind: "exit", command, code: done.value.code, stderr: done.value.stderr });
}
