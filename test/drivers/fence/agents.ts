// Fence agents as real bash scripts in a private folder, and the driver wired to the real exec and clock.

import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../src/drivers/clock/system.ts";
import { createExec } from "../../../src/drivers/exec/run.ts";
import { createFence, type FenceAgents, type FenceSettings } from "../../../src/drivers/fence/agent.ts";
import type { StatusResult } from "../../../src/drivers/fence/port.ts";

export const OWN = "11111111-1111-4111-8111-111111111111";
export const PEER = "22222222-2222-4222-8222-222222222222";
export const PASSWORD = "hunter2 $(touch pwned)";

export interface AgentBench {
  readonly folder: string;
  readonly script: string;
  readonly started: { hostId: string; result: StatusResult }[];
  fence(change?: Partial<FenceSettings["fence"]>, more?: { ascendTo?: string; startAfterMs?: number }): FenceAgents;
  /** What the agent wrote into a file of its folder; empty when there is none. */
  read(name: string): string;
  /** Actions the agent was called with, in order. */
  calls(): string[];
  remove(): void;
}

/** `body` is bash; `$state` is a file that holds on or off, `$2` the action. Every call is written down first. */
export function bench(body: string, method = "LAB"): AgentBench {
  const folder = mkdtempSync(join(tmpdir(), "tandem-fence-"));
  const home = join(folder, method);
  mkdirSync(home, { mode: 0o755 });
  const script = join(home, `${method}.sh`);
  writeFileSync(join(home, "state"), "on");
  writeFileSync(script, `#!/bin/bash\nstate=${home}/state\necho "$2" >>${home}/calls\n${body}\n`);
  chmodSync(script, 0o755);
  const started: { hostId: string; result: StatusResult }[] = [];
  const read = (name: string): string => (existsSync(join(home, name)) ? readFileSync(join(home, name), "utf8") : "");
  return {
    folder,
    script,
    started,
    read,
    fence: (change = {}, more = {}) =>
      createFence({
        exec: createExec(),
        clock: systemClock(),
        config: () => ({
          self: { uuid: OWN },
          hosts: [{ uuid: OWN }, { uuid: PEER }],
          fence: {
            method,
            action: "stop",
            folder,
            ipAddress: "192.0.2.1",
            password: { reveal: () => PASSWORD },
            timeoutMs: 3000,
            ...change,
          },
        }),
        onStarted: (hostId, result) => started.push({ hostId, result }),
        locate: { ascendTo: more.ascendTo ?? folder, owner: process.getuid?.() ?? 0 },
        pollMs: 10,
        startAfterMs: more.startAfterMs ?? 100,
      }),
    calls: () =>
      read("calls")
        .split("\n")
        .filter((line) => line !== ""),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** An agent that does what it says. */
export const HONEST = `case $2 in
  stop) echo off >$state ;;
  start) echo on >$state ;;
  status) now=$(cat $state); echo $now; [ "$now" = off ] && exit 2; exit 0 ;;
esac`;
