// Entry of the brain's worker thread: joins the pure decision to the peer link and the watchdog.

import { parentPort, workerData } from "node:worker_threads";
import { config } from "zod";
import { createPeerLink } from "../drivers/peer/link.ts";
import { createWatchdog } from "../drivers/watchdog/holder.ts";
import { startBrain } from "./brain.ts";
import type { BrainStart, FromBrain, ToBrain } from "./messages.ts";

// Compiled checks pay after thousands of packets; a restarted daemon must judge its first ones at once (A7).
config({ jitless: true });
const port = parentPort;
if (port === null) throw new Error("the brain runs as a worker of tandemd only");
// Our own main thread started us with exactly this type.
const start = workerData as BrainStart;
const send = (message: FromBrain): void => port.postMessage(message);
const brain = await startBrain(start, {
  link: createPeerLink,
  watchdog:
    start.watchdogDevice === null
      ? null
      : createWatchdog({ device: start.watchdogDevice, timeoutMs: start.config.timers.watchdog }),
  send,
});
port.on("message", (message: ToBrain) => brain.receive(message));
