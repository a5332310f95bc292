// Does anything of the peer still answer? ARP on both networks and for the floating IP, asked by one long-lived arping per
// address during an outage of contact. Silence is a finding only while the question was really asked.

import { performance } from "node:perf_hooks";
import type { ExecPort, LineStream } from "../drivers/exec/port.ts";
import { listenCommand } from "../drivers/vip/neighbor.ts";

export interface ArpQuestion {
  readonly address: string;
  readonly device: string;
}

export interface SignsOfLife {
  readonly peer: "silent" | "answered" | "unknown";
  readonly vip: "free" | "answered" | "unknown";
  readonly mac: string | null;
}

export interface SignsOfLifeProbe {
  look(peer: readonly ArpQuestion[], vip: ArpQuestion | null): SignsOfLife;
  stop(): void;
}

interface Listener {
  line: LineStream | null;
  starting: NodeJS.Timeout | null;
  since: number;
  answeredAt: number;
  mac: string | null;
}

/** arping asks once a second: a verdict needs two questions that were not answered. */
const VERDICT_MS = 1_500;
const RECENT_MS = 1_200;
const IDLE_MS = 15_000;
/**
 * Between two starts: each takes the daemon tens of milliseconds (in a lab node some hundred), and the answers that the vote
 * samples of these seconds count are read in between.
 */
const APART_MS = 200;

export function createSignsOfLife(exec: ExecPort, now: () => number = () => performance.now()): SignsOfLifeProbe {
  const listeners = new Map<string, Listener>();
  let idle: NodeJS.Timeout | undefined;
  let nextStartAt = -Infinity;

  function listen(question: ArpQuestion): Listener {
    const key = `${question.device}/${question.address}`;
    const existing = listeners.get(key);
    if (existing !== undefined && (existing.line !== null || existing.starting !== null)) return existing;
    const made: Listener = { line: null, starting: null, since: Infinity, answeredAt: -Infinity, mac: null };
    const at = now();
    const startAt = Math.max(at, nextStartAt);
    nextStartAt = startAt + APART_MS;
    made.starting = setTimeout(() => start(made, question), startAt - at);
    listeners.set(key, made);
    return made;
  }

  function start(made: Listener, { device, address }: ArpQuestion): void {
    made.starting = null;
    made.since = now();
    const { file, args } = listenCommand(device, address);
    made.line = exec.lines(
      file,
      args,
      (line) => {
        const mac = /\[([0-9A-Fa-f:]{17})\]/.exec(line)?.[1];
        if (!line.includes("reply from") || mac === undefined) return;
        made.answeredAt = now();
        made.mac = mac.toLowerCase();
      },
      () => {
        made.line = null;
      },
    );
  }

  const verdict = (l: Listener): "answered" | "silent" | "unknown" => {
    if (now() - l.answeredAt < RECENT_MS) return "answered";
    return l.line !== null && now() - l.since >= VERDICT_MS ? "silent" : "unknown";
  };

  function stop(): void {
    clearTimeout(idle);
    for (const l of listeners.values()) {
      if (l.starting !== null) clearTimeout(l.starting);
      l.line?.stop();
    }
    listeners.clear();
  }

  return {
    look(peer, vip) {
      clearTimeout(idle);
      idle = setTimeout(stop, IDLE_MS);
      idle.unref();
      const found = peer.map((question) => verdict(listen(question)));
      const vipListener = vip === null ? null : listen(vip);
      const vipFound = vipListener === null ? "silent" : verdict(vipListener);
      return {
        peer: found.includes("answered") ? "answered" : found.every((f) => f === "silent") ? "silent" : "unknown",
        vip: vipFound === "silent" ? "free" : vipFound,
        mac: vipFound === "answered" ? (vipListener?.mac ?? null) : null,
      };
    },
    stop,
  };
}
