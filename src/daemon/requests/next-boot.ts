// A kernel that an update installed is booted sooner or later: does it have DRBD's module, of the version that runs now? Found
// out before the reboot, because after it this host's copy of the storage is out of use. Part of `ha-cfg check`.

import { readdir } from "node:fs/promises";
import type { ExecPort } from "../../drivers/exec/port.ts";
import { fine, skip, warn, type Said } from "./said.ts";

export interface NextBootParts {
  /** False: no storage of ours. */
  readonly hasStorage: boolean;
  /** Version of the kernel that runs (uname -r), and of every one that is installed. */
  readonly running: string;
  readonly installed: () => Promise<readonly string[]>;
  readonly exec: Pick<ExecPort, "run">;
}

const TRY_MS = 5_000;
const MODULES = "/lib/modules";

/** By their modules: a kernel without a folder of them is not booted here. Rejects when the folder cannot be read. */
export const installedKernels = (): Promise<readonly string[]> => readdir(MODULES);

/** DRBD's version in the modules of a kernel; null: none, as far as can be told. */
async function moduleOf({ exec }: NextBootParts, kernel: string): Promise<string | null> {
  const args = ["-k", kernel, "-F", "version", "drbd"];
  const result = await exec.run("modinfo", args, { timeoutMs: TRY_MS, lane: `modinfo ${kernel}` });
  if (result.kind === "exited") return result.code === 0 ? result.stdout.trim() : null;
  if (result.kind === "not-started") return null;
  throw new Error(`modinfo -k ${kernel} gave no answer`);
}

const series = (version: string): string => version.split(".").slice(0, 2).join(".");

export async function nextBoot(parts: NextBootParts): Promise<Said> {
  if (!parts.hasStorage) return skip("no storage of ours");
  const now = await moduleOf(parts, parts.running);
  if (now === null) return skip(`modinfo names no DRBD module of the kernel that runs (${parts.running})`);
  const others = (await parts.installed()).filter((kernel) => kernel !== parts.running);
  const found = await Promise.all(others.map(async (kernel) => ({ kernel, version: await moduleOf(parts, kernel) })));
  const wrong = found.flatMap(({ kernel, version }) => {
    if (version === null) return [`kernel ${kernel} has no DRBD module`];
    return series(version) === series(now) ? [] : [`kernel ${kernel} has DRBD ${version}, ${now} runs`];
  });
  if (wrong.length === 0) return fine(`DRBD ${now}, in each of ${found.length + 1} installed kernels`);
  const next =
    "before the next reboot: install the module built for that kernel, or remove the kernel if it is not booted";
  return warn(wrong.join("; "), next);
}
