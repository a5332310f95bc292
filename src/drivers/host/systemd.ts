// The services of this host: a shutdown that is under way, and the toolstack. Asks systemd whether a shutdown is under way. Every power off, halt and reboot starts shutdown.target, and a unit with
// default dependencies is stopped before that: while a daemon is being stopped for it, the job waits in the queue. The
// queue says so in every version, also when the start of the host never finished; `is-system-running` then says "starting"
// (systemd 219), and the runlevel in utmp is not written yet.

import type { Millis } from "../../core/model/time.ts";
import { describe } from "../driver-error.ts";
import { succeeded } from "../exec/outcome.ts";
import type { ExecPort } from "../exec/port.ts";
import type { HostPort } from "./port.ts";

const LOOK_MS: Millis = 5_000;
/** A service that ignores SIGTERM is killed by systemd after 90 s. */
const RESTART_MS: Millis = 150_000;

export function createSystemdHost(exec: Pick<ExecPort, "run">): HostPort {
  return {
    async goesDown() {
      const asked = await exec.run("systemctl", ["list-jobs", "--no-legend", "--no-pager", "--full"], {
        timeoutMs: LOOK_MS,
        lane: "systemctl",
      });
      return asked.kind === "exited" && asked.code === 0 && /\sshutdown\.target\s+start\s/.test(asked.stdout);
    },
    async restartToolstack() {
      const command = "xe-toolstack-restart";
      const done = succeeded(command, await exec.run(command, [], { timeoutMs: RESTART_MS, lane: command }));
      return done.ok ? null : describe(done.error);
    },
  };
}
