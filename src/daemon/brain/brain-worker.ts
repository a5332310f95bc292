// Entry of the brain's worker thread: joins the pure decisions to the peer links and the watchdog. On a storage host the
// pair's decision with the pool's beside it, on a member of the pool the pool's alone.

import { flushCompileCache } from "node:module";
import { parentPort, workerData } from "node:worker_threads";
import { config } from "zod/mini";
import { createPeerLink } from "../../drivers/peer/link.ts";
import { createMemberLink } from "../../drivers/peer/member-link.ts";
import { createWatchdog } from "../../drivers/watchdog/holder.ts";
import type { WatchdogPort } from "../../drivers/watchdog/port.ts";
import { startBrain, type Brain } from "./brain.ts";
import { startMemberBrain } from "./member-brain.ts";
import type { BrainStart, FromBrain, MemberStart, ToBrain } from "./messages.ts";

// Compiled checks pay after thousands of packets; a restarted daemon must judge its first ones at once (A7).
config({ jitless: true });
const KEEP_CODE_MS = 3_000;
const port = parentPort;
if (port === null) throw new Error("the brain runs as a worker of tandemd only");
// Our own main thread started us with exactly this type.
const start = workerData as BrainStart | MemberStart;
const send = (message: FromBrain): void => port.postMessage(message);
let holder: WatchdogPort | null = null;
const watchdog = (device: string | null, timeoutMs: number): WatchdogPort | null => {
  holder = device === null ? null : createWatchdog({ device, timeoutMs });
  return holder;
};
const brain: Brain =
  "config" in start
    ? await startBrain(start, {
        link: createPeerLink,
        memberLink: createMemberLink,
        watchdog: watchdog(start.watchdogDevice, start.config.timers.watchdog),
        send,
      })
    : await startMemberBrain(start, {
        link: createMemberLink,
        watchdog: watchdog(start.watchdogDevice, start.pool.config.timers.watchdog),
        send,
      });
port.on("message", (message: ToBrain) => brain.receive(message));
// What was compiled so far makes the next start quicker (A7). It is the one file that this thread ever writes, so only
// while no watchdog waits for it; the runtime writes nothing when nothing is new.
setTimeout(() => holder?.armed() !== true && flushCompileCache(), KEEP_CODE_MS).unref();
