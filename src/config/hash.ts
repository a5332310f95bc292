// cfgHash (A24, I-f): what two hosts must have in common before either may take over. The values in force are hashed,
// not how they were written, so that a profile and the same timers one by one agree. Never contains a secret.

import { createHash, createHmac, randomBytes } from "node:crypto";

export type Canonical = string | number | boolean | null | readonly Canonical[] | { readonly [key: string]: Canonical };

/** JSON with sorted keys: equal values give equal text. */
export function canonicalText(value: Canonical): string {
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(",")}]`;
  const entries = Object.entries(value).toSorted(([left], [right]) => (left < right ? -1 : 1));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonicalText(item)}`).join(",")}}`;
}

/** 64 hex digits. */
export function hashOf(value: Canonical): string {
  return createHash("sha256").update(canonicalText(value)).digest("hex");
}

let markKey: Buffer | null = null;

/** Equal for equal texts within one process. Keyed with a random key that never leaves it, so it reveals nothing. */
export function markOf(texts: readonly string[]): string {
  markKey ??= randomBytes(32);
  return createHmac("sha256", markKey).update(canonicalText(texts)).digest("hex").slice(0, 16);
}
