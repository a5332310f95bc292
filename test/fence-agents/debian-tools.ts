// Genuine peers for the agents from Debian's packages, unpacked into the lab's cache; nothing is installed on the machine.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheRoot } from "../lab/packages.ts";
import { runCommand } from "../lab/run-command.ts";

const PACKAGES = ["ipmitool", "libfreeipmi17", "openipmi", "libopenipmi0", "libpopt0", "openssh-server", "libwrap0"];

export interface DebianTools {
  readonly ipmitool: string;
  readonly ipmiSim: string;
  readonly sshd: string;
  readonly env: Readonly<Record<string, string>>;
}

/** The tools, or the reason why the tests that need them are skipped. */
export async function debianTools(): Promise<DebianTools | string> {
  const release = existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "";
  if (!/^VERSION_ID="12"$/m.test(release)) return "the simulators are taken from Debian 12 and run on it alone";
  const recipe = createHash("sha256").update(PACKAGES.join()).digest("hex").slice(0, 12);
  const root = join(cacheRoot(), `fence-peers-${recipe}`);
  if (!existsSync(root)) {
    const failure = await unpackInto(root);
    if (failure !== null) return failure;
  }
  const libraries = join(root, "usr/lib/x86_64-linux-gnu");
  const plain = join(root, "lib/x86_64-linux-gnu");
  return {
    ipmitool: join(root, "usr/bin/ipmitool"),
    ipmiSim: join(root, "usr/bin/ipmi_sim"),
    sshd: join(root, "usr/sbin/sshd"),
    env: { LD_LIBRARY_PATH: `${libraries}:${plain}` },
  };
}

/** Null: done, by this or by another test process. */
async function unpackInto(root: string): Promise<string | null> {
  const work = `${root}.${process.pid}`;
  const debs = join(work, "debs");
  mkdirSync(debs, { recursive: true });
  try {
    const download = ["download", "-qq", ...PACKAGES];
    let got = await runCommand("apt-get", download, { cwd: debs, timeoutMs: 120_000 });
    if (got.code !== 0) {
      await runCommand("apt-get", ["update", "-qq"], { timeoutMs: 120_000 });
      got = await runCommand("apt-get", download, { cwd: debs, timeoutMs: 120_000 });
    }
    if (got.code !== 0) return `apt-get could not fetch ${PACKAGES.join(", ")}`;
    for (const name of readdirSync(debs)) {
      const unpacked = await runCommand("dpkg-deb", ["-x", join(debs, name), work]);
      if (unpacked.code !== 0) return `dpkg-deb could not unpack ${name}`;
    }
    rmSync(debs, { recursive: true });
    writeFileSync(join(work, "complete"), "");
    if (!existsSync(root)) renameSync(work, root);
    return null;
  } catch (error) {
    return existsSync(root) ? null : `the simulators could not be unpacked: ${String(error)}`;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
