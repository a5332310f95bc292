// Keeps DRBD's kernel module loaded: nothing loads it at boot, where a module that hangs would hold the host up, and somebody may
// take it out. The resources are brought up by the decision function as soon as the event stream shows that they are not.

import type { Instant, Millis } from "../../core/model/time.ts";
import { describe } from "../../drivers/driver-error.ts";
import type { DrbdPort } from "../../drivers/drbd/port.ts";
import type { Alerts } from "../alerts/alerts.ts";

export interface ModuleWatchParts {
  readonly now: () => Instant;
  readonly drbd: Pick<DrbdPort, "isLoaded" | "load" | "version">;
  readonly alerts: Pick<Alerts, "raise" | "clear">;
  readonly log: (event: string, detail: string, level?: "info" | "warn" | "error") => void;
}

export interface ModuleWatch {
  /** A look without a process, once a second. */
  look(): void;
  /** DRBD's version for display, as last read; null while it could not be told. */
  version(): string | null;
}

export const MODULE_ALERT = "drbd-module";
const FIRST_PAUSE_MS: Millis = 2_000;
const LONGEST_PAUSE_MS: Millis = 60_000;

export function createModuleWatch({ now, drbd, alerts, log }: ModuleWatchParts): ModuleWatch {
  /** Undefined before the first look. */
  let wasLoaded: boolean | undefined;
  let pauseMs = FIRST_PAUSE_MS;
  let nextAt: Instant = 0;
  let busy = false;
  let version: string | null = null;

  async function readVersion(): Promise<void> {
    const read = await drbd.version();
    version = read.ok ? `${read.value.module} (utils ${read.value.utils})` : null;
  }

  async function load(): Promise<void> {
    const loaded = await drbd.load();
    if (!loaded.ok) {
      const failed = describe(loaded.error);
      log("action.failed", `load DRBD's kernel module: ${failed}`, "warn");
      alerts.raise(
        MODULE_ALERT,
        `DRBD's kernel module is not loaded on this host, whose copy of the storage is out of use until it is (${failed}); ` +
          "install the module for this kernel (uname -r), see dmesg; it is tried again each minute",
      );
    }
    nextAt = now() + pauseMs;
    pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
  }

  return {
    look() {
      const isLoaded = drbd.isLoaded();
      if (isLoaded !== wasLoaded) void readVersion();
      if (isLoaded && wasLoaded !== true) {
        alerts.clear(MODULE_ALERT);
        pauseMs = FIRST_PAUSE_MS;
        nextAt = 0;
        if (wasLoaded === false) log("drbd.changed", "the kernel module is loaded");
      }
      if (!isLoaded && wasLoaded === true) log("drbd.changed", "the kernel module was unloaded", "warn");
      wasLoaded = isLoaded;
      if (isLoaded || busy || now() < nextAt) return;
      busy = true;
      void load().finally(() => (busy = false));
    },
    version: () => version,
  };
}
