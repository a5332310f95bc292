// The agent's own end: a little before the daemon would kill it, so that the reason is said and not lost.

import { performance } from "node:perf_hooks";

export interface Deadline {
  /** Milliseconds left; 0 when it passed. */
  left(): number;
  readonly signal: AbortSignal;
}

/** What ending and the last words may take. */
const LAST_WORDS_MS = 250;

export function deadlineIn(budgetMs: number): Deadline {
  const ownMs = Math.max(1, budgetMs - Math.min(LAST_WORDS_MS, budgetMs / 10));
  const end = performance.now() + ownMs;
  return { left: () => Math.max(0, end - performance.now()), signal: AbortSignal.timeout(Math.ceil(ownMs)) };
}
