// Tells systemd how the daemon is (sd_notify(3)). Never says "alive" by itself: only a finished safe cycle calls it, so
// that a stuck loop does not look alive. A failure here never disturbs the daemon.
//
// Node has no datagram sockets of the unix kind, so the messages go through systemd-notify(1). Everything that is to be
// said waits for one process (a call blocks this thread for 1-5 ms, 30 ms in a lab node): at most one at a time, and a
// ping carries the status along. With WatchdogSec=30 that is one small process every 10 s.
//
// `--pid` is needed: before version 227 (dom0 has 219) systemd-notify signs with its own pid otherwise, which is gone
// before systemd has looked up its unit, and the message is lost (systemd issue 2737, change 1315).

import type { Instant, Millis } from "../../core/model/time.ts";
import type { ExecPort } from "../exec/port.ts";

export interface Notifier {
  /** After the first full look at this host. */
  ready(): void;
  /** The outcome in one line; repeated and quick changes cost nothing. */
  status(text: string): void;
  /** A safe cycle has finished. May be called as often as one likes. */
  alive(): void;
  stopping(): void;
  /** Resolves when nothing is waiting to be said (used before the process ends). */
  settled(): Promise<void>;
}

export interface NotifierOptions {
  readonly exec: Pick<ExecPort, "run">;
  readonly now: () => Instant;
  /** NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID as systemd set them; without the first, nothing is ever started. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  /** One sentence, once per kind of failure. */
  readonly onFailure: (reason: string) => void;
}

const statusMs: Millis = 1000;
const sendMs: Millis = 4000;
/** After a word that did not get through. */
const retryMs: Millis = 1000;
const longestStatus = 200;

/** Period of the pings, a third of WatchdogSec; null when systemd expects none of this process. */
export function watchdogPeriodMs(env: NotifierOptions["env"], pid: number): Millis | null {
  const limit = Number(env["WATCHDOG_USEC"]);
  const meant = env["WATCHDOG_PID"];
  if (!(limit > 0) || (meant !== undefined && meant !== String(pid))) return null;
  return limit / 3000;
}

/** One line: a line break would start another assignment. */
function oneLine(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what must go
  return text.replace(/[\u0000-\u001f\u007f]+/g, " ").slice(0, longestStatus);
}

export function createNotifier(options: NotifierOptions): Notifier {
  const { exec, now, env, pid, onFailure } = options;
  const socket = env["NOTIFY_SOCKET"];
  const periodMs = watchdogPeriodMs(env, pid);
  const failures = new Set<string>();
  let urgent: readonly string[] = [];
  let wantedStatus = "";
  let saidStatus = "";
  let saidAt: Instant = -Infinity;
  let pingedAt: Instant = -Infinity;
  let pingWanted = false;
  let sending: Promise<void> | null = null;
  let timer: NodeJS.Timeout | null = null;

  function consider(): void {
    if (socket === undefined || socket === "" || sending !== null) return;
    const statusWaits = wantedStatus !== saidStatus;
    if (urgent.length === 0 && !pingWanted && !statusWaits) return;
    const waitMs = statusMs - (now() - saidAt);
    if (urgent.length === 0 && !pingWanted && waitMs > 0) {
      timer ??= setTimeout(() => {
        timer = null;
        consider();
      }, waitMs).unref();
      return;
    }
    const words = [
      ...urgent,
      ...(pingWanted ? ["WATCHDOG=1"] : []),
      ...(statusWaits ? [`STATUS=${wantedStatus}`] : []),
    ];
    if (pingWanted) pingedAt = now();
    const must = urgent;
    urgent = [];
    pingWanted = false;
    saidStatus = wantedStatus;
    saidAt = now();
    sending = send(words, socket).then((wasSaid) => {
      sending = null;
      if (wasSaid) return consider();
      // A lost READY=1 would have systemd end a daemon that is well. What was only news is news again.
      urgent = [...must, ...urgent];
      saidStatus = "";
      timer ??= setTimeout(() => {
        timer = null;
        consider();
      }, retryMs).unref();
    });
  }

  async function send(words: readonly string[], notifySocket: string): Promise<boolean> {
    const result = await exec.run("systemd-notify", [`--pid=${pid}`, ...words], {
      timeoutMs: sendMs,
      lane: "systemd-notify",
      env: { NOTIFY_SOCKET: notifySocket },
    });
    if (result.kind === "exited" && result.code === 0) return true;
    const found = result.kind === "exited" ? `exit code ${result.code}` : result.kind;
    if (!failures.has(found))
      onFailure(`Cannot tell systemd "${words[0] ?? ""}": found ${found}, expected exit code 0`);
    failures.add(found);
    return false;
  }

  return {
    ready() {
      urgent = [...urgent, "READY=1"];
      consider();
    },
    status(text) {
      wantedStatus = oneLine(text);
      consider();
    },
    alive() {
      if (periodMs === null || now() - pingedAt < periodMs) return;
      pingWanted = true;
      consider();
    },
    stopping() {
      urgent = [...urgent, "STOPPING=1"];
      consider();
    },
    async settled() {
      while (sending !== null) await sending;
    },
  };
}
