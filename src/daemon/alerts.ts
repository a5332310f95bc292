// Conditions a person should know of: raised once, listed while they last, cleared once. Sending them is another part's job.

import type { StatusDocument } from "../core/model/status.ts";
import type { ClockPort } from "../drivers/clock/port.ts";

export interface Alerts {
  raise(id: string, text: string): void;
  clear(id: string): void;
  list(): StatusDocument["alerts"];
}

export function createAlerts(parts: {
  readonly clock: ClockPort;
  readonly log: (event: string, detail: string, level?: "info" | "warn" | "error") => void;
}): Alerts {
  const open = new Map<string, { readonly id: string; readonly sinceWallMs: number; readonly text: string }>();
  return {
    raise(id, text) {
      if (open.get(id)?.text === text) return;
      open.set(id, { id, sinceWallMs: open.get(id)?.sinceWallMs ?? parts.clock.wallMs(), text });
      parts.log("alert.raised", `${id}: ${text}`, "error");
    },
    clear(id) {
      if (open.delete(id)) parts.log("alert.cleared", id);
    },
    list: () => [...open.values()],
  };
}
