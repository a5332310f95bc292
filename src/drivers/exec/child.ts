// What the exec port asks of a child, and Node's own way to start one. Every child is in a session, and so in a process
// group, of its own: a deadline reaches what the child started too.

import { spawn } from "node:child_process";
import type { EventEmitter } from "node:events";
import { constants } from "node:os";
import type { Readable, Writable } from "node:stream";

type Joined = "pipe" | "ignore";

export interface ChildOptions {
  /** All of the child's environment; its PATH is also where the program is looked for. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly stdio: readonly [stdin: Joined, stdout: Joined, stderr: Joined];
}

export interface ChildEvents {
  /** It did not start; then there is no `pid` and no `exit`. */
  error: [Error];
  exit: [code: number | null, signal: NodeJS.Signals | null];
  /** After `exit`, and when nobody holds its output open any more. */
  close: [code: number | null, signal: NodeJS.Signals | null];
}

/** The part of Node's ChildProcess that is used here. */
export interface Child extends Pick<EventEmitter<ChildEvents>, "on"> {
  readonly pid?: number | undefined;
  readonly stdin: Writable | null;
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  readonly exitCode: number | null;
  readonly signalCode: NodeJS.Signals | null;
  /** Sends nothing to a child that is gone. */
  kill(signal: NodeJS.Signals): boolean;
  /** That it runs does not keep this process alive. */
  unref(): void;
}

/** Throws where the arguments cannot be passed at all (a NUL in one of them). */
export type SpawnChild = (file: string, args: readonly string[], options: ChildOptions) => Child;

export const nodeSpawn: SpawnChild = (file, args, { stdio, ...options }) =>
  spawn(file, args, { ...options, stdio: [...stdio], detached: true });

/** The names and numbers of signals; of two names for one number, the first. */
const SIGNALS = Object.entries(constants.signals) as readonly (readonly [NodeJS.Signals, number])[];

export function signalName(wanted: number): NodeJS.Signals | null {
  return SIGNALS.find(([, number]) => number === wanted)?.[0] ?? null;
}

/** The shell's convention, so that one number tells an exit from a death by signal. */
export function exitNumber(code: number | null, signal: NodeJS.Signals | null): number {
  return code ?? 128 + (SIGNALS.find(([name]) => name === signal)?.[1] ?? 0);
}
