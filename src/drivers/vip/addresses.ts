// The addresses of a network device, whether or not it has a carrier: os.networkInterfaces leaves a device out whose
// cable is pulled, and a pulled cable is no mistake in the configuration.

import type { Millis } from "../../core/model/time.ts";
import { err, ok, type Result } from "../../util/result.ts";
import type { DriverError } from "../driver-error.ts";
import { finished } from "../exec/outcome.ts";
import type { ExecPort } from "../exec/port.ts";
import { parseAddresses } from "./parse.ts";

export interface DeviceAddress {
  readonly address: string;
  readonly prefix: number;
}

/** Null: there is no such device. */
export async function addressesOf(
  exec: Pick<ExecPort, "run">,
  device: string,
  timeoutMs: Millis = 3000,
): Promise<Result<readonly DeviceAddress[] | null, DriverError>> {
  const command = `ip -o addr show dev ${device}`;
  const done = finished(command, await exec.run("ip", ["-o", "addr", "show", "dev", device], { timeoutMs }));
  if (!done.ok) return done;
  if (done.value.code === 0) return ok(parseAddresses(done.value.stdout));
  // iproute2 ends with 1 for every mistake and says which one in words.
  if (/does not exist|Cannot find device/.test(done.value.stderr)) return ok(null);
  return err({ kind: "exit", command, code: done.value.code, stderr: done.value.stderr });
}
