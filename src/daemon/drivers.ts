// Makes every driver of this host, once. Nothing below the composition root makes one for itself. Making them changes
// nothing on the host; what costs processes is in prepare.ts.

import { existsSync } from "node:fs";
import { isIPv6 } from "node:net";
import { fileURLToPath } from "node:url";
import { createPowerLook } from "../act/power-look.ts";
import { createSignsOfLife } from "../act/signs-of-life.ts";
import { createVotes } from "../act/votes.ts";
import type { Config } from "../config/config.ts";
import type { ClockPort } from "../drivers/clock/port.ts";
import { systemClock } from "../drivers/clock/system.ts";
import { createDomains } from "../drivers/domains/xl.ts";
import { createDrbd } from "../drivers/drbd/drbdadm.ts";
import { createHandlerWatch } from "../drivers/drbd/handler.ts";
import type { ExecPort, ExpectPort, LaunchPort } from "../drivers/exec/port.ts";
import { createExec } from "../drivers/exec/run.ts";
import { createFence } from "../drivers/fence/agent.ts";
import { createFirewall } from "../drivers/firewall/iptables.ts";
import { createSystemdHost } from "../drivers/host/systemd.ts";
import { createExclusive } from "../drivers/iscsi-target/exclusive.ts";
import { createLio } from "../drivers/iscsi-target/lio/lio.ts";
import type { TargetPort } from "../drivers/iscsi-target/port.ts";
import { createTgtd } from "../drivers/iscsi-target/tgtd/tgtd.ts";
import { createSmartctl } from "../drivers/smart/smartctl.ts";
import { createVip } from "../drivers/vip/ip.ts";
import { createTally } from "./status/metrics-part.ts";
import { FENCE_REQUESTS } from "./paths.ts";

export type Drivers = ReturnType<typeof createDrivers>;

/** The kernel calls our handler without drbdadm between; it takes no longer path than this (DRBD 8.4, usermode_helper). */
const LONGEST_HELPER = 79;

/** `log` hears what no effect's result tells. */
export function createDrivers(config: () => Config, log: (event: string, detail: string, level?: "warn") => void) {
  const clock = systemClock();
  const tally = createTally();
  const exec = createExec({ onStart: tally.processStarted });
  // Beside the installed programs' folder, or at the root of a checkout.
  const helper = ["../agents", "../../agents"]
    .map((agents) => fileURLToPath(new URL(`${agents}/drbd/fence-peer`, import.meta.url)))
    .find(existsSync);
  const usable = helper !== undefined && helper.length <= LONGEST_HELPER;
  const fence = createFence({ exec, clock, config });
  return {
    clock,
    tally,
    exec,
    drbd: createDrbd(exec, clock, {
      ...(usable ? { helperPath: helper } : {}),
      ahead: { port: exec },
      ours: () => config().storage?.resources ?? [],
    }),
    handlers: createHandlerWatch(FENCE_REQUESTS),
    target: targetOf(config(), exec, clock),
    vip: createVip(exec, { feed: exec }),
    firewall: createFirewall(exec, {
      family: isIPv6(config().storage?.vip.address ?? "") ? 6 : 4,
      feed: exec,
      onUnsettled(reason) {
        const text = `the silence of a switch may last on this host, it is lifted again and again: ${reason}`;
        log("action.failed", text, "warn");
      },
    }),
    host: createSystemdHost(exec),
    domains: createDomains(exec),
    fence,
    votes: createVotes(exec),
    signs: createSignsOfLife(exec),
    powerLook: createPowerLook(fence),
    smart: createSmartctl(exec),
  };
}

function targetOf({ storage }: Config, exec: ExecPort & LaunchPort & ExpectPort, clock: ClockPort): TargetPort {
  const tgtd = createTgtd(exec, exec, clock);
  if (storage === null) return tgtd;
  const lio = createLio(exec, storage.target, { ahead: { port: exec } });
  return storage.targetBackend === "lio" ? createExclusive(lio, tgtd) : createExclusive(tgtd, lio);
}
