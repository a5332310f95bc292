// The end of an effect that an answer to the other host waits for. Decides nothing.

import { change, type Turn } from "../turn.ts";

/** `isWrite`: it was the durable record's, which has nothing to say to the operator who asked. */
export function absorbOwed(turn: Turn, id: number, ok: boolean, detail: string, isWrite: boolean): void {
  change(turn, {
    owed: turn.state.owed.map((owed) =>
      owed.waitingFor.includes(id)
        ? {
            ...owed,
            waitingFor: owed.waitingFor.filter((w) => w !== id),
            failed: ok ? owed.failed : detail,
            ...(owed.kind === "discard" && !isWrite
              ? { said: owed.said === undefined ? detail : `${owed.said}; ${detail}` }
              : {}),
          }
        : owed,
    ),
  });
}
