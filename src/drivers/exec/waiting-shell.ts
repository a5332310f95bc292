// Shells that wait for one line and then become the program that was expected. Each is used once, for just the command that it
// was started for; it must never become anything without that line: the end of this process ends it too.

import type { ChildProcess } from "node:child_process";

/** What execa gives. */
interface Child {
  readonly pid?: number;
  readonly nodeChildProcess: ChildProcess;
}

/** A process, and the sockets that its pipes are. */
interface Held {
  ref(): void;
  unref(): void;
}

/** What was written only in part, because the writer died, is no line: then `read` fails. */
const BECOME = 'read -r go && exec "$0" "$@"';

export interface WaitingShells<C> {
  expect(file: string, args: readonly string[]): void;
  /** The one that waited for this, on its way; undefined: none did. */
  begin(file: string, args: readonly string[]): C | undefined;
}

/** `start` gives its child a pipe for stdin. */
export function createWaitingShells<C extends Child>(
  start: (file: string, args: readonly string[]) => C,
): WaitingShells<C> {
  const waiting = new Map<string, C>();
  const keyOf = (file: string, args: readonly string[]): string => JSON.stringify([file, ...args]);
  return {
    expect(file, args) {
      const key = keyOf(file, args);
      if (waiting.has(key)) return;
      const child = start("sh", ["-c", BECOME, file, ...args]);
      // It could not start.
      if (child.pid === undefined) return;
      waiting.set(key, child);
      holdProcess(child, false);
      child.nodeChildProcess.stdin?.on("error", () => undefined);
      child.nodeChildProcess.once("exit", () => {
        if (waiting.get(key) === child) waiting.delete(key);
      });
    },
    begin(file, args) {
      const key = keyOf(file, args);
      const child = waiting.get(key);
      if (child === undefined) return undefined;
      waiting.delete(key);
      holdProcess(child, true);
      child.nodeChildProcess.stdin?.end("\n");
      return child;
    },
  };
}

/** Whoever waits to be wanted must not keep this process alive. */
function holdProcess({ nodeChildProcess }: Child, hold: boolean): void {
  const { stdin, stdout, stderr } = nodeChildProcess;
  // Pipes of a child are sockets.
  for (const one of [nodeChildProcess, stdin, stdout, stderr] as readonly (Held | null)[]) {
    if (hold) one?.ref();
    else one?.unref();
  }
}
