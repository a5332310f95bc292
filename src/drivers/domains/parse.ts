// `xl list -v` (Xen 4.13 to 4.17). Pure.

import { err, ok, type Result } from "../../util/result.ts";
import type { Domain } from "./port.ts";

/** One domain, dying ones included; `dying` no longer executes, its memory is being freed. */
export interface ListedDomain extends Domain {
  readonly dying: boolean;
}

/** A name may hold blanks, so the line is read from its numbers on. State letters: running, blocked, paused, shut down, crashed, dying. */
const row =
  /^(.*\S)\s+(\d+)\s+(\d+)\s+(\d+)\s+([r-][b-][p-][s-][c-][d-])\s+([\d.]+)\s+([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(?:\s|$)/;

/** Domain 0 is not among them. Without the heading it is no list at all; the error is what could not be read. */
export function parseXlList(text: string): Result<readonly ListedDomain[], string> {
  const [heading = "", ...lines] = text.split("\n");
  if (!/^Name\s+ID\s.*\sUUID\b/.test(heading)) return err(heading);
  const domains: ListedDomain[] = [];
  for (const line of lines) {
    if (line.trim() === "") continue;
    const [, name, id, , , state, , uuid] = row.exec(line) ?? [];
    if (name === undefined || id === undefined || state === undefined || uuid === undefined) return err(line);
    if (id === "0") continue;
    domains.push({ name, domId: Number(id), uuid, paused: state[2] === "p", dying: state[5] === "d" });
  }
  return ok(domains);
}
