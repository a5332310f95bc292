// A root folder in which rpm installs as on a host: a shell (busybox), a systemctl that notes what it is told, and an answer of
// the daemon that the test chooses.

import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export const BUSYBOX = ["/bin/busybox", "/usr/bin/busybox"].find((path) => existsSync(path));
const APPLETS = ["sh", "cat", "echo", "mkdir", "rm", "timeout"];

type DaemonAnswer = { readonly state: string; readonly ha: string } | "silent" | null;

export interface HostRoot {
  readonly path: string;
  /** rpm on this root; what its scriptlets said is part of the text. */
  rpm(...args: readonly string[]): { readonly code: number | null; readonly text: string };
  /** `rpm -e tandem` by somebody who wants nothing of it left. */
  purge(): { readonly code: number | null; readonly text: string };
  /** What the daemon says of itself; "silent": it runs and does not say; null: it does not run. */
  daemon(own: DaemonAnswer, inContact?: boolean): void;
  /** What systemctl (is-active left out) and ha-cfg were told since the last call. */
  told(): readonly string[];
}

export function makeHostRoot(path: string, busybox: string): HostRoot {
  for (const dir of ["bin", "sbin", "usr/sbin", "var/lib/rpm", "tmp", "dev", "proc", "etc"])
    mkdirSync(join(path, dir), { recursive: true });
  copyFileSync(busybox, join(path, "bin/busybox"));
  for (const applet of APPLETS) symlinkSync("busybox", join(path, "bin", applet));
  const script = (name: string, text: string): void =>
    writeFileSync(join(path, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  const log = join(path, "tmp/systemctl.log");
  function daemon(own: DaemonAnswer, inContact = true): void {
    const active = `case "$1" in is-active) exit ${own === null ? 3 : 0} ;; esac`;
    script("bin/systemctl", `${active}\necho "$@" >> /tmp/systemctl.log`);
    // rpm looks into /sbin before /usr/sbin, where the real one lies.
    script("sbin/iscsi-cfg", own === "silent" ? "exit 1" : `echo '${JSON.stringify({ own, contact: { inContact } })}'`);
    script("sbin/ha-cfg", `echo "ha-cfg $@" >> /tmp/systemctl.log`);
  }
  daemon(null);
  function call(args: readonly string[], env: NodeJS.ProcessEnv): ReturnType<HostRoot["rpm"]> {
    const done = spawnSync("rpm", ["--root", path, "--dbpath", "/var/lib/rpm", ...args], {
      encoding: "utf8",
      timeout: 120_000,
      env: { ...process.env, ...env },
    });
    return { code: done.status, text: done.stdout + done.stderr };
  }
  return {
    path,
    daemon,
    rpm: (...args) => call(args, {}),
    purge: () => call(["-e", "tandem"], { TANDEM_PURGE: "1" }),
    told() {
      if (!existsSync(log)) return [];
      const lines = readFileSync(log, "utf8").trim().split("\n");
      writeFileSync(log, "");
      return lines.filter((line) => line !== "");
    },
  };
}
