// DRBD's kernel module: whether it is there and which one, without a process and without waiting for anything; and loading it,
// which may fail (no module for this kernel) or hang.

import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import type { Millis } from "../../core/model/time.ts";
import { ok, type Result } from "../../util/result.ts";
import type { DriverError } from "../driver-error.ts";
import { succeeded } from "../exec/outcome.ts";
import type { ExecPort } from "../exec/port.ts";

export interface DrbdModule {
  /** Null while it is not loaded. */
  version(): string | null;
  /** Another number after each loading; null while it is not loaded. */
  instance(): number | null;
  /** Callers that come while it is being loaded share the end. */
  load(): Promise<Result<"changed" | "already", DriverError>>;
}

export type ModuleFiles = Pick<DrbdModule, "version" | "instance">;

const FOLDER = "/sys/module/drbd";

export function createModule(
  exec: Pick<ExecPort, "run">,
  timeoutMs: Millis,
  files: Partial<ModuleFiles> = {},
): DrbdModule {
  const version = files.version ?? readVersion;
  let loading: Promise<Result<"changed" | "already", DriverError>> | null = null;

  async function modprobe(): Promise<Result<"changed" | "already", DriverError>> {
    const done = succeeded("modprobe drbd", await exec.run("modprobe", ["drbd"], { timeoutMs, lane: "drbd-module" }));
    return done.ok ? ok("changed") : done;
  }

  return {
    version,
    instance: files.instance ?? readInstance,
    async load() {
      if (version() !== null) return ok("already");
      loading ??= modprobe().finally(() => (loading = null));
      return await loading;
    },
  };
}

/** sysfs makes the folder anew at each loading, and gives it a number of its own. */
const readInstance = (): number | null => statSync(FOLDER, { throwIfNoEntry: false })?.ino ?? null;

function readVersion(): string | null {
  if (!existsSync(FOLDER)) return null;
  const told = textOf(`${FOLDER}/version`)?.trim() ?? /^version: (\S+)/.exec(textOf("/proc/drbd") ?? "")?.[1];
  return told ?? "unknown";
}

/** Null where there is no such file, also when the module is taken out at this moment. */
function textOf(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

/**
 * The parameter is writable at run time in 8.4 and 9. A kernel that has none, or does not take our path, keeps calling drbdadm,
 * which calls the same script by its configuration: one process more.
 */
export function writeUsermodeHelper(path: string, parameter = `${FOLDER}/parameters/usermode_helper`): void {
  const now = textOf(parameter);
  if (now === null || now.trim() === path) return;
  try {
    writeFileSync(parameter, path);
  } catch {
    // As without the parameter.
  }
}
