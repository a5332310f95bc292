// Signs of life by `ping` and `arping`: a process per question, so only inside an episode, never as a heartbeat.
// Silence is an answer only when the question was really asked; everything else is `failed`.

import { isIPv6 } from "node:net";
import type { Millis } from "../../core/model/time.ts";
import { finished } from "../exec/outcome.ts";
import type { ExecPort } from "../exec/port.ts";
import type { Answer, ProbePort } from "./port.ts";

/** Added to the deadline that the tool keeps itself, for its start and its end. */
const slackMs: Millis = 250;

/**
 * Not the npm package `ping`: it hands the daemon's whole environment to the child, cannot end a child that hangs, and
 * turns every failure to ask (no such interface, no permission) into "not alive".
 */
export function createProbe(exec: ExecPort): ProbePort {
  return {
    /** ping exits with 0 at the first answer, 1 when none came, 2 when it could not ask ("Network is unreachable"). */
    async icmp(address, withinMs) {
      const pace = String(Math.max(200, Math.floor(withinMs / 3)) / 1000);
      // The ping of RHEL 7, and of a dom0, is one of IPv4 unless it is told otherwise, whatever the address.
      const family = isIPv6(address) ? ["-6"] : [];
      const args = [...family, "-n", "-q", "-c", "1", "-w", seconds(withinMs), "-i", pace, address];
      return await ask(exec, "ping", args, withinMs, `icmp:${address}`);
    },

    /** arping (iputils) exits with 0 when an answer came, 1 when none did, 2 when it could not ask. */
    async arp(address, device, withinMs) {
      const args = ["-f", "-c", "3", "-w", seconds(withinMs), "-I", device, address];
      return await ask(exec, "arping", args, withinMs, `arp:${device}:${address}`);
    },
  };
}

async function ask(
  exec: ExecPort,
  file: string,
  args: readonly string[],
  withinMs: Millis,
  lane: string,
): Promise<Answer> {
  const run = await exec.run(file, args, { timeoutMs: withinMs + slackMs, lane });
  // Both tools count in whole seconds: a shorter wait is ended by the deadline, and until then nothing had answered.
  if (run.kind === "timeout") return { kind: "silent" };
  const done = finished(file, run);
  if (!done.ok) return { kind: "failed", reason: run.kind === "not-started" ? run.reason : `${file} still runs` };
  if (done.value.code === 0) return { kind: "answered" };
  if (done.value.code === 1) return { kind: "silent" };
  const said = `${done.value.stderr}${done.value.stdout}`.trim().split("\n").pop() ?? "";
  return { kind: "failed", reason: `${file} ended with ${done.value.code}: ${said}` };
}

const seconds = (ms: Millis) => String(Math.max(1, Math.ceil(ms / 1000)));
