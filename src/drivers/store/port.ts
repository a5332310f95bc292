// The durable record: read whole or not at all, replaced atomically.

import type { DurableRecord } from "../../core/model/durable.ts";
import type { Result } from "../../util/result.ts";

export type StoreError =
  | { readonly kind: "absent" }
  | { readonly kind: "damaged"; readonly path: string; readonly found: string }
  | { readonly kind: "io"; readonly path: string; readonly reason: string };

export interface StorePort {
  load(): Promise<Result<DurableRecord, StoreError>>;
  /** ok only after file and directory are on the disk; after a failure the old record or, rarely, the new one is in place. */
  save(record: DurableRecord): Promise<Result<"saved", StoreError>>;
}
