// The door to other programs. Every call has a deadline that holds even when the program is stuck in the kernel.

import type { Millis } from "../../core/model/time.ts";

export type ExecResult =
  | {
      readonly kind: "exited";
      readonly code: number;
      readonly stdout: string;
      readonly stderr: string;
      readonly elapsedMs: Millis;
    }
  /** The deadline passed; the process was sent SIGKILL and may still hang in the kernel as `pid`. */
  | { readonly kind: "timeout"; readonly pid: number; readonly afterMs: Millis }
  /** An earlier call with the same `lane` timed out and its process is still not gone: nothing was started. */
  | { readonly kind: "busy"; readonly pid: number }
  | { readonly kind: "not-started"; readonly reason: string };

export interface ExecOptions {
  readonly timeoutMs: Millis;
  /** Calls of one lane share the `busy` rule (for example "drbd:iscsi1"). No lane, no rule. */
  readonly lane?: string;
  readonly stdin?: string;
  /** Added to a fixed minimal environment (PATH, LC_ALL=C); never the daemon's own. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export interface LineStream {
  readonly pid: number;
  /** Some tools tell how they stand when they get a signal; a child that is gone gets none. */
  signal(name: NodeJS.Signals): void;
  stop(): void;
}

export interface ExecPort {
  run(file: string, args: readonly string[], options: ExecOptions): Promise<ExecResult>;
  /**
   * A long-lived child whose stdout (or stderr, and then stdout is thrown away) is read line by line; `onEnd` comes once,
   * also when it could not start.
   */
  lines(
    file: string,
    args: readonly string[],
    onLine: (line: string) => void,
    onEnd: (why: string) => void,
    from?: "stdout" | "stderr",
  ): LineStream;
  /** Starts a child and never waits for it (arping). Failures to start are reported by the callback. */
  detach(file: string, args: readonly string[], onError: (why: string) => void): void;
}

/** Starts a server that must outlive this daemon (tgtd): own session, no pipes, not waited for. */
export interface LaunchPort {
  /** `onExit` comes once, with the reason in words; also, with pid null, when it could not start. */
  launch(
    file: string,
    args: readonly string[],
    options: { readonly env?: Readonly<Record<string, string>> },
    onExit: (why: string) => void,
  ): { readonly pid: number | null };
}

/** A program that reads its orders line by line from a pipe and stays: one process for many small changes. */
export interface FeedPort {
  feed(file: string, args: readonly string[], onEnd: (why: string) => void): LineFeed;
}

export interface LineFeed {
  /** False when the program is gone or does not read: nothing was sent. */
  send(lines: readonly string[]): boolean;
  /** Ends it at once; `onEnd` tells when it is gone. */
  stop(): void;
}

/** What a switch will want is started before: a fork of this daemon is the dearest part of a short program. */
export interface ExpectPort {
  /**
   * The next `run` of just this (no stdin, env or cwd) goes to a shell that waits for it from now on, and ends unused with this
   * process. Idempotent while one waits.
   */
  expect(file: string, args: readonly string[]): void;
}
