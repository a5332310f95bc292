// Makes the host ready for what may be asked of it. Costs processes and may wait: a restarted daemon beats and feeds the
// watchdog first (A7).

import { writeFileSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { describe } from "../drivers/driver-error.ts";
import type { VipSpec } from "../drivers/vip/port.ts";
import type { Drivers } from "./drivers.ts";

type Log = (event: string, detail: string, level?: "info" | "warn" | "error") => void;

export async function prepareHost(
  { vip, firewall, drbd }: Pick<Drivers, "vip" | "firewall" | "drbd">,
  resources: readonly string[],
  floatingIp: VipSpec,
  log: Log,
): Promise<void> {
  vip.prepare();
  const other = await vip.removeOther(floatingIp);
  if (!other.ok) log("action.failed", `remove the former floating IP: ${describe(other.error)}`, "warn");
  else if (other.value === "changed") log("action.done", "removed the floating IP of the former configuration");
  const prepared = await firewall.prepare();
  if (!prepared.ok) log("action.failed", `the firewall could not be prepared: ${describe(prepared.error)}`, "warn");
  // Brings up what is down; what is up already stays as it is. A module that cannot be loaded is the module watch's to tell.
  const loaded = await drbd.load();
  for (const resource of loaded.ok ? resources : []) {
    const up = await drbd.up(resource);
    if (!up.ok) log("action.failed", `bring up ${resource}: ${describe(up.error)}`, "warn");
  }
  flushCompileCache();
}

/**
 * A connection whose target moved is answered by the new one with a reset, but only when the initiator sends again. The
 * kernel waits twice as long before each try; for connections with few packets in flight it can keep the pace instead
 * (tcp_thin_linear_timeouts, ip-sysctl of Linux 2.6.34 and later), which saves up to half of the stall of a switch.
 */
export function quickRetransmits(log: Log): void {
  try {
    writeFileSync("/proc/sys/net/ipv4/tcp_thin_linear_timeouts", "1");
  } catch (error) {
    log(
      "action.failed",
      `tcp_thin_linear_timeouts could not be set: ${error instanceof Error ? error.message : String(error)}`,
      "warn",
    );
  }
}
