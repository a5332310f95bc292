// A decision that is refused again and again says so each time; a person needs the first line and how many followed.

import type { Instant, Millis } from "../core/model/time.ts";

export type Tell = (event: string, detail: string, level?: "info" | "warn" | "error") => void;

const PERIOD_MS: Millis = 10_000;
/** Lines remembered at once: more different ones than this are no repetition. */
const REMEMBERED = 100;

/**
 * Passes every line on, but the very same warning or error only once in ten seconds; the next one that passes says how many
 * were left out between. What is only information is an event of its own each time.
 */
export function withoutRepeats(tell: Tell, now: () => Instant): Tell {
  const lines = new Map<string, { readonly at: Instant; left: number }>();
  return (event, detail, level) => {
    if (level !== "warn" && level !== "error") return tell(event, detail, level);
    const line = `${event} ${detail}`;
    const before = lines.get(line);
    const at = now();
    if (before !== undefined && at - before.at < PERIOD_MS) {
      before.left += 1;
      return;
    }
    // Re-inserted, so that the oldest line is the first one.
    lines.delete(line);
    lines.set(line, { at, left: 0 });
    for (const [oldest] of lines) if (lines.size > REMEMBERED) lines.delete(oldest);
    const left = before?.left ?? 0;
    tell(
      event,
      left === 0 ? detail : `${detail} (and ${left} times more in ${seconds(at - (before?.at ?? at))} s)`,
      level,
    );
  };
}

const seconds = (ms: Millis): number => Math.round(ms / 1000);
