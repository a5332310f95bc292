// Attaches this host's PBDs of the pair's own SRs: one that is unplugged is plugged; one that xapi calls plugged although the
// initiator has no session is unplugged first, which xapi refuses while a VM uses it. Idempotent; it must never force anything.

import type { Millis } from "../../core/model/time.ts";
import type { PoolView } from "../../drivers/xapi/port.ts";
import { ok } from "../../util/result.ts";
import { change, describePoolFailure, hasCode, withPool, type Done, type PoolContext } from "./procedure.ts";

export interface PlugState {
  readonly pbd: string;
  readonly sr: string;
  readonly state: "plugged" | "unplugged" | "no-session";
}

export interface PlugEnd extends PlugState {
  /** Null: it is plugged now. */
  readonly failure: string | null;
}

/** This host's PBDs of SRs behind the floating IP `portal`, as the pool view has them. Pure but for `hasSession`. */
export function ownPlugs(
  view: PoolView,
  hostUuid: string,
  portal: string,
  hasSession: (iqn: string) => boolean,
): readonly PlugState[] {
  const host = view.hosts.find((one) => one.uuid === hostUuid)?.ref;
  const uuidOf = new Map(view.srs.map((sr) => [sr.ref, sr.uuid]));
  return view.pbds
    .filter((pbd) => pbd.host === host && addressesOf(pbd.deviceConfig["target"] ?? "").includes(portal))
    .map((pbd) => {
      const iqn = pbd.deviceConfig["targetIQN"] ?? "";
      const state = !pbd.attached ? "unplugged" : hasSession(iqn) ? "plugged" : "no-session";
      return { pbd: pbd.ref, sr: uuidOf.get(pbd.sr) ?? pbd.sr, state };
    });
}

/** SM takes several portals, separated by commas. */
const addressesOf = (target: string): readonly string[] => target.split(",").map((one) => one.trim());

/** One attempt for each that is not plugged. */
export async function replug(
  context: PoolContext,
  plugs: readonly PlugState[],
  plugMs: Millis,
): Promise<Done<readonly PlugEnd[]>> {
  return withPool(context, async (session) => {
    const ends: PlugEnd[] = [];
    for (const plug of plugs) {
      let failure: string | null = null;
      if (plug.state === "no-session") {
        const step = `unplug storage ${plug.sr}, whose session is gone`;
        const out = await change(context, step, session, "PBD.unplug", [plug.pbd], plugMs);
        if (!out.ok) failure = hasCode(out.error, "VDI_IN_USE") ? IN_USE : describePoolFailure(out.error);
      }
      if (plug.state !== "plugged" && failure === null) {
        const done = await change(context, `plug storage ${plug.sr}`, session, "PBD.plug", [plug.pbd], plugMs);
        if (!done.ok) failure = describePoolFailure(done.error);
      }
      ends.push({ ...plug, failure });
    }
    return ok(ends);
  });
}

const IN_USE = "VMs of this host still use it: shut them down or move them away first";
