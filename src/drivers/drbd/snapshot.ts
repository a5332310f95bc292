// Keeps the disks under a DRBD resource as LVM snapshots before their data is given up (lvcreate(8)). A disk that is no logical
// volume cannot be kept, and that is said; a snapshot that ought to be possible and fails is an error.

import { err, ok, type Result } from "../../util/result.ts";
import type { DriverError } from "../driver-error.ts";
import { succeeded } from "../exec/outcome.ts";
import type { ExecPort } from "../exec/port.ts";

const TIMEOUT_MS = 15_000;
/** A snapshot without pool takes what its volume group has free, and is worth nothing when it is full: less than this is none. */
const LEAST_KIB = 16 * 1024;

interface Volume {
  readonly group: string;
  readonly name: string;
  readonly sizeKiB: number;
  readonly freeKiB: number;
  readonly isThin: boolean;
}

/** What was kept, or why nothing could be, as a sentence. `stamp` makes the names unique. */
export async function keepCopy(exec: ExecPort, resource: string, stamp: string): Promise<Result<string, DriverError>> {
  const disks = await ask(exec, "drbdadm", ["sh-ll-dev", resource]);
  if (!disks.ok) return disks;
  const devices = disks.value
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.startsWith("/"));
  const told: string[] = [];
  for (const device of devices) {
    const volume = await volumeOf(exec, device);
    if (!volume.ok) return volume;
    if (volume.value === null) {
      told.push(`${device} is no logical volume: no snapshot was made`);
      continue;
    }
    const made = await snapshot(exec, volume.value, stamp);
    if (!made.ok) return made;
    told.push(`the old data is kept as ${made.value}`);
  }
  return ok(told.join("; "));
}

/** Null: no logical volume, or no LVM on this host. */
async function volumeOf(exec: ExecPort, device: string): Promise<Result<Volume | null, DriverError>> {
  const columns = "vg_name,lv_name,lv_size,vg_free,segtype";
  const args = ["--noheadings", "--units", "k", "--nosuffix", "--separator", ",", "-o", columns, device];
  const found = await ask(exec, "lvs", args);
  // lvs(8) ends with an error where the device is none of its own.
  if (!found.ok) return found.error.kind === "exit" || found.error.kind === "missing" ? ok(null) : found;
  const [group = "", name = "", size = "", free = "", type = ""] = found.value.trim().split(",");
  if (group === "" || name === "" || !(Number(size) > 0) || !(Number(free) >= 0))
    return err({ kind: "parse", command: `lvs ${device}`, sample: found.value });
  return ok({ group, name, sizeKiB: Number(size), freeKiB: Number(free), isThin: type === "thin" });
}

async function snapshot(exec: ExecPort, volume: Volume, stamp: string): Promise<Result<string, DriverError>> {
  const { group, name, isThin } = volume;
  const sizeKiB = Math.floor(Math.min(volume.sizeKiB, volume.freeKiB));
  if (!isThin && sizeKiB < LEAST_KIB)
    return err({
      kind: "unverified",
      action: `snapshot ${group}/${name}`,
      expected: `${LEAST_KIB / 1024} MiB free in ${group} (or --no-snapshot)`,
      found: `${Math.floor(volume.freeKiB / 1024)} MiB`,
    });
  const snapshotName = `${name}-before-${stamp}`;
  const room = isThin ? [] : ["--size", `${sizeKiB}k`];
  const made = await ask(exec, "lvcreate", ["--snapshot", "--name", snapshotName, ...room, `${group}/${name}`]);
  return made.ok ? ok(`/dev/${group}/${snapshotName}`) : made;
}

async function ask(exec: ExecPort, file: string, args: readonly string[]): Promise<Result<string, DriverError>> {
  const done = succeeded([file, ...args].join(" "), await exec.run(file, args, { timeoutMs: TIMEOUT_MS, lane: "lvm" }));
  return done.ok ? ok(done.value.stdout) : done;
}
