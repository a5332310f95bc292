// The durable record in one file. Never answers with a default, an older generation or a part of a record.
//
// There is no backup generation on purpose. The record says which epoch this host last knew, whether it may serve alone
// and which mode the operators agreed on; an older one may say "owner, solo" after the peer took over in a later epoch,
// or "HA on" after both hosts agreed to leave it. Falling back to it would be a decision on forgotten facts. A damaged
// file stops this host's automatic actions, and the peer's heartbeat or an operator supplies the truth. The rename
// leaves no moment in which a power cut makes a backup useful: there is always one whole record.

import { readFile, stat } from "node:fs/promises";
import type { DurableRecord } from "../../core/model/durable.ts";
import { err, ok, type Result } from "../../util/result.ts";
import { removeLeftovers, writeAtomically } from "./atomic-write.ts";
import type { StoreError, StorePort } from "./port.ts";
import { decodeRecord, encodeRecord, largestRecordBytes } from "./record-codec.ts";

export const statePath = "/var/lib/tandem/state.json";

export interface FileStoreOptions {
  readonly path: string;
  /** A record of another host or pool (a copied disk, a moved file) is `damaged`, not mine. */
  readonly belongsTo?: { readonly poolId: string; readonly hostId: string };
}

export function createFileStore(options: FileStoreOptions): StorePort {
  const { path, belongsTo } = options;
  let lastSave: Promise<unknown> = Promise.resolve();

  /** Newest epoch that was read or written by this process: V6, it never goes back. */
  let epoch = -1;
  let cleaned = false;

  async function read(): Promise<Result<DurableRecord, StoreError>> {
    let content: string;
    try {
      const { size } = await stat(path);
      if (size > largestRecordBytes) {
        return err({ kind: "damaged", path, found: `${size} bytes, expected at most ${largestRecordBytes}` });
      }
      content = await readFile(path, "utf8");
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return err({ kind: "absent" });
      return err({ kind: "io", path, reason: error instanceof Error ? error.message : String(error) });
    }
    const decoded = decodeRecord(content);
    if (!decoded.ok) return err({ kind: "damaged", path, found: decoded.error });
    const { poolId, hostId } = decoded.value;
    if (belongsTo !== undefined && (poolId !== belongsTo.poolId || hostId !== belongsTo.hostId)) {
      const found = `a record of host ${hostId} in pool ${poolId}, expected ${belongsTo.hostId} in ${belongsTo.poolId}`;
      return err({ kind: "damaged", path, found });
    }
    epoch = Math.max(epoch, decoded.value.epoch);
    return decoded;
  }

  async function write(record: DurableRecord): Promise<Result<"saved", StoreError>> {
    const encoded = encodeRecord(record);
    if (!encoded.ok) return err({ kind: "io", path, reason: `the new record is invalid: ${encoded.error}` });
    if (record.epoch < epoch) {
      return err({ kind: "io", path, reason: `the new record is invalid: epoch ${record.epoch} after ${epoch}` });
    }
    // Only a writer cleans up: a reader (the command line) must not remove what the daemon is just writing.
    if (!cleaned) await removeLeftovers(path);
    cleaned = true;
    const written = await writeAtomically(path, encoded.value);
    if (written.ok || written.error.old === "unknown") epoch = record.epoch;
    if (written.ok) return ok("saved");
    const { old, reason } = written.error;
    const state = old === "untouched" ? "the old record is untouched" : "the new record may not survive a power cut";
    return err({ kind: "io", path, reason: `${reason}; ${state}` });
  }

  return {
    load: read,
    save(record) {
      // One after the other, in the order of the calls: the last call's record is the one that stays.
      const saved = lastSave.then(() => write(record));
      lastSave = saved;
      return saved;
    },
  };
}
