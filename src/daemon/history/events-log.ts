// The last events for status, history and dashboard: bounded, in memory. The log file is the record that stays.

import type { StatusEvent } from "../../core/model/status.ts";

export interface EventsLog {
  add(event: string, detail: string): void;
  recent(limit: number): readonly StatusEvent[];
}

export function createEventsLog(node: string, wallMs: () => number, capacity = 500): EventsLog {
  const events: StatusEvent[] = [];
  return {
    add(event, detail) {
      events.push({ wallMs: wallMs(), node, event, detail });
      if (events.length > capacity) events.shift();
    },
    recent: (limit) => events.slice(-limit),
  };
}
