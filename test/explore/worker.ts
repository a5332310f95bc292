// Entry of one search's thread.

import { parentPort, workerData } from "node:worker_threads";
import { run, type Job } from "./job.ts";
import type { FromWorker } from "./pool.ts";

const send = (message: FromWorker): void => parentPort?.postMessage(message);
// Our own main thread started us with exactly this type.
const job = workerData as Job;
const outcome = run(job, {
  onLayer: ({ faults, from, to, whole }) => send({ kind: "layer", faults, fresh: to - from, states: to, whole }),
  onProgress: (progress) => send({ kind: "progress", progress }),
});
send({ kind: "outcome", outcome });
