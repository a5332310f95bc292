// `explain` on a host that holds no copy of the storage.

import type { Config } from "../../config/config.ts";
import type { StatusDocument } from "../../core/model/status.ts";
import type { ControlReply } from "../../drivers/control/port.ts";
import type { PoolSnapshot } from "../brain/pool-brain.ts";

export function memberExplanation(
  now: PoolSnapshot | null,
  { self, hosts, policyNote }: Pick<Config, "self" | "hosts" | "policyNote">,
  status: StatusDocument | null,
): ControlReply {
  if (now === null || status === null)
    return { kind: "failed", reason: "the daemon has only just started", next: "try again in a second" };
  const leader = hosts.find((host) => host.uuid === now.leader)?.name;
  const elsewhere = now.leads
    ? "This host leads the pool: a host that falls silent is named above, with what is done about it."
    : `What a lost host sets off is decided by the host that leads the pool${leader === undefined ? "; none answers now" : `: ask ${leader}`}.`;
  return {
    kind: "explanation",
    explanation: {
      host: self.name,
      state: status.own.state,
      outcome: status.own.outcome,
      policyNote,
      waits: now.explanations,
      ifPeerDied: null,
      elsewhere,
    },
  };
}
