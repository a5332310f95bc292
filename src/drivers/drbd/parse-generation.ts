// Generation UUIDs as `drbdadm get-gi` and `show-gi` print them. Pure.

import type { Generation } from "../../core/model/drbd.ts";
import { err, ok, type Result } from "../../util/result.ts";

/**
 * `CURRENT:BITMAP:HISTORY…:flag:flag…`, also at the end of the picture that show-gi draws. The lowest bit of each UUID
 * tells the role in which it was made; two copies of the same data differ in it, so it is cleared here.
 */
export function parseGeneration(text: string): Result<Generation, string> {
  const line = /(?:^|\s)((?:[0-9A-Fa-f]{16}:){3,}[01](?::[01])*)/.exec(text)?.[1];
  const uuids = line?.split(":").filter((part) => part.length === 16);
  const [current, bitmap, ...history] = uuids ?? [];
  if (current === undefined || bitmap === undefined) return err(text.slice(0, 120));
  return ok({ current: withoutRole(current), bitmap: withoutRole(bitmap), history: history.map(withoutRole) });
}

function withoutRole(uuid: string): string {
  return (BigInt(`0x${uuid}`) & ~1n).toString(16).toUpperCase().padStart(16, "0");
}
