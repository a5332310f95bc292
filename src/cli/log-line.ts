// One line of the daemon's log for people: time, host, level, event, text, data. Pure; what is no JSON is shown as it is.

import { clean, clock } from "./text.ts";

/** Fields with a place of their own; all others are data. */
const placed = new Set(["level", "time", "node", "event", "msg", "pid", "hostname"]);

export const levels = ["debug", "info", "warn", "error", "fatal"] as const;
export type Level = (typeof levels)[number];

export function formatLogLine(line: string): string {
  const record = parseLogLine(line);
  if (record === null) return clean(line);
  const { time, node, level, event, msg } = record;
  const head = [
    typeof time === "number" ? `${clock(time)}.${String(Math.floor(time) % 1000).padStart(3, "0")}` : "",
    text(node),
    level === "info" || level === "debug" ? "" : text(level).toUpperCase(),
    text(event),
  ];
  const data = Object.entries(record)
    .filter(([key]) => !placed.has(key))
    .map(([key, value]) => `${key}=${text(value)}`);
  const tail = [text(msg), ...(data.length === 0 ? [] : [`(${data.join(", ")})`])];
  return clean([...head, ...tail].filter((part) => part !== "").join(" "));
}

/** True when the line is at least that important; a line that is no JSON always is. */
export function isAtLeast(line: string, level: Level): boolean {
  const found = parseLogLine(line)?.["level"];
  const rank = levels.findIndex((each) => each === found);
  return rank === -1 || rank >= levels.indexOf(level);
}

function parseLogLine(line: string): Record<string, unknown> | null {
  if (!line.startsWith("{")) return null;
  try {
    const raw: unknown = JSON.parse(line);
    // A JSON text that starts with a brace is an object.
    return raw as Record<string, unknown>;
  } catch {
    return null;
  }
}

function text(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
