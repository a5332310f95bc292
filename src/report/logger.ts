// The daemon's log: one JSON line per event, to a file and to stderr (the journal), written before the call returns.
// Must never throw, never block on a full disk, and never show a secret.

import { writeSync } from "node:fs";
import { pino } from "pino";
import { events } from "./events.ts";
import type { EventLevel, EventName } from "./events.ts";
import { openLogFile } from "./log-file.ts";

/** Data of one line; names carry their units (`elapsedMs`). `cycle` and `resource` have a fixed meaning. */
export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  /** Level and text come from the registry; `level` overrides it for one line (a repeated outcome is debug). */
  event(name: EventName, fields?: LogFields, level?: EventLevel): void;
  /** A logger whose lines carry these fields too. */
  child(fields: LogFields): Logger;
  /** Lines below it are dropped; "silent" (ENABLE_LOGGING=0) drops all but fatal ones. */
  setLevel(level: EventLevel | "silent"): void;
  close(): void;
}

export interface LoggerOptions {
  /** Name of this host. */
  readonly node: string;
  readonly level: EventLevel | "silent";
  /** Null: no file. */
  readonly path: string | null;
  /** Also write to stderr, where systemd collects it. */
  readonly stderr: boolean;
  readonly wallMs?: () => number;
}

/** Keys whose value is a secret wherever it stands, should one slip in as plain text. */
const secretKeys = ["FENCE_PASSWD", "SMTP_PASS", "password", "passwd", "secret", "ptoken", "session", "authorization"];

export function createLogger(options: LoggerOptions): Logger {
  const wallMs = options.wallMs ?? Date.now;
  const lostLine = (count: number, reason: string): string => {
    const { level, text } = events["log.lost"];
    return `${JSON.stringify({ level, time: wallMs(), node: options.node, event: "log.lost", count, reason, msg: text })}\n`;
  };
  const file =
    options.path === null ? null : openLogFile({ path: options.path, lostLine, nowMs: () => performance.now() });
  let stderrFails = false;
  const destination = {
    write: (line: string): void => {
      file?.write(line);
      if (!options.stderr) return;
      try {
        writeSync(2, line);
        stderrFails = false;
      } catch (error) {
        // Told once per failure, in the file only: a closed journal must not fill the disk.
        if (!stderrFails) file?.write(lostLine(1, `stderr: ${error instanceof Error ? error.message : String(error)}`));
        stderrFails = true;
      }
    },
  };
  const base = pino(
    {
      level: "debug",
      base: { node: options.node },
      timestamp: () => `,"time":${wallMs()}`,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: secretKeys.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: "[set]" },
    },
    destination,
  );
  // One threshold for a logger and all its children: pino gives each child its own.
  let threshold = weight[options.level];
  const wrap = (logger: pino.Logger): Logger => ({
    event: (name, fields, level) => {
      const kind = events[name];
      const chosen = level ?? kind.level;
      if (weight[chosen] < threshold) return;
      try {
        logger[chosen]({ ...fields, event: name }, kind.text);
      } catch (error) {
        destination.write(lostLine(1, `${name}: ${error instanceof Error ? error.message : String(error)}`));
      }
    },
    child: (fields) => wrap(logger.child({ ...fields })),
    setLevel: (level) => {
      threshold = weight[level];
    },
    close: () => file?.close(),
  });
  return wrap(base);
}

const weight: Readonly<Record<EventLevel | "silent", number>> = {
  debug: 20,
  info: 30,
  warn: 40,
  error: 50,
  fatal: 60,
  silent: 60,
};
