// Records what every channel said when an episode began, when the other host was called dead, and at each decision of it.

import type { Snapshot } from "../brain/messages.ts";

export interface EvidenceTeller {
  saw(snapshot: Snapshot): void;
}

/** `log` hears one sentence per moment that counts, never one per turn. */
export function createEvidenceTeller(log: (event: "episode.evidence", detail: string) => void): EvidenceTeller {
  let told = "";
  return {
    saw({ state, evidence }) {
      if (evidence === null) {
        told = "";
        return;
      }
      const { durable, fence, activity, dead } = state;
      const moment = JSON.stringify([
        dead,
        activity?.kind ?? null,
        durable.epoch,
        durable.solo,
        fence.pending !== null,
        fence.verifiedAt,
      ]);
      if (moment === told) return;
      told = moment;
      log("episode.evidence", evidence.map(({ channel, found }) => `${channel}: ${found}`).join("; "));
    },
  };
}
