// The kinds of values a parameter can have: text in, checked value out, canonical text back. Knows no parameter by name.

import { isIP } from "node:net";
import type { Millis } from "../core/model/time.ts";
import { err, ok, type Result } from "../util/result.ts";
import { assertNever } from "../util/assert.ts";
import { quote } from "./problem.ts";

export type ListItem = "uuid" | "address" | "host-port" | "resource" | "initiator";

export type ValueType =
  | { readonly kind: "flag" }
  | { readonly kind: "integer"; readonly min: number; readonly max: number }
  /** Written in `unit`, or with an own suffix (ms, s, min); held in milliseconds. `optional`: empty means "by profile". */
  | {
      readonly kind: "duration";
      readonly unit: "s" | "min";
      readonly minMs: Millis;
      readonly maxMs: Millis;
      readonly whole?: true;
      readonly optional?: true;
    }
  | { readonly kind: "choice"; readonly values: readonly string[] }
  | { readonly kind: "text"; readonly pattern: RegExp; readonly expected: string }
  | { readonly kind: "list"; readonly item: ListItem; readonly separator: ":" | "," };

/** flag: 0 or 1; duration: milliseconds, null when left to the profile. */
export type Value = number | string | null | readonly string[];

export interface Mismatch {
  readonly found: string;
  readonly expected: string;
}

export const UUID_PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const HOST_NAME =
  /^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\.?$/;
const ALL_DIGITS_AND_DOTS = /^[0-9.]+$/;

/** An IP address, or a name (never digits and dots only: 192.168.1 is a mistyped address, not a name). */
export function isAddressOrName(text: string): boolean {
  return isIP(text) !== 0 || (HOST_NAME.test(text) && !ALL_DIGITS_AND_DOTS.test(text));
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** `name:7694`, `10.0.0.1:7694`, `[fd00::1]:7694`. */
export function parseHostPort(text: string): HostPort | null {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(text);
  if (match === null) return null;
  const bracketed = match[1];
  const host = bracketed ?? match[2] ?? "";
  const port = Number(match[3]);
  if (bracketed !== undefined ? isIP(bracketed) !== 6 : !isAddressOrName(host)) return null;
  return port >= 1 && port <= 65535 ? { host, port } : null;
}

/** The seeds write values in single or double quotes; both are taken off, once. */
export function stripQuotes(text: string): string {
  const trimmed = text.trim();
  const first = trimmed[0];
  const quoted = trimmed.length >= 2 && (first === '"' || first === "'") && trimmed.endsWith(first);
  return quoted ? trimmed.slice(1, -1) : trimmed;
}

/** The seeds write `()` for an empty list and `(a:b)` for a full one. An IPv6 address in a `:` list stands in brackets. */
function splitList(text: string, separator: ":" | ","): readonly string[] {
  const inner = text.startsWith("(") && text.endsWith(")") ? text.slice(1, -1) : text;
  if (inner.trim() === "") return [];
  if (separator === ":" && isIP(inner) === 6) return [inner];
  const items: string[] = [];
  let item = "";
  let depth = 0;
  for (const letter of inner) {
    if (letter === "[") depth += 1;
    if (letter === "]") depth -= 1;
    const ends = depth === 0 && (letter === separator || letter === ",");
    if (ends) items.push(item);
    item = ends ? "" : item + letter;
  }
  items.push(item);
  return items.map((one) => one.trim());
}

/** An IPv4 network such as 10.10.10.0/24. */
function isNetwork(text: string): boolean {
  const [, address = "", prefix] = /^([\d.]+)\/(\d{1,2})$/.exec(text) ?? [];
  return isIP(address) === 4 && Number(prefix) <= 32;
}

function itemText(item: ListItem, text: string): string | null {
  switch (item) {
    case "uuid":
      return UUID_PATTERN.test(text.toLowerCase()) ? text.toLowerCase() : null;
    case "address": {
      const bare = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text;
      return isAddressOrName(bare) ? bare : null;
    }
    case "host-port":
      return parseHostPort(text) === null ? null : text;
    case "resource":
      return /^[A-Za-z0-9_.-]{1,64}$/.test(text) ? text : null;
    case "initiator":
      return text === "ALL" || (isIP(text) !== 0 && !text.includes("%")) || isNetwork(text) ? text : null;
    default:
      return assertNever(item);
  }
}

function describeItem(item: ListItem): string {
  switch (item) {
    case "uuid":
      return "UUIDs";
    case "address":
      return "IP addresses or host names";
    case "host-port":
      return "host:port pairs";
    case "resource":
      return "resource names (letters, digits, _ . -)";
    case "initiator":
      return "ALL, IP addresses or networks";
    default:
      return assertNever(item);
  }
}

/** What a value of this type looks like, for messages and for `get`. */
export function describeType(type: ValueType): string {
  switch (type.kind) {
    case "flag":
      return "0 or 1";
    case "integer":
      return `a whole number from ${type.min} to ${type.max}`;
    case "duration": {
      const scale = type.unit === "s" ? 1000 : 60_000;
      return `${type.whole === true ? "whole " : ""}${type.unit === "s" ? "seconds" : "minutes"} from ${type.minMs / scale} to ${type.maxMs / scale}`;
    }
    case "choice":
      return `one of ${type.values.join(", ")}`;
    case "text":
      return type.expected;
    case "list":
      return `a list of ${describeItem(type.item)} separated by "${type.separator}"`;
    default:
      return assertNever(type);
  }
}

const SUFFIX_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000 };

