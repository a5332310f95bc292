// What becomes of this host's VMs when it goes down (LEAVE_POLICY, A26). HA off or MASTER_ONLY: nothing of ours.

import { EMPTY_TIMES, emptyHost, type EmptyReport, type EmptyTimes } from "../../act/pool/empty-host.ts";
import type { Config } from "../../config/config.ts";
import { ok, type Result } from "../../util/result.ts";
import type { Snapshot } from "../brain/messages.ts";
import { policyOf, type VmWatchParts } from "./vm-watch.ts";

export interface EmptyParts extends Pick<VmWatchParts, "perform"> {
  readonly config: () => Pick<Config, "self" | "peer" | "vm">;
  readonly snapshot: () => Snapshot | null;
  readonly times?: EmptyTimes;
}

export async function emptyForShutdown(parts: EmptyParts): Promise<Result<string, string>> {
  const { config, snapshot } = parts;
  const { self, peer, vm } = config();
  if (snapshot()?.state.durable.ha !== "on") return ok("HA is off: the VMs of this host are left as they are");
  const vmPolicy = policyOf(config());
  if (vmPolicy.masterOnly) return ok("MASTER_ONLY is 1: the VMs of this host are left as they are");
  const order = {
    ownUuid: self.uuid,
    policy: vm.leavePolicy,
    vmPolicy,
    targets: takesVms(snapshot()) ? [peer.uuid] : [],
  };
  const emptied = await parts.perform(
    (context) => emptyHost(context, order, parts.times ?? EMPTY_TIMES),
    () => snapshot()?.state.durable.ha === "on",
  );
  return emptied.ok ? ok(emptiedWords(emptied.value)) : emptied;
}

/** A migration to a host that is silent or about to leave would hang, or be undone a moment later. */
function takesVms(now: Snapshot | null): boolean {
  const body = now?.state.peer.body;
  if (now === null || !now.inContact || body === null || body === undefined) return false;
  return body.intent !== "leaving" && !body.flags.maintenance;
}

/** One sentence of what became of the VMs. */
export function emptiedWords({ moved, stopped, left }: EmptyReport): string {
  const parts = [
    ...(moved.length === 0 ? [] : [`moved: ${moved.join(", ")}`]),
    ...(stopped.length === 0 ? [] : [`shut down until this host is back: ${stopped.join(", ")}`]),
    ...left.map(({ name, because }) => `${name} still runs here: ${because}`),
  ];
  return parts.length === 0 ? "no protected VM runs on this host" : parts.join("; ");
}
