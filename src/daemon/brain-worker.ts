// Entry of the brain's worker thread: joins the pure decisions to the peer links and the watchdog. On a storage host the
// pair's decision with the pool's beside it, on a member of the pool the pool's alone.

import { parentPort, workerData } from "node:worker_threads";
import { config } from "zod";
import { createPeerLink } from "../drivers/peer/link.ts";
import { createMemberLink } from "../drivers/peer/member-link.ts";
import { createWatchdog } from "../drivers/watchdog/holder.ts";
import type { WatchdogPort } from "../drivers/watchdog/port.ts";
import { startBrain, type Brain } from "./brain.ts";
import { startMemberBrain } from "./member-brain.ts";
import type { BrainStart, FromBrain, MemberStart, ToBrain } from "./messages.ts";

// Compiled checks pay after thousands of packets; a restarted daemon must judge its first ones at once (A7).
config({ jitless: true });
const port = parentPort;
if (port === null) throw new Error("the brain runs as a worker of tandemd only");
// Our own main thread started us with exactly this type.
const start = workerData as BrainStart | MemberStart;
const send = (message: FromBrain): void => port.postMessage(message);
const watchdog = (device: string | null, timeoutMs: number): WatchdogPort | null =>
  device === null ? null : createWatchdog({ device, timeoutMs });
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
