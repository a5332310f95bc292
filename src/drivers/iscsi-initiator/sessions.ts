// The sessions of the kernel's own initiator, looked up in sysfs without a process.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** "unknown": this kernel has no initiator loaded, so nothing can be said about any session. */
export type SessionFound = "in" | "gone" | "unknown";

/**
 * Is there a session with this target? One that lost its connection counts as there: iscsid logs in again by itself, and
 * holds the I/O meanwhile.
 */
export function findSession(iqn: string, root = "/sys/class/iscsi_session"): SessionFound {
  let names: readonly string[];
  try {
    names = readdirSync(root);
  } catch (thrown) {
    if (isGone(thrown)) return "unknown";
    throw thrown;
  }
  return names.some((name) => targetOf(join(root, name, "targetname")) === iqn) ? "in" : "gone";
}

function targetOf(path: string): string | null {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (thrown) {
    // It ended between the two looks.
    if (isGone(thrown)) return null;
    throw thrown;
  }
}

const isGone = (thrown: unknown): boolean =>
  ["ENOENT", "ENOTDIR", "ENODEV"].includes((thrown as NodeJS.ErrnoException).code ?? "");
