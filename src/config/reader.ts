// Typed access to parameters by name.

import { InvariantError } from "../util/assert.ts";
import type { Value } from "./value.ts";

export interface Reader {
  number(name: string): number;
  flag(name: string): boolean;
  text(name: string): string;
  list(name: string): readonly string[];
}

/** Typed access; a wrong name or type is a bug of ours, not of the configuration. */
export function readerOf(entries: ReadonlyMap<string, { readonly value: Value }>): Reader {
  const get = (name: string): Value => {
    const entry = entries.get(name);
    if (entry === undefined) throw new InvariantError(`no parameter ${name}`);
    return entry.value;
  };
  const number = (name: string): number => {
    const value = get(name);
    if (typeof value !== "number") throw new InvariantError(`${name} is no number`);
    return value;
  };
  return {
    number,
    flag: (name) => number(name) === 1,
    text(name): string {
      const value = get(name);
      if (typeof value !== "string") throw new InvariantError(`${name} is no text`);
      return value;
    },
    list(name): readonly string[] {
      const value = get(name);
      if (value === null || typeof value === "number" || typeof value === "string")
        throw new InvariantError(`${name} is no list`);
      return value;
    },
  };
}
