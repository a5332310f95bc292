// What a command may touch of the world: handed in, so that tests can run a command without a terminal or a daemon.

import type { ReadStream, WriteStream } from "node:tty";
import { controlSocketPath } from "../drivers/control/path.ts";

export interface CliContext {
  readonly socketPath: string;
  readonly logPath: string;
  /** A line (or several) of the result. */
  out(text: string): void;
  /** Progress, warnings and errors: never part of the result. */
  note(text: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: ReadStream;
  readonly stdout: WriteStream;
  wallMs(): number;
}

export const defaultLogPath = "/var/log/tandem/tandemd.log";

/** TANDEM_SOCKET and TANDEM_LOG move the two paths, for tests and for a second daemon in a lab. */
export function processContext(): CliContext {
  return {
    socketPath: process.env["TANDEM_SOCKET"] ?? controlSocketPath,
    logPath: process.env["TANDEM_LOG"] ?? defaultLogPath,
    out: (text) => void process.stdout.write(`${text}\n`),
    note: (text) => void process.stderr.write(`${text}\n`),
    env: process.env,
    stdin: process.stdin,
    stdout: process.stdout,
    wallMs: Date.now,
  };
}

/** Colour only on a terminal, and not where NO_COLOR (no-color.org) or a dumb terminal forbids it. */
export function wantsColour({ env, stdout }: CliContext): boolean {
  return stdout.isTTY && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb";
}

/** A person sits there: questions may be asked. */
export const isInteractive = ({ stdin, stdout }: CliContext): boolean => stdin.isTTY && stdout.isTTY;

/** Text for people is at most this wide, also on a wide terminal. */
export const textColumns = 80;
