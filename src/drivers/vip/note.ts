// Which floating IP this host put on which device, so that the daemon of a changed configuration can
// take it away. It must never be taken for the
// address being there: that is looked up.

import { mkdirSync, readFileSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { dirname } from "node:path";
import type { VipSpec } from "./port.ts";

/** A note that cannot be written (a full disk) costs what is said above, not the service: it is no error. */
export function writeVipNote(path: string, { address, prefix, device }: VipSpec): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(`${path}.new`, JSON.stringify({ address, prefix, device }));
    renameSync(`${path}.new`, path);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === undefined) throw thrown;
  }
}

/** Null for none, and for one that cannot be read: then nothing is removed on its word. */
export function readVipNote(path: string): VipSpec | null {
  try {
    const { address, prefix, device } = JSON.parse(readFileSync(path, "utf8")) as Readonly<Record<string, unknown>>;
    if (typeof address !== "string" || isIP(address) === 0) return null;
    return typeof prefix === "number" && typeof device === "string" ? { address, prefix, device } : null;
  } catch (thrown) {
    if (thrown instanceof SyntaxError || thrown instanceof TypeError || isMissing(thrown)) return null;
    throw thrown;
  }
}

export function removeVipNote(path: string): void {
  try {
    unlinkSync(path);
  } catch (thrown) {
    if (!isMissing(thrown)) throw thrown;
  }
}

const isMissing = (thrown: unknown): boolean => (thrown as NodeJS.ErrnoException).code === "ENOENT";
