// An ExecPort that runs nothing: it answers from a script and remembers every command line.
// It fails the test by itself when something is run that the script does not expect.

import assert from "node:assert/strict";
import type { ExecOptions, ExecPort, ExecResult, LaunchPort, LineStream } from "../../../src/drivers/exec/port.ts";

export interface ScriptedCall {
  readonly line: string;
  readonly options: ExecOptions | null;
}

/** What a command line gets as its answer; a function may act on the test's own world first. */
export type Answer = ExecResult | ((call: ScriptedCall) => ExecResult | Promise<ExecResult>);

export interface ScriptedStream {
  readonly line: string;
  say(...lines: string[]): void;
  end(why: string): void;
  readonly stopped: () => boolean;
}

export interface ScriptedExec extends ExecPort, LaunchPort {
  /** Command lines in the order in which they were started: run, detach, lines and launch alike. */
  readonly calls: ScriptedCall[];
  readonly streams: ScriptedStream[];
  readonly launched: { readonly line: string; exit(why: string): void }[];
  commandLines(): readonly string[];
}

export function exited(code: number, stdout = "", stderr = ""): ExecResult {
  return { kind: "exited", code, stdout, stderr, elapsedMs: 1 };
}

/**
 * `script` maps a command line ("ip addr add …") to its answer, or to a list of answers that are used up one by one
 * (the last one stays). `launchPid` is the pid of everything that is launched.
 */
export function scriptedExec(
  script: Readonly<Record<string, Answer | readonly Answer[]>> = {},
  launchPid: number | null = 4242,
): ScriptedExec {
  const used = new Map<string, number>();
  const calls: ScriptedCall[] = [];
  const streams: ScriptedStream[] = [];
  const launched: { line: string; exit(why: string): void }[] = [];

  async function run(file: string, args: readonly string[], options: ExecOptions): Promise<ExecResult> {
    const line = [file, ...args].join(" ");
    const call = { line, options };
    calls.push(call);
    const entry = script[line];
    assert.ok(entry !== undefined, `the script has no answer for: ${line}`);
    const answers = Array.isArray(entry) ? (entry as readonly Answer[]) : [entry as Answer];
    const index = used.get(line) ?? 0;
    used.set(line, index + 1);
    const answer = answers[Math.min(index, answers.length - 1)];
    assert.ok(answer !== undefined, `the script has an empty list for: ${line}`);
    return typeof answer === "function" ? await answer(call) : answer;
  }

  function lines(
    file: string,
    args: readonly string[],
    onLine: (line: string) => void,
    onEnd: (why: string) => void,
  ): LineStream {
    const line = [file, ...args].join(" ");
    calls.push({ line, options: null });
    let stopped = false;
    streams.push({
      line,
      say: (...said) => {
        for (const one of said) if (!stopped) onLine(one);
      },
      end: (why) => {
        if (!stopped) onEnd(why);
      },
      stopped: () => stopped,
    });
    return {
      pid: 1000 + streams.length,
      signal: (name) => void calls.push({ line: `kill -${name} ${line}`, options: null }),
      stop() {
        stopped = true;
      },
    };
  }

  return {
    calls,
    streams,
    launched,
    commandLines: () => calls.map((call) => call.line),
    run,
    lines,
    detach(file, args) {
      calls.push({ line: [file, ...args].join(" "), options: null });
    },
    launch(file, args, _options, onExit) {
      const line = [file, ...args].join(" ");
      calls.push({ line, options: null });
      launched.push({ line, exit: onExit });
      return { pid: launchPid };
    },
  };
}
