// An existing HA-Lizard pool's parameters, from its keys in other-config (`HA_<NAME>`) and from its configuration file,
// to values of ours. Pure. What cannot be taken over is named with the reason; nothing is guessed.

import { findParameter, parseParameter } from "../parameters.ts";
import { formatValue } from "../value.ts";

const KEY_PREFIX = "HA_";

export interface Imported {
  /** Canonical values by our name; passwords apart. */
  readonly changes: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, string>>;
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
}

/** Parameters that the old program had and this one does not need. */
const GONE: Readonly<Record<string, string>> = {
  DISABLE_WRITE_CACHE: "the write cache of the target is always off",
  REPLUG_PBD: "unplugged storage is always plugged again",
  REPLUG_PBD_LOOP: "unplugged storage is always plugged again",
  FENCE_HOST_FORGET: "a host is never forgotten by itself",
};

/** The keys of HA-Lizard in the pool's other-config, without their prefix. */
export function haLizardKeys(otherConfig: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const own = Object.entries(otherConfig).filter(([key]) => key.startsWith(KEY_PREFIX));
  return Object.fromEntries(own.map(([key, value]) => [key.slice(KEY_PREFIX.length), value]));
}

/** `NAME=value` lines of a shell file: quotes and comments are taken off, nothing is expanded. */
export function parseAssignments(text: string): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const line of text.split("\n")) {
    const match = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(?:"([^"]*)"|'([^']*)'|(\([^)]*\))|([^\s#]*))/.exec(line);
    if (match === null) continue;
    const [, name = "", double, single, list, bare] = match;
    found[name] = double ?? single ?? list ?? bare ?? "";
  }
  return found;
}

export function importParameters(source: Readonly<Record<string, string>>): Imported {
  const changes: Record<string, string> = {};
  const secrets: Record<string, string> = {};
  const skipped: { name: string; reason: string }[] = [];
  for (const [name, raw] of Object.entries(source).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const gone = GONE[name.toUpperCase()];
    const one = findParameter("pool", name);
    if (gone !== undefined || one === undefined) {
      skipped.push({ name, reason: gone ?? "there is no such parameter here" });
      continue;
    }
    // An empty array of the shell is its way to say "none"; values in the database may carry the file's quotes.
    const text = raw
      .trim()
      .replace(/^\(\s*\)$/, "")
      .replaceAll(/^["']|["']$/g, "");
    const parsed = parseParameter(one, text);
    if (!parsed.ok) {
      skipped.push({ name, reason: `found ${parsed.error.found}, expected ${parsed.error.expected}` });
    } else if (one.secret) {
      if (text !== "") secrets[one.name] = text;
    } else {
      changes[one.name] = formatValue(one.type, parsed.value);
    }
  }
  return { changes, secrets, skipped };
}
