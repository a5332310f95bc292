// The durable record between data and text. Pure. Reads it whole or not at all: no field is ever filled in;
// one that came later may be absent and says so.

import * as z from "zod/mini";
import type { DurableRecord } from "../../core/model/durable.ts";
import { err, ok, type Result } from "../../util/result.ts";
import { decodeChecked, encodeChecked, firstProblem } from "./checked-text.ts";

const format = { format: "tandem-state", version: 1 };
/** Far above a record of a hundred resources. */
export const largestRecordBytes = 64 * 1024;

const name = z.string().check(
  z.regex(/^[A-Za-z0-9_.:-]{1,64}$/),
  z.refine((text) => text !== "__proto__"),
);
const counter = z.int().check(z.gte(0), z.lte(Number.MAX_SAFE_INTEGER));
const flags = z.strictObject({ manual: z.boolean(), maintenance: z.boolean() });
const ha = z.enum(["on", "off", "leaving"]);

const recordShape = z.strictObject({
  poolId: name,
  hostId: name,
  ha,
  flags,
  peerHa: ha,
  peerFlags: flags,
  epoch: counter,
  owner: z.nullable(name),
  solo: z.record(name, z.boolean()),
  lastSync: z.record(name, z.int().check(z.gte(-1), z.lte(Number.MAX_SAFE_INTEGER))),
  takeovers: counter,
  yields: z.optional(z.boolean()),
}) satisfies z.ZodMiniType<DurableRecord>;

/** The text of a record; the error names the first field that is wrong (a bug of the caller, kept off the disk). */
export function encodeRecord(record: DurableRecord): Result<string, string> {
  const parsed = recordShape.safeParse(record);
  if (!parsed.success) return err(firstProblem(parsed.error));
  return ok(encodeChecked(format, parsed.data));
}

/** The record, or what was found instead (for the administrator; shows no content but the field's name). */
export function decodeRecord(content: string): Result<DurableRecord, string> {
  const decoded = decodeChecked(format, content);
  if (!decoded.ok) return decoded;
  const record = recordShape.safeParse(decoded.value);
  return record.success ? ok(record.data) : err(firstProblem(record.error));
}
