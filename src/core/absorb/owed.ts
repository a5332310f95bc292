// The end of an effect that an answer to the other host waits for. Decides nothing.

import { change, type Turn } from "../turn.ts";

/** What DRBD did to a copy is told to the operator; the write before it (`discards` are still to come) has nothing to say. */
export function absorbOwed(turn: Turn, id: number, ok: boolean, detail: string): void {
  change(turn, {
    owed: turn.state.owed.map((owed) =>
      owed.waitingFor.includes(id)
        ? {
            ...owed,
            waitingFor: owed.waitingFor.filter((w) => w !== id),
            failed: ok ? owed.failed : detail,
            ...(owed.kind === "discard" && owed.discards === undefined
              ? { said: owed.said === undefined ? detail : `${owed.said}; ${detail}` }
              : {}),
          }
        : owed,
    ),
  });
}
