// The grants of all pools in one file, read whole or not at all, replaced atomically.
//
// No backup generation, as with the hosts' own record: an older table may say that nobody holds a grant which a host has
// committed on since. A damaged file is an error; a missing one is a new witness, which A17 makes wait.

import { readFile, stat } from "node:fs/promises";
import * as z from "zod";
import { decodeChecked, encodeChecked, firstProblem } from "../drivers/store/checked-text.ts";
import { removeLeftovers, writeAtomically } from "../drivers/store/atomic-write.ts";
import { counterShape, nameShape } from "../drivers/peer/shapes.ts";
import { err, ok, type Result } from "../util/result.ts";
import type { GrantTable } from "./grants.ts";

const format = { format: "tandem-witness-grants", version: 1 };
/** A thousand pools of several resources. */
const largestTableBytes = 1024 * 1024;

const record = z.strictObject({
  epoch: counterShape,
  owner: z.nullable(nameShape),
  grant: z.strictObject({ holder: nameShape, epoch: counterShape }).nullable(),
});
const table = z.record(nameShape, z.record(nameShape, record)) satisfies z.ZodType<GrantTable>;

export interface GrantStore {
  /** Null: there is no file yet. The error is a sentence for the administrator. */
  load(): Promise<Result<GrantTable | null, string>>;
  /** ok only after file and directory are on the disk. Calls must not overlap. */
  save(table: GrantTable): Promise<Result<"saved", string>>;
}

export function createGrantStore(path: string): GrantStore {
  return {
    async load() {
      let content: string;
      try {
        const { size } = await stat(path);
        if (size > largestTableBytes) return err(damaged(path, `${size} bytes, expected at most ${largestTableBytes}`));
        content = await readFile(path, "utf8");
      } catch (error) {
        if (error instanceof Error && "code" in error && error.code === "ENOENT") return ok(null);
        return err(`Cannot read the grants ${path}: ${error instanceof Error ? error.message : String(error)}`);
      }
      const decoded = decodeChecked(format, content);
      if (!decoded.ok) return err(damaged(path, decoded.error));
      const parsed = table.safeParse(decoded.value);
      if (!parsed.success) return err(damaged(path, firstProblem(parsed.error)));
      await removeLeftovers(path);
      return ok(parsed.data);
    },
    async save(next) {
      const text = encodeChecked(format, next);
      if (text.length > largestTableBytes) return err(`the grants need ${text.length} bytes, more than is allowed`);
      const written = await writeAtomically(path, text);
      return written.ok ? ok("saved") : err(written.error.reason);
    },
  };
}

const damaged = (path: string, found: string): string =>
  `Cannot use the grants ${path}: found ${found}. They say who may serve; nothing is guessed. ` +
  "Look at both hosts of each pool with 'iscsi-cfg status'; when a host serves and the witness was away for longer than " +
  "that, move the file away and start again: the hosts then tell who owns the storage";
