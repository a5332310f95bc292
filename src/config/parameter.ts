// What a parameter is, and the kinds of value that more than one of them has.

import type { ValueType } from "./value.ts";

/** pool: XAPI database (other-config key `tandem:NAME`). storage: the `storage:` section of the local file. */
export type Scope = "pool" | "storage";
export type Group = "monitor" | "vm" | "xapi" | "fence" | "timer" | "policy" | "mail" | "family" | "storage" | "local";

export interface Parameter {
  readonly name: string;
  readonly scope: Scope;
  readonly group: Group;
  readonly type: ValueType;
  /** Canonical text; "" of a timer: by TIMER_PROFILE; null: must be given (storage). */
  readonly initial: string | null;
  readonly secret: boolean;
  /** May `overrides:` of one host change it? Never for timers, policy and heuristics (A24). */
  readonly perHost: boolean;
  /** Does a change take effect only after a restart of the daemon? */
  readonly restart: boolean;
  readonly summary: string;
  /** Accepted without effect; the sentence says why. */
  readonly deprecated: string | null;
}

export type Options = Partial<Pick<Parameter, "secret" | "perHost" | "restart" | "deprecated">>;

export const FLAG: ValueType = { kind: "flag" };
export const integer = (min: number, max: number): ValueType => ({ kind: "integer", min, max });
export const seconds = (min: number, max: number): ValueType => ({
  kind: "duration",
  unit: "s",
  minMs: min * 1000,
  maxMs: max * 1000,
});
export const minutes = (min: number, max: number): ValueType => ({
  kind: "duration",
  unit: "min",
  minMs: min * 60_000,
  maxMs: max * 60_000,
});
export const choice = (...values: readonly string[]): ValueType => ({ kind: "choice", values });
export const text = (pattern: RegExp, expected: string): ValueType => ({ kind: "text", pattern, expected });

// Control characters would allow header injection into mails and forged log lines.
export const ONE_LINE = /^[^\p{Cc}\p{Zl}\p{Zp}]{0,998}$/u;
export const MAIL_ADDRESSES = /^[^\s\p{Cc},;<>@]+@[^\s\p{Cc},;<>@]+(,[^\s\p{Cc},;<>@]+@[^\s\p{Cc},;<>@]+)*$/u;

export function parameter(
  scope: Scope,
  group: Group,
  name: string,
  initial: string | null,
  type: ValueType,
  summary: string,
  options: Options = {},
): Parameter {
  return {
    name,
    scope,
    group,
    type,
    initial,
    summary,
    secret: false,
    perHost: true,
    restart: false,
    deprecated: null,
    ...options,
  };
}
