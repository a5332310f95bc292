// The disks that DRBD's configuration names, in a resource file or in what "drbdadm dump" prints. One of them is given another
// path without a look at the rest, which may have been written by other hands. Pure.

import { err, ok, type Result } from "../../util/result.ts";

interface Word {
  readonly text: string;
  /** Offsets in the file, quotes included. */
  readonly from: number;
  readonly to: number;
}

/** drbd.conf(5): words, quoted (with \" for a quote) or not; comments from "#" to the end of the line; "{", "}" and ";". */
const TOKEN = /#[^\n]*|"(?:\\.|[^"\\\n])*"|[{};]|[^\s{};"#]+/g;

export interface DeviceNamed {
  readonly keyword: "disk" | "meta-disk";
  readonly resource: string;
  /** Null: in no host's section, so for every host that says nothing else. */
  readonly host: string | null;
  readonly volume: string;
  readonly path: Word;
}

/** drbd.conf(5): `disk PATH;` and `[flexible-]meta-disk PATH [INDEX];`. Metadata that are internal have no path. */
const KEYWORDS: Readonly<Record<string, DeviceNamed["keyword"]>> = {
  disk: "disk",
  "meta-disk": "meta-disk",
  "flexible-meta-disk": "meta-disk",
};

export function devicesIn(text: string): readonly DeviceNamed[] {
  const found: DeviceNamed[] = [];
  const sections: (readonly string[])[] = [];
  let statement: Word[] = [];
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    if (token.startsWith("#")) continue;
    if (token === "{") sections.push(statement.map((word) => word.text));
    if (token === "}") sections.pop();
    const [first, path] = statement;
    const keyword = KEYWORDS[first?.text ?? ""];
    const [kind, resource] = sections[0] ?? [];
    if (token === ";" && keyword !== undefined && path?.text.startsWith("/") === true)
      if (kind === "resource" && resource !== undefined) {
        const on = sections.find(([name]) => name === "on");
        const volume = sections.find(([name]) => name === "volume")?.[1] ?? "0";
        // `on a b`: one section for two hosts is nobody's own.
        found.push({ keyword, resource, host: on?.length === 2 ? (on[1] ?? null) : null, volume, path });
      }
    if (token === "{" || token === "}" || token === ";") statement = [];
    else statement.push({ text: token.replaceAll('"', ""), from: index, to: index + token.length });
  }
  return found;
}

const disksIn = (text: string, resource: string): readonly DeviceNamed[] =>
  devicesIn(text).filter((one) => one.keyword === "disk" && one.resource === resource);

/** The host's disk as this text says it; null: it does not. */
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
