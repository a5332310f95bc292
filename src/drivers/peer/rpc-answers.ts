// Runs every request once, however many copies of it arrive, and gives all of them the same answer. Sans-io.

import type { PeerReply, PeerRequest } from "../../core/model/peer.ts";
import type { Instant, Millis } from "../../core/model/time.ts";

/** Answers kept for copies that come late (the slower network). */
const rememberedAnswers = 256;
/** Requests without an answer; the next one is refused. */
const largestPending = 32;

type Listener = (reply: PeerReply) => void;
type Entry =
  | { readonly kind: "pending"; readonly content: string; readonly until: Instant; readonly listeners: Listener[] }
  | { readonly kind: "answered"; readonly content: string; readonly reply: PeerReply };

export interface RpcAnswers {
  /** Runs the request, or joins the copy that runs; `listener` is called once, or never when nobody answers. */
  ask(id: string, request: PeerRequest, validForMs: Millis, now: Instant, listener: Listener): void;
}

export function createRpcAnswers(run: (request: PeerRequest, reply: Listener) => void): RpcAnswers {
  const entries = new Map<string, Entry>();

  function forgetSome(now: Instant): void {
    for (const [id, entry] of entries) if (entry.kind === "pending" && entry.until < now) entries.delete(id);
    let excess = entries.size - rememberedAnswers;
    for (const [id, entry] of entries) {
      if (excess <= 0) break;
      if (entry.kind === "pending") continue;
      entries.delete(id);
      excess -= 1;
    }
  }

  return {
    ask(id, request, validForMs, now, listener) {
      const content = JSON.stringify(request);
      const known = entries.get(id);
      if (known !== undefined && known.content !== content) {
        listener({ kind: "refused", reason: "the request number was already used for something else" });
        return;
      }
      if (known?.kind === "answered") return listener(known.reply);
      if (known?.kind === "pending") {
        known.listeners.push(listener);
        return;
      }
      forgetSome(now);
      if ([...entries.values()].filter(({ kind }) => kind === "pending").length >= largestPending) {
        listener({ kind: "refused", reason: `${largestPending} earlier requests are still being worked on` });
        return;
      }
      const listeners = [listener];
      entries.set(id, { kind: "pending", content, until: now + validForMs, listeners });
      run(request, (reply) => {
        const entry = entries.get(id);
        if (entry?.kind === "answered") return;
        entries.set(id, { kind: "answered", content, reply });
        for (const tell of listeners) tell(reply);
      });
    },
  };
}
