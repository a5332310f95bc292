// The one line of a DRBD resource file that names a host's disk: found, and given another path, without a look at the rest, which
// may have been written by other hands. Pure.

import { err, ok, type Result } from "../../util/result.ts";

interface Word {
  readonly text: string;
  /** Offsets in the file, quotes included. */
  readonly from: number;
  readonly to: number;
}

/** drbd.conf(5): words, quoted or not; comments from "#" to the end of the line; "{", "}" and ";". */
const TOKEN = /#[^\n]*|"[^"\n]*"|[{};]|[^\s{};"#]+/g;

/** The paths of `disk` statements of the resource by the host whose section they are in; null: in none, so for all hosts. */
function disksIn(text: string, resource: string): readonly { readonly host: string | null; readonly path: Word }[] {
  const found: { host: string | null; path: Word }[] = [];
  const sections: (readonly string[])[] = [];
  let statement: Word[] = [];
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    if (token.startsWith("#")) continue;
    if (token === "{") sections.push(statement.map((word) => word.text));
    if (token === "}") sections.pop();
    const [keyword, path] = statement;
    const [outer] = sections;
    if (token === ";" && keyword?.text === "disk" && path?.text.startsWith("/") === true && statement.length === 2)
      if (outer?.[0] === "resource" && outer[1] === resource) {
        const on = sections.find(([name]) => name === "on");
        // `on a b`: one section for two hosts is nobody's own.
        found.push({ host: on?.length === 2 ? (on[1] ?? null) : null, path });
      }
    if (token === "{" || token === "}" || token === ";") statement = [];
    else statement.push({ text: token.replaceAll('"', ""), from: index, to: index + token.length });
  }
  return found;
}

/** The host's disk as this file says it; null: it does not. */
export function diskOf(text: string, resource: string, host: string): string | null {
  const all = disksIn(text, resource);
  return (all.find((one) => one.host === host) ?? all.find((one) => one.host === null))?.path.text ?? null;
}

export interface DiskChange {
  readonly resource: string;
  readonly host: string;
  /** As drbdadm reads it now: what the file says has to be what counts. */
  readonly was: string;
  readonly disk: string;
}

/** The whole text with the new path in it; the error is a sentence. The same text where it is so already. */
export function withDisk(text: string, { resource, host, was, disk }: DiskChange): Result<string, string> {
  const own = disksIn(text, resource).filter((one) => one.host === host);
  const [line] = own;
  if (line === undefined || own.length > 1)
    return err(`found ${own.length} disks of ${host} in the resource ${resource}, expected one in its section "on"`);
  const { path } = line;
  if (path.text !== was && path.text !== disk)
    return err(`found ${path.text} as the disk of ${host}, expected ${was} as "drbdadm dump" says it`);
  return ok(path.text === disk ? text : `${text.slice(0, path.from)}"${disk}"${text.slice(path.to)}`);
}
