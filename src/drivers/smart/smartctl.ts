// smartctl(8) of smartmontools. Its exit status is a set of bits, which all versions have alike; the text is for people.

import type { Millis } from "../../core/model/time.ts";
import { err, ok } from "../../util/result.ts";
import type { ExecPort } from "../exec/port.ts";
import type { DiskHealth, SmartPort } from "./port.ts";

const SCAN_MS: Millis = 30_000;
const DISK_MS: Millis = 30_000;

/** Bits of the exit status. */
const NOT_ASKED = 0b011;
const FAILING = 0b1000;
const BELOW_THRESHOLD = 0b1_0000;

export function createSmartctl(exec: Pick<ExecPort, "run">): SmartPort {
  async function ask(args: readonly string[], disk: string): Promise<DiskHealth> {
    const unknown = (detail: string): DiskHealth => ({ disk, failing: null, detail });
    const asked = await exec.run("smartctl", ["-H", "-A", ...args], { timeoutMs: DISK_MS, lane: `smartctl ${disk}` });
    switch (asked.kind) {
      case "timeout":
        return unknown(`smartctl did not end within ${DISK_MS / 1000} s`);
      case "busy":
        return unknown(`an earlier smartctl hangs as process ${asked.pid}`);
      case "not-started":
        return unknown(asked.reason);
      case "exited":
        if ((asked.code & NOT_ASKED) !== 0) return unknown("the device does not answer SMART");
        if ((asked.code & FAILING) !== 0) return { disk, failing: true, detail: "its own verdict is FAILING" };
        if ((asked.code & BELOW_THRESHOLD) !== 0)
          return { disk, failing: true, detail: "an attribute that foretells a failure is below its threshold" };
        return { disk, failing: false, detail: "well" };
    }
  }

  return {
    async look() {
      const scan = await exec.run("smartctl", ["--scan"], { timeoutMs: SCAN_MS, lane: "smartctl" });
      if (scan.kind === "not-started") return ok(null);
      if (scan.kind !== "exited") return err("smartctl --scan hangs");
      if (scan.code !== 0) return err(`smartctl --scan ended with ${scan.code}`);
      const disks = scan.stdout.split("\n").flatMap((line) => {
        const args = (line.split("#")[0] ?? "").trim().split(/\s+/);
        const [device = "", , type] = args;
        return device.startsWith("/dev/")
          ? [{ args, disk: device.includes("/bus/") ? `${device} ${type ?? ""}` : device }]
          : [];
      });
      const found: DiskHealth[] = [];
      // One after the other: they may share a controller.
      for (const { args, disk } of disks) found.push(await ask(args, disk));
      return ok(found);
    },
  };
}
