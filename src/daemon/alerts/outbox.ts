// What is to be told waits here until its server took it: bounded, tried again with growing pauses, never in anybody's way.
// Several that wait go together, and no more than a handful a minute: a flood becomes a digest.

import type { Millis } from "../../core/model/time.ts";
import type { ClockPort } from "../../drivers/clock/port.ts";

export interface OutboxState<T> {
  readonly items: readonly T[];
  /** Oldest ones that had to go since the last delivery. */
  readonly dropped: number;
}

export interface Outbox<T> {
  /** Nothing is delivered before it. */
  start(): void;
  add(items: readonly T[]): void;
  state(): OutboxState<T>;
  /** Resolves when nothing is under way. */
  stop(): Promise<void>;
}

/** How many from the front were taken, and what stopped it; null: all were. */
export interface Delivery {
  readonly taken: number;
  readonly failure: string | null;
}

export interface OutboxOptions<T> {
  readonly clock: ClockPort;
  readonly initial: OutboxState<T>;
  /** It has a deadline of its own. */
  readonly deliver: (items: readonly T[], dropped: number) => Promise<Delivery>;
  /** After every change of the state. */
  readonly onChange: () => void;
  /** The first failure of a row, and the first success after it (null). */
  readonly onTrouble: (reason: string | null) => void;
  readonly capacity?: number;
  readonly firstRetryMs?: Millis;
  /** From the first item to its delivery, by default 3 s. */
  readonly gatherMs?: Millis;
}

const CAPACITY = 200;
/** What goes wrong together is told together; and the way to the server costs nothing while storage moves to the other host. */
const GATHER_MS: Millis = 3_000;
const BATCH = 40;
const FIRST_RETRY_MS: Millis = 5_000;
const LONGEST_RETRY_MS: Millis = 600_000;
/** Deliveries at once before the pace begins. */
const BURST = 10;
const PACE_MS: Millis = 60_000;

export function createOutbox<T>(options: OutboxOptions<T>): Outbox<T> {
  const { clock, capacity = CAPACITY, firstRetryMs = FIRST_RETRY_MS, gatherMs = GATHER_MS } = options;
  let { items, dropped } = options.initial;
  let running: Promise<void> | null = null;
  let isStarted = false;
  const abort = new AbortController();
  let allowance = BURST;
  let allowedAt = clock.now();

  /** Time until one more delivery is allowed; 0 takes it. */
  function pause(): Millis {
    const now = clock.now();
    const earned = Math.floor((now - allowedAt) / PACE_MS);
    if (earned > 0) {
      allowance = Math.min(BURST, allowance + earned);
      allowedAt += earned * PACE_MS;
    }
    if (allowance === 0) return allowedAt + PACE_MS - now;
    allowance -= 1;
    return 0;
  }

  async function drain(): Promise<void> {
    let retryMs = firstRetryMs;
    let isTroubled = false;
    await clock.sleep(gatherMs, abort.signal);
    while (items.length > 0 && !abort.signal.aborted) {
      const waitMs = isTroubled ? 0 : pause();
      if (waitMs > 0) {
        await clock.sleep(waitMs, abort.signal);
        continue;
      }
      const batch = items.slice(0, BATCH);
      const { taken, failure } = await options.deliver(batch, dropped);
      if (taken > 0) {
        const gone = new Set(batch.slice(0, taken));
        items = items.filter((item) => !gone.has(item));
        dropped = 0;
        options.onChange();
      }
      if (failure === null) {
        if (isTroubled) options.onTrouble(null);
        [isTroubled, retryMs] = [false, firstRetryMs];
        continue;
      }
      if (!isTroubled) options.onTrouble(failure);
      isTroubled = true;
      await clock.sleep(retryMs, abort.signal);
      retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS);
    }
  }

  function wake(): void {
    if (!isStarted || running !== null || items.length === 0 || abort.signal.aborted) return;
    running = drain().finally(() => {
      running = null;
      wake();
    });
  }

  return {
    start() {
      isStarted = true;
      wake();
    },
    add(more) {
      if (more.length === 0) return;
      const all = [...items, ...more];
      dropped += Math.max(0, all.length - capacity);
      items = all.slice(-capacity);
      options.onChange();
      wake();
    },
    state: () => ({ items, dropped }),
    async stop() {
      abort.abort();
      await running;
    },
  };
}
