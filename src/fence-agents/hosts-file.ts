// `<METHOD>.hosts`: one line per host, `<UUID>:<device>[,option=value …]`, no spaces. Pure. The whole UUID must match;
// a file with two lines for one host, or with a line that cannot be read, is refused: guessing would fence a stranger.

import { err, ok, type Result } from "../util/result.ts";
import type { Options } from "./device.ts";

export interface HostLine {
  readonly device: string;
  readonly options: Options;
}

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const UUID_LENGTH = 36;

/** Every key a line may carry, over all methods. */
const KEYS: readonly string[] = ["user", "pin", "port", "key", "legacy", "auth", "system", "cipher", "via", "address"];

export function findHost(text: string, hostId: string, file: string): Result<HostLine, string> {
  const found: HostLine[] = [];
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const parsed = parseLine(line);
    if (!parsed.ok) return err(`Cannot read ${file} line ${index + 1}: ${parsed.error}`);
    if (parsed.value.host === hostId) found.push(parsed.value.line);
  }
  const [only] = found;
  if (only === undefined) return err(`Cannot find host ${hostId} in ${file}: add a line <UUID>:<device>`);
  if (found.length > 1) return err(`Cannot use ${file}: found ${found.length} lines for host ${hostId}, expected one`);
  return ok(only);
}

function parseLine(line: string): Result<{ readonly host: string; readonly line: HostLine }, string> {
  const host = line.slice(0, UUID_LENGTH).toLowerCase();
  if (!UUID.test(host) || line[UUID_LENGTH] !== ":") return err("found no UUID followed by a colon");
  if (/\s/.test(line)) return err("found a space, expected <UUID>:<device>[,option=value]");
  const [device = "", ...pairs] = line.slice(UUID_LENGTH + 1).split(",");
  if (!/^[A-Za-z0-9.:_-]{1,253}$/.test(device)) return err("found no address or name after the UUID");
  const options = new Map<string, string>();
  for (const pair of pairs) {
    const at = pair.indexOf("=");
    const [key, value] = [pair.slice(0, Math.max(0, at)), pair.slice(at + 1)];
    if (!KEYS.includes(key) || value === "") return err(`found "${pair}", expected one of ${KEYS.join(", ")} = value`);
    if (options.has(key)) return err(`found the option ${key} twice`);
    options.set(key, value);
  }
  return ok({ host, line: { device, options } });
}

/** The options of a line that a method does not know; a misspelt `pin` must not pass for none. */
export function unknownOption(options: Options, known: readonly string[]): string | null {
  const odd = [...options.keys()].find((key) => !known.includes(key));
  return odd === undefined ? null : `the option ${odd} means nothing here, expected ${known.join(", ")}`;
}

export function portOf(options: Options, standard: number): Result<number, string> {
  const text = options.get("port");
  if (text === undefined) return ok(standard);
  const port = Number(text);
  return /^[0-9]{1,5}$/.test(text) && port > 0 && port < 65_536 ? ok(port) : err(`found port=${text}, expected a port`);
}
