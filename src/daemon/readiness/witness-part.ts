// The daemon's side of the witnesses: the client with its keys, which follow the key file, and what status shows of them.

import { watchSettled } from "../../config/watch.ts";
import type { Config } from "../../config/config.ts";
import type { WitnessRound } from "../../core/model/witness.ts";
import type { Millis } from "../../core/model/time.ts";
import { createWitnessClient } from "../../drivers/witness/client.ts";
import { readWitnessKeys } from "../../drivers/witness/keys.ts";
import type { OutsideEvent } from "../brain/messages.ts";

export interface WitnessPart {
  /** Answers the brain's question with one event, in time. */
  ask(id: number, round: WitnessRound, timeoutMs: Millis): void;
  stop(): Promise<void>;
}

export interface WitnessPartOptions {
  readonly config: () => Config;
  readonly now: () => number;
  readonly feed: (event: OutsideEvent) => void;
  readonly log: (event: string, detail: string, level?: "info" | "warn" | "error") => void;
}

const SETTLE_MS = 200;

export function startWitnessPart({ config, now, feed, log }: WitnessPartOptions): WitnessPart {
  const { poolId, self, witnessKeyFile: path } = config();
  const client = createWitnessClient({
    poolId,
    hostId: self.uuid,
    witnesses: () => config().witnesses,
    now,
    onDropped: (reason, count) => log("witness.dropped", `${count} times: ${reason}`, "warn"),
  });
  let said = "";
  let hasKeys = false;

  async function readKeys(isStopped: () => boolean): Promise<void> {
    const keys = await readWitnessKeys(path, poolId);
    if (isStopped()) return;
    if (keys.ok) client.setKeys(keys.value);
    hasKeys ||= keys.ok;
    // Without a witness nobody needs the file.
    const problem = keys.ok || config().witnesses.length === 0 ? "" : keys.error;
    if (problem !== "" && problem !== said) log("config.refused", problem, "error");
    said = problem;
  }

  const watch = watchSettled(path, SETTLE_MS, readKeys, (found) =>
    log("config.refused", `Cannot watch ${path}: found ${found}; restart tandemd after a change of the key`, "error"),
  );
  void readKeys(() => false);

  return {
    ask(id, round, timeoutMs) {
      // WITNESS may have been set before the key was copied here.
      if (!hasKeys) void readKeys(() => false);
      void client.ask(round, timeoutMs).then((answers) => feed({ kind: "witness", id, answers }));
    },
    async stop() {
      client.stop();
      await watch.stop();
    },
  };
}
