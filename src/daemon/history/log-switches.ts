// Which events reach the log: ENABLE_LOGGING of the pool and of the storage part, and LOG_<area>. What stops the daemon is
// always written. Muted events still reach status, history and alerts.

import { areaSwitches } from "../../config/areas.ts";
import type { Config } from "../../config/config.ts";
import { events, type EventLevel, type EventName } from "../../report/events.ts";
import type { LogFields, Logger } from "../../report/logger.ts";
import { isStorageArea } from "../alerts/alert-texts.ts";

type Switches = Pick<Config, "logging" | "areas"> & { readonly storage: { readonly logging: boolean } | null };

/** self-fence.begun belongs to the area self_fence: names of parameters have no hyphen. */
export const areaOfEvent = (name: string): string => (name.split(".")[0] ?? "").replaceAll("-", "_");

export function mayLog(config: Switches, name: EventName, level: EventLevel = events[name].level): boolean {
  if (level === "fatal") return true;
  if (!config.logging) return false;
  const area = areaOfEvent(name);
  if (isStorageArea(area) && config.storage?.logging === false) return false;
  return areaSwitches(config.areas, area).log;
}

/** The same logger, asked with the configuration of the moment. */
export function switchedLogger(logger: Logger, config: () => Switches): Logger {
  return {
    event(name: EventName, fields?: LogFields, level?: EventLevel) {
      if (mayLog(config(), name, level)) logger.event(name, fields, level);
    },
    child: (fields) => switchedLogger(logger.child(fields), config),
    setLevel: (level) => logger.setLevel(level),
    close: () => logger.close(),
  };
}
