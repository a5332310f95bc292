// Tries whether a durable write works in a folder, and how much room is left there.

import { statfs, unlink } from "node:fs/promises";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import type { Millis } from "../../core/model/time.ts";
import { err, ok, type Result } from "../../util/result.ts";
import { writeAtomically } from "./atomic-write.ts";

export interface DiskTrial {
  readonly freeBytes: number;
  readonly writeMs: Millis;
}

/** A disk that hangs in the kernel is given up after `timeoutMs`; the write itself then ends when it ends. */
export async function tryDisk(folder: string, timeoutMs: Millis): Promise<Result<DiskTrial, string>> {
  const { promise: late, resolve } = Promise.withResolvers<Result<DiskTrial, string>>();
  const timer = setTimeout(
    () => resolve(err(`${folder} took no durable write within ${timeoutMs / 1000} s`)),
    timeoutMs,
  );
  const tried = await Promise.race([trial(folder), late]);
  clearTimeout(timer);
  return tried;
}

async function trial(folder: string): Promise<Result<DiskTrial, string>> {
  const path = join(folder, "trial");
  const begun = performance.now();
  const written = await writeAtomically(path, "trial\n");
  const writeMs = performance.now() - begun;
  await unlink(path).catch(() => undefined);
  if (!written.ok) return err(`Cannot write in ${folder}: ${written.error.reason}`);
  try {
    const { bavail, bsize } = await statfs(folder);
    return ok({ freeBytes: bavail * bsize, writeMs });
  } catch (error) {
    return err(`Cannot look at ${folder}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
