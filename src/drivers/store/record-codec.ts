// The durable record between data and text. Pure. Reads it whole or not at all: no field is ever filled in.
//
//   {"format":"tandem-state","record":{…keys in order…},"version":1}
//   crc32 1a2b3c4d

import { crc32 } from "node:zlib";
import * as z from "zod";
import type { DurableRecord } from "../../core/model/durable.ts";
import { err, ok, type Result } from "../../util/result.ts";

const format = "tandem-state";
const version = 1;
/** Far above a record of a hundred resources. */
export const largestRecordBytes = 64 * 1024;

const name = z
  .string()
  .regex(/^[A-Za-z0-9_.:-]{1,64}$/)
  .refine((text) => text !== "__proto__");
const counter = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
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
  owner: name.nullable(),
  solo: z.record(name, z.boolean()),
  lastSync: z.record(name, z.number().int().min(-1).max(Number.MAX_SAFE_INTEGER)),
  takeovers: counter,
}) satisfies z.ZodType<DurableRecord>;

/** JSON with the keys of every object in order: equal records are equal texts. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

function checksum(text: string): string {
  return `crc32 ${crc32(text).toString(16).padStart(8, "0")}`;
}

/** The text of a record; the error names the first field that is wrong (a bug of the caller, kept off the disk). */
export function encodeRecord(record: DurableRecord): Result<string, string> {
  const parsed = recordShape.safeParse(record);
  if (!parsed.success) return err(firstProblem(parsed.error));
  const text = canonical({ format, version, record: parsed.data });
  return ok(`${text}\n${checksum(text)}\n`);
}

/** The record, or what was found instead (for the administrator; shows no content but the field's name). */
export function decodeRecord(content: string): Result<DurableRecord, string> {
  const [text, sum, end, ...rest] = content.split("\n");
  if (content === "") return err("an empty file");
  if (text === undefined || sum === undefined || end !== "" || rest.length > 0) {
    return err(`${content.split("\n").length} lines, expected a line of JSON and a line with its CRC`);
  }
  if (sum !== checksum(text)) return err(`the checksum line "${sum.slice(0, 20)}", expected "${checksum(text)}"`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return err("text that is not JSON, with a matching checksum");
  }
  const head = z.object({ format: z.string(), version: z.number(), record: z.unknown() }).safeParse(parsed);
  if (!head.success || head.data.format !== format) return err(`no "${format}" record`);
  if (head.data.version !== version) return err(`version ${head.data.version}, expected ${version}`);
  const record = recordShape.safeParse(head.data.record);
  return record.success ? ok(record.data) : err(firstProblem(record.error));
}

function firstProblem(error: z.ZodError): string {
  const issue = error.issues[0];
  return issue === undefined ? "an invalid record" : `${issue.path.join(".") || "record"}: ${issue.message}`;
}
