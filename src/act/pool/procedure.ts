// What every procedure on the pool shares: how it fails, how it asks for permission, how it waits. It must never repeat
// a call with side effects: that is for the procedure, after it has looked again.

import type { Millis } from "../../core/model/time.ts";
import type { ClockPort } from "../../drivers/clock/port.ts";
import {
  describeXapi,
  type Ask,
  type HostRecord,
  type PoolRecord,
  type XapiCaller,
  type XapiError,
  type XapiGate,
  type XapiNodePort,
  type XapiRecords,
  type XapiSession,
  type XapiValue,
} from "../../drivers/xapi/port.ts";
import { assertNever } from "../../util/assert.ts";
import { err, ok, type Result } from "../../util/result.ts";

export interface PoolContext {
  readonly gate: XapiGate;
  readonly records: XapiRecords;
  readonly clock: ClockPort;
  readonly signal: AbortSignal;
  /** The decision still stands. Asked again right before each dangerous call; false ends the procedure. */
  readonly permitted: () => boolean;
  readonly progress: (step: string) => void;
  /** XE_TIMEOUT: deadline of one ordinary read. */
  readonly readMs: Millis;
}

/** With the files of this host: for procedures that change its role. */
export interface NodeContext extends PoolContext {
  readonly node: XapiNodePort;
}

export type PoolFailure =
  | { readonly kind: "not-permitted"; readonly before: string }
  | { readonly kind: "aborted"; readonly during: string }
  | { readonly kind: "xapi"; readonly during: string; readonly error: XapiError }
  /** A precondition does not hold; nothing was changed by the step that found it. */
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "unverified"; readonly during: string; readonly found: string; readonly expected: string };

export type Done<T> = Result<T, PoolFailure>;

export const refused = (reason: string): Result<never, PoolFailure> => err({ kind: "refused", reason });

export function describePoolFailure(failure: PoolFailure): string {
  switch (failure.kind) {
    case "not-permitted":
      return `Stopped before "${failure.before}": the decision no longer stands`;
    case "aborted":
      return `Given up during "${failure.during}"`;
    case "xapi":
      return `Cannot ${failure.during}: ${describeXapi(failure.error)}`;
    case "refused":
      return failure.reason;
    case "unverified":
      return `Cannot confirm "${failure.during}": found ${failure.found}, expected ${failure.expected}`;
    default:
      return assertNever(failure);
  }
}

export const askOf = (context: PoolContext, deadlineMs: Millis = context.readMs): Ask => ({
  deadlineMs,
  signal: context.signal,
});

/** Names the step in an error of xapi. */
export function during<T>(step: string, answer: Result<T, XapiError>): Done<T> {
  return answer.ok ? answer : err({ kind: "xapi", during: step, error: answer.error });
}

/** The only way to a call that changes something: permission first, progress told, one call, no repetition. */
export async function change(
  context: PoolContext,
  step: string,
  caller: XapiCaller,
  method: string,
  params: readonly XapiValue[],
  deadlineMs: Millis,
): Promise<Done<XapiValue>> {
  if (context.signal.aborted) return err({ kind: "aborted", during: step });
  if (!context.permitted()) return err({ kind: "not-permitted", before: step });
  context.progress(step);
  return during(step, await caller.call(method, params, deadlineMs, context.signal));
}

/** Was the call perhaps executed although it failed? Only an error of xapi itself says no. */
export function mayHaveHappened(failure: PoolFailure): boolean {
  return failure.kind === "xapi" && failure.error.kind !== "api";
}

export function hasCode(failure: PoolFailure, code: string): boolean {
  return failure.kind === "xapi" && failure.error.kind === "api" && failure.error.code === code;
}

export type Look<T> =
  | { readonly kind: "yes"; readonly value: T }
  | { readonly kind: "not-yet"; readonly found: string }
  /** It will never be so: waiting on is of no use. */
  | { readonly kind: "never"; readonly failure: PoolFailure };

/** Looks until it is so, for `withinMs` at most; the last finding is in the failure. */
export async function until<T>(
  context: PoolContext,
  wait: { readonly step: string; readonly expected: string; readonly withinMs: Millis; readonly everyMs: Millis },
  look: () => Promise<Look<T>>,
): Promise<Done<T>> {
  const endAt = context.clock.now() + wait.withinMs;
  context.progress(wait.step);
  for (;;) {
    if (context.signal.aborted) return err({ kind: "aborted", during: wait.step });
    const seen = await look();
    if (seen.kind === "yes") return ok(seen.value);
    if (seen.kind === "never") return err(seen.failure);
    if (context.clock.now() >= endAt) {
      return err({ kind: "unverified", during: wait.step, found: seen.found, expected: wait.expected });
    }
    await context.clock.sleep(wait.everyMs, context.signal);
  }
}

/** The pool, its hosts, and the hosts by UUID; refuses when native HA is on (xapi.md 2.9). */
export async function readPool(
  context: PoolContext,
  caller: XapiCaller,
): Promise<Done<{ readonly pool: PoolRecord; readonly hosts: readonly HostRecord[] }>> {
  const pool = during("read the pool record", await context.records.pool(caller, askOf(context)));
  if (!pool.ok) return pool;
  if (pool.value.haEnabled) return refused("XAPI's own HA is enabled on this pool: tandem does not act beside it");
  const hosts = during("read the hosts", await context.records.hosts(caller, askOf(context)));
  return hosts.ok ? ok({ pool: pool.value, hosts: hosts.value }) : hosts;
}

export function hostByUuid(hosts: readonly HostRecord[], uuid: string): Done<HostRecord> {
  const host = hosts.find((one) => one.uuid === uuid);
  return host === undefined ? refused(`Cannot find host ${uuid} in the pool database`) : ok(host);
}

/** Opens a pool session, runs, logs out; the logout is not waited for. */
export async function withPool<T>(
  context: PoolContext,
  work: (session: XapiSession) => Promise<Done<T>>,
): Promise<Done<T>> {
  const session = during("log in", await context.gate.openPool(context.readMs, context.signal));
  if (!session.ok) return session;
  const result = await work(session.value);
  void session.value.logout(1_000);
  return result;
}

/**
 * A caller for reads that logs in again when its session is gone: safe because a call with an invalid session was not
 * executed, and a read may be repeated. Never to be used for calls that change something.
 */
export function readingCaller(context: PoolContext): XapiCaller & { end(): void } {
  let session: XapiSession | null = null;
  async function once(
    method: string,
    params: readonly XapiValue[],
    deadlineMs: Millis,
    signal?: AbortSignal,
  ): Promise<Result<XapiValue, XapiError>> {
    if (session === null) {
      const opened = await context.gate.openPool(deadlineMs, signal);
      if (!opened.ok) return opened;
      session = opened.value;
    }
    const answer = await session.call(method, params, deadlineMs, signal);
    if (!answer.ok && isSessionInvalid(answer.error)) session = null;
    return answer;
  }
  return {
    async call(method, params, deadlineMs, signal) {
      const answer = await once(method, params, deadlineMs, signal);
      return !answer.ok && isSessionInvalid(answer.error) ? once(method, params, deadlineMs, signal) : answer;
    },
    end: () => void session?.logout(1_000),
  };
}

const isSessionInvalid = (error: XapiError): boolean => error.kind === "api" && error.code === "SESSION_INVALID";
