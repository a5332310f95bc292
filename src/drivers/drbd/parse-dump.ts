// `drbdadm dump` -> the configured resources. Pure. The text holds the connection's shared secret: nothing of it may ever
// get into a message, so an error only says what is missing.

import { err, ok, type Result } from "../../util/result.ts";
import type { ConfiguredResource, ConfiguredTimings } from "./port.ts";

/** DRBD's own defaults (drbd.conf(5)), in the units of the file: tenths of a second and seconds. */
const DEFAULTS = { timeout: 60, "ping-int": 10, "ping-timeout": 5, "connect-int": 10 } as const;
type TimingName = keyof typeof DEFAULTS;
type Written = Partial<Record<TimingName, number>>;

/** Options that the safety of a failover depends on; `shared-secret` says only that there is one. */
const WATCHED: ReadonlySet<string> = new Set([
  "protocol",
  "fencing",
  "fence-peer",
  "allow-two-primaries",
  "after-sb-0pri",
  "after-sb-1pri",
  "after-sb-2pri",
  "rr-conflict",
  "on-io-error",
  "on-no-data-accessible",
  "auto-promote",
  "cram-hmac-alg",
  "shared-secret",
]);

interface Section {
  /** resource, on, net, volume … without its arguments. */
  readonly kind: string;
  readonly name: string;
}

const unquoted = (text: string): string => text.replaceAll('"', "");

/** One statement per line, as `dump` prints them: `kind [name] {`, `}`, or `option value;`. */
export function parseDump(text: string): Result<readonly ConfiguredResource[], string> {
  const open: Section[] = [];
  const common: Written = {};
  const commonOptions: Record<string, string> = {};
  const found = new Map<string, Found>();
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const opening = /^(\S+)(?:\s+([^{]*?))?\s*\{$/.exec(line);
    if (opening !== null) {
      const section = { kind: opening[1] ?? "", name: unquoted(opening[2] ?? "") };
      open.push(section);
      if (section.kind === "resource") found.set(section.name, { devices: new Set(), net: {}, options: {} });
      continue;
    }
    if (line === "}") {
      if (open.pop() === undefined) return err(`line ${index + 1} closes a section that was not opened`);
      continue;
    }
    const resource = open[0]?.kind === "resource" ? found.get(open[0].name) : undefined;
    const device = /^device\s+(?:("?\/\S+?"?)\s+)?(?:minor\s+(\d+)\s*)?;$/.exec(line);
    if (device !== null && resource !== undefined) {
      resource.devices.add(device[1] === undefined ? `/dev/drbd${device[2] ?? ""}` : unquoted(device[1]));
    }
    const watched = /^([a-z0-9-]+)(?:\s+(.*?))?\s*;$/.exec(line);
    if (watched !== null && WATCHED.has(watched[1] ?? "") && open.length <= 2) {
      const [, name = "", value = "yes"] = watched;
      const written = resource?.options ?? (open[0]?.kind === "common" ? commonOptions : undefined);
      if (written !== undefined) written[name] = name === "shared-secret" ? "set" : unquoted(value);
    }
    const option = /^(timeout|ping-int|ping-timeout|connect-int)\s+(\d+)\s*;$/.exec(line);
    if (option !== null && open.at(-1)?.kind === "net") {
      const written = resource?.net ?? (open[0]?.kind === "common" ? common : undefined);
      // The expression allows nothing else.
      if (written !== undefined) written[option[1] as TimingName] = Number(option[2]);
    }
  }
  if (open.length > 0) return err(`the text ends inside "${open.at(-1)?.kind ?? ""}"`);
  return ok(
    [...found].map(([name, one]) => ({
      name,
      devices: [...one.devices],
      timings: timings(common, one.net),
      options: { ...commonOptions, ...one.options },
    })),
  );
}

interface Found {
  readonly devices: Set<string>;
  readonly net: Written;
  readonly options: Record<string, string>;
}

/** `dump` prints the common section apart: a resource inherits what it does not say itself. */
function timings(common: Written, own: Written): ConfiguredTimings {
  const of = (name: TimingName): number => own[name] ?? common[name] ?? DEFAULTS[name];
  return {
    timeoutMs: of("timeout") * 100,
    pingIntMs: of("ping-int") * 1000,
    pingTimeoutMs: of("ping-timeout") * 100,
    connectIntMs: of("connect-int") * 1000,
  };
}

/** DRBD's configuration as a person wrote it, with the lines of `dump`: one statement or section per line. */
export function asDumped(text: string): string {
  const bare = text.replaceAll(/"[^"\n]*"|#.*$/gm, (found) => (found.startsWith("#") ? "" : found));
  return bare.replaceAll(/"[^"\n]*"|[{;]|\}/g, (found) => {
    if (found === "}") return "\n}\n";
    return found.length === 1 ? ` ${found}\n` : found;
  });
}