function parseDuration(type: Extract<ValueType, { kind: "duration" }>, text: string): number | null {
  const match = /^([0-9]{1,9}(?:\.[0-9]{1,3})?)\s*(ms|s|min)?$/i.exec(text);
  if (match === null) return null;
  const unitMs = SUFFIX_MS[(match[2] ?? type.unit).toLowerCase()] ?? 1000;
  const ms = Math.round(Number(match[1]) * unitMs * 1000) / 1000;
  if (!Number.isInteger(ms) || ms < type.minMs || ms > type.maxMs) return null;
  return type.whole === true && ms % 1000 !== 0 ? null : ms;
}

/** A list may also come as a list (YAML). The text of a secret must not be passed through `found`: see parseParameter. */
export function parseValue(type: ValueType, raw: string | readonly string[]): Result<Value, Mismatch> {
  const bad = (): Result<Value, Mismatch> =>
    err({
      found: typeof raw === "string" ? quote(raw) : quote(raw.join(type.kind === "list" ? type.separator : " ")),
      expected: describeType(type),
    });
  if (type.kind === "list") {
    const items = typeof raw === "string" ? splitList(stripQuotes(raw), type.separator) : raw.map(stripQuotes);
    const checked = items.map((item) => itemText(type.item, item));
    const good = checked.filter((item) => item !== null);
    if (good.length !== checked.length) return bad();
    const twice = good.find((item, index) => good.indexOf(item) !== index);
    return twice === undefined ? ok(good) : err({ found: `${quote(twice)} twice`, expected: "each item once" });
  }
  if (typeof raw !== "string") return bad();
  const text = stripQuotes(raw);
  switch (type.kind) {
    case "flag": {
      const lower = text.toLowerCase();
      if (lower === "1" || lower === "true") return ok(1);
      return lower === "0" || lower === "false" ? ok(0) : bad();
    }
    case "integer": {
      const number = /^[0-9]{1,9}$/.test(text) ? Number(text) : Number.NaN;
      return number >= type.min && number <= type.max ? ok(number) : bad();
    }
    case "duration": {
      if (type.optional === true && (text === "" || text === "()")) return ok(null);
      const ms = parseDuration(type, text);
      return ms === null ? bad() : ok(ms);
    }
    case "choice": {
      const choice = type.values.find((value) => value.toLowerCase() === text.toLowerCase());
      return choice === undefined ? bad() : ok(choice);
    }
    case "text":
      return type.pattern.test(text) ? ok(text) : bad();
    default:
      return assertNever(type);
  }
}

/** Canonical text of a value: `parseValue` reads it back unchanged. */
export function formatValue(type: ValueType, value: Value): string {
  if (value === null) return "";
  if (type.kind === "duration" && typeof value === "number") {
    return String(value / (type.unit === "s" ? 1000 : 60_000));
  }
  if (type.kind === "list" && typeof value !== "number" && typeof value !== "string") {
    const bracket = (item: string): string =>
      type.item === "address" && type.separator === ":" && item.includes(":") ? `[${item}]` : item;
    return value.map(bracket).join(type.separator);
  }
  return String(value);
}
