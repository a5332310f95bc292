// The brain's thread as the hands see it. What it says before anybody listens is kept: an action of its first turns must
// not be lost while the hands still look at the storage.

import { Worker } from "node:worker_threads";
import type { BrainStart, FromBrain, MemberStart, ToBrain } from "./messages.ts";

export interface BrainThread {
  send(message: ToBrain): void;
  /** Fulfilled with the first word of the brain: it beats. Never rejected; see `onEnd`. */
  readonly beating: Promise<void>;
  /** From now on, and what was said before; once. */
  listen(listener: (message: FromBrain) => void): void;
}

/** `onEnd` is told once why the thread ended; a daemon without its brain must end too. */
export function startBrainThread(start: BrainStart | MemberStart, onEnd: (reason: string) => void): BrainThread {
  // The bundle has the worker beside it as .mjs; run from source it is this folder's .ts.
  const entry = import.meta.url.endsWith(".ts") ? "./brain-worker.ts" : "./brain-worker.mjs";
  const worker = new Worker(new URL(entry, import.meta.url), { workerData: start });
  const kept: FromBrain[] = [];
  let deliver = (message: FromBrain): void => void kept.push(message);
  const beating = Promise.withResolvers<void>();
  worker.on("message", (message: FromBrain) => {
    beating.resolve();
    deliver(message);
  });
  worker.once("error", (error: unknown) =>
    onEnd(error instanceof Error ? (error.stack ?? error.message) : String(error)),
  );
  worker.once("exit", (code) => onEnd(`the brain's thread ended with ${code}`));
  return {
    send: (message) => worker.postMessage(message),
    beating: beating.promise,
    listen(listener) {
      deliver = listener;
      for (const message of kept.splice(0)) listener(message);
    },
  };
}
