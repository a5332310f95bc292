// Who this daemon is on the wire: which boot, and which start of the daemon within it. Never invents a boot.

import { readFile } from "node:fs/promises";
import { err, ok, type Result } from "../../util/result.ts";

export interface Identity {
  /** 128 random bits that the kernel draws once per boot, hexadecimal without dashes. */
  readonly bootId: string;
  /** Milliseconds since boot at this start: grows with every start of the daemon, without a file to keep. */
  readonly incarnation: number;
}

/** Source of the boot's number: random(4), /proc/sys/kernel/random/boot_id. */
export async function readIdentity(path = "/proc/sys/kernel/random/boot_id"): Promise<Result<Identity, string>> {
  try {
    const bootId = (await readFile(path, "latin1")).trim().replaceAll("-", "");
    if (!/^[0-9a-f]{32}$/.test(bootId)) {
      return err(`Cannot use the boot id in ${path}: found "${bootId.slice(0, 40)}", expected 32 hexadecimal digits`);
    }
    return ok({ bootId, incarnation: Number(process.hrtime.bigint() / 1_000_000n) });
  } catch (error) {
    return err(`Cannot read the boot id from ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
