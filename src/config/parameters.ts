// All parameters by name, and how one of them is parsed.

import { err, type Result } from "../util/result.ts";
import type { Parameter, Scope } from "./parameter.ts";
import { POOL_PARAMETERS } from "./pool-parameters.ts";
import { STORAGE_PARAMETERS } from "./storage-parameters.ts";
import { nearestName } from "./suggest.ts";
import { parseValue, type Mismatch, type Value } from "./value.ts";

export const PARAMETERS: readonly Parameter[] = [...POOL_PARAMETERS, ...STORAGE_PARAMETERS];

/** Written with the parameters by older programs, or kept beside them by this one; never reported as unknown. */
const RESERVED = new Set(["FENCE_PASSWD_SECRET", "SMTP_PASS_SECRET"]);

const INDEX = new Map(PARAMETERS.map((one) => [`${one.scope}:${one.name.toUpperCase()}`, one]));
const NAMES: Readonly<Record<Scope, readonly string[]>> = {
  pool: PARAMETERS.filter((one) => one.scope === "pool").map((one) => one.name),
  storage: PARAMETERS.filter((one) => one.scope === "storage").map((one) => one.name),
};

/** By name in any case; undefined when there is none. */
export function findParameter(scope: Scope, name: string): Parameter | undefined {
  return INDEX.get(`${scope}:${name.toUpperCase()}`);
}

export function isReservedName(name: string): boolean {
  return RESERVED.has(name.toUpperCase());
}

export function parametersOf(scope: Scope): readonly Parameter[] {
  return PARAMETERS.filter((one) => one.scope === scope);
}

/** What to do about an unknown name, with the nearest known one. */
export function unknownNameAdvice(scope: Scope, name: string): string {
  const near = nearestName(name, NAMES[scope]);
  return near === null ? "remove it; `ha-cfg get` lists the parameters" : `did you mean ${near}?`;
}

/** Parses one value; the text of a secret is never part of the mismatch. */
export function parseParameter(one: Parameter, raw: string | readonly string[]): Result<Value, Mismatch> {
  const parsed = parseValue(one.type, raw);
  return parsed.ok || !one.secret ? parsed : err({ ...parsed.error, found: "a text that is not shown" });
}
