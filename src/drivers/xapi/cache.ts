// Feeds a typed view of the pool from one blocked event.from. It must never poll, never spin when xapi is broken, and
// never keep showing an old view as current: after a failure the view is unknown, with the reason, until reread whole.
//
//   login ──► event.from("") ──► event.from(token) ─┐ each answer: apply, publish
//     ▲                               ▲─────────────┘
//     └── back-off ◄── any failure: tables thrown away, view = unknown(reason)
//
// A token of before a master change yields no events at all in the new database (xapi.md 2.8), so every failure, and
// every change of the master in the records, starts again from "".

import type { Observation } from "../../core/model/observation.ts";
import { known, unknown } from "../../core/model/observation.ts";
import type { Millis } from "../../core/model/time.ts";
import type { ClockPort } from "../clock/port.ts";
import { parseEventBatch } from "./parse.ts";
import { describeXapi, type PoolView, type XapiGate, type XapiSession } from "./port.ts";
import { createPoolTables, WATCHED_CLASSES } from "./tables.ts";

export interface PoolCacheOptions {
  /** A gate of its own: the blocked call holds a connection that no other call should wait for. */
  readonly gate: XapiGate;
  readonly clock: ClockPort;
  /** Called after each change of the view or of its reason; it must only set a flag and wake someone. */
  readonly onChange: (view: Observation<PoolView>) => void;
  /** How long xapi may hold an idle event.from. */
  readonly idleMs?: Millis;
  /** Beyond idleMs; then the call counts as hung. */
  readonly graceMs?: Millis;
  readonly loginDeadlineMs?: Millis;
  /** Least time between two calls, so that a storm of events costs one call per gap. */
  readonly gapMs?: Millis;
  /** Waits after failures; the last one repeats. */
  readonly backOffMs?: readonly Millis[];
}

export interface PoolCache {
  view(): Observation<PoolView>;
  /** Ends the loop and its session; resolves when nothing of it runs any more. */
  stop(): Promise<void>;
  /** Cuts a blocked call or a back-off short and rereads the pool (after a change of role, for example). */
  restart(): void;
}

/** Least time between two rereadings for a miscount: the whole pool is megabytes in a large one. */
const REREAD_MS = 60_000;

/** Why one connected stretch of the loop ended. */
interface Ending {
  readonly reason: string;
  /** At least one answer was applied: the next back-off begins at its first step again. */
  readonly worked: boolean;
}

export function startPoolCache(options: PoolCacheOptions): PoolCache {
  const { gate, clock } = options;
  const idleMs = options.idleMs ?? 30_000;
  const graceMs = options.graceMs ?? 5_000;
  const loginDeadlineMs = options.loginDeadlineMs ?? 5_000;
  const gapMs = options.gapMs ?? 200;
  const backOffMs = options.backOffMs ?? [500, 1_000, 2_000, 5_000, 15_000];
  const stopping = new AbortController();
  let turn = new AbortController();
  let view: Observation<PoolView> = unknown("the pool was not read yet", clock.now());

  function publish(next: Observation<PoolView>): void {
    view = next;
    options.onChange(next);
  }

  function publishUnknown(reason: string): void {
    if (view.kind === "unknown" && view.reason === reason) return;
    publish(unknown(reason, view.kind === "unknown" ? view.since : clock.now()));
  }

  async function follow(session: XapiSession, signal: AbortSignal): Promise<Ending> {
    let tables = createPoolTables();
    let token = "";
    let worked = false;
    let masterRef: string | null = null;
    let miscounted = false;
    let rereadAt = clock.now();
    while (!signal.aborted) {
      const startedAt = clock.now();
      const params = [[...WATCHED_CLASSES], token, idleMs / 1000];
      const answer = await session.call("event.from", params, idleMs + graceMs, signal);
      if (!answer.ok) return { reason: describeXapi(answer.error), worked };
      const batch = parseEventBatch(answer.value);
      if (!batch.ok) return { reason: `Cannot read the events of xapi: ${batch.error}`, worked };
      const applied = tables.apply(batch.value);
      if (!applied.ok) return { reason: `Cannot read a record of xapi: ${applied.error}`, worked };
      token = batch.value.token;
      const next = tables.view();
      const miscount = tables.miscount(batch.value.counts);
      const moved = next.ok && masterRef !== null && masterRef !== next.value.masterRef;
      const healing = miscount !== null && miscounted && clock.now() - rereadAt >= REREAD_MS;
      if (moved || healing) {
        // For a master change, and for a miscount that did not heal with the next answer (an event was lost).
        rereadAt = clock.now();
        tables = createPoolTables();
        token = "";
        masterRef = null;
        miscounted = false;
      } else {
        miscounted = miscount !== null;
        if (next.ok) {
          worked = true;
          masterRef = next.value.masterRef;
          // A view without change is published too: its instant tells how fresh it is; onChange only for news.
          if (batch.value.events.length > 0 || view.kind === "unknown") publish(known(next.value, clock.now()));
          else view = known(next.value, clock.now());
        } else {
          publishUnknown(`the records of the pool are not complete: ${next.error}`);
        }
      }
      const restMs = gapMs - (clock.now() - startedAt);
      if (restMs > 0) await clock.sleep(restMs, signal);
    }
    return { reason: "the pool is being reread", worked };
  }

  async function run(): Promise<void> {
    let failures = 0;
    while (!stopping.signal.aborted) {
      turn = new AbortController();
      const signal = AbortSignal.any([turn.signal, stopping.signal]);
      const session = await gate.openPool(loginDeadlineMs, signal);
      let ending: Ending;
      if (session.ok) {
        ending = await follow(session.value, signal);
        // With a dead master this logout would hang like everything else: its deadline is short, and nobody waits for it.
        void session.value.logout(1_000);
      } else {
        ending = { reason: describeXapi(session.error), worked: false };
      }
      if (stopping.signal.aborted) break;
      publishUnknown(turn.signal.aborted ? "the pool is being reread" : ending.reason);
      if (turn.signal.aborted) {
        failures = 0;
        continue;
      }
      failures = ending.worked ? 1 : failures + 1;
      const waitMs = backOffMs[Math.min(failures, backOffMs.length) - 1] ?? 1_000;
      await clock.sleep(waitMs, signal);
    }
  }

  const done = run();
  return {
    view: () => view,
    restart: () => turn.abort(),
    async stop() {
      stopping.abort();
      await done;
    },
  };
}
