// Data that must be read back whole or not at all, as text: one line of JSON and one with its CRC. Pure.
//
//   {"format":"tandem-state","record":{…keys in order…},"version":1}
//   crc32 1a2b3c4d

import * as z from "zod/mini";
import "../zod-words.ts";
import { err, ok, type Result } from "../../util/result.ts";
import { crc32 } from "./crc32.ts";

/** What stands in the file besides the data: another program's or another release's file is refused. */
export interface TextFormat {
  readonly format: string;
  readonly version: number;
}

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

export function encodeChecked({ format, version }: TextFormat, record: unknown): string {
  const text = canonical({ format, version, record });
  return `${text}\n${checksum(text)}\n`;
}

/** The data, not yet judged, or what was found instead (for the administrator; shows nothing of the content). */
export function decodeChecked({ format, version }: TextFormat, content: string): Result<unknown, string> {
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
  return ok(head.data.record);
}

/** The first field that is wrong. */
export function firstProblem(error: z.core.$ZodError): string {
  const issue = error.issues[0];
  return issue === undefined ? "an invalid record" : `${issue.path.join(".") || "record"}: ${issue.message}`;
}
