// DISK_MONITOR: asks the disks of this host once an hour whether they foresee their end, and tells a person; the end of
// that is told too, when the disk was replaced. Without smartctl there is nothing to ask, and nothing is said.

import type { Millis } from "../../core/model/time.ts";
import type { SmartPort } from "../../drivers/smart/port.ts";
import type { Alerts } from "../alerts/alerts.ts";

export interface DiskMonitorParts {
  readonly smart: SmartPort;
  readonly on: () => boolean;
  readonly alerts: Pick<Alerts, "raise" | "clear">;
  readonly log: (event: string, detail: string, level?: "info" | "warn" | "error") => void;
  readonly everyMs?: Millis;
  readonly firstMs?: Millis;
}

const EVERY_MS: Millis = 3_600_000;
/** Not while the daemon and everything else on the host starts. */
const FIRST_MS: Millis = 120_000;

export function startDiskMonitor(parts: DiskMonitorParts): { stop(): void } {
  const raised = new Set<string>();
  let timer = setTimeout(() => void round(), parts.firstMs ?? FIRST_MS).unref();
  let stopped = false;
  let said = "";

  async function round(): Promise<void> {
    if (parts.on()) await look();
    else end([]);
    if (!stopped) timer = setTimeout(() => void round(), parts.everyMs ?? EVERY_MS).unref();
  }

  async function look(): Promise<void> {
    const found = await parts.smart.look();
    const trouble = found.ok ? "" : found.error;
    if (trouble !== "" && trouble !== said) parts.log("action.failed", `the disks' health: ${trouble}`, "warn");
    said = trouble;
    if (!found.ok || found.value === null) return;
    for (const { disk, failing, detail } of found.value) {
      if (failing !== true) continue;
      raised.add(disk);
      const next = "replace it while the other copy is whole ('iscsi-cfg status')";
      parts.alerts.raise(idOf(disk), `the disk ${disk} of this host will fail: ${detail}; ${next}`);
    }
    // One that cannot be asked just now is no better than before.
    end(found.value.filter(({ failing }) => failing !== false).map(({ disk }) => disk));
  }

  function end(lasting: readonly string[]): void {
    for (const disk of [...raised].filter((one) => !lasting.includes(one))) {
      raised.delete(disk);
      parts.alerts.clear(idOf(disk));
    }
  }

  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

const idOf = (disk: string): string => `smart:${disk.replaceAll(" ", "-")}`;
