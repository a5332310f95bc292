// Puts together what a setup works with on a host: programs, DRBD, the pool's database. Opens nothing by itself.

import type { PoolContext } from "../act/pool/procedure.ts";
import { systemClock } from "../drivers/clock/system.ts";
import { createDrbd } from "../drivers/drbd/drbdadm.ts";
import type { ExecPort } from "../drivers/exec/port.ts";
import { createExec } from "../drivers/exec/run.ts";
import { xapiRecords } from "../drivers/xapi/records.ts";
import { createXapiGate } from "../drivers/xapi/session.ts";
import type { HostParts } from "./host.ts";
import { LOOK_MS } from "./look/look.ts";

const XAPI_SOCKET = "/var/lib/xcp/xapi";
const POOL_SECRET = "/etc/xensource/ptoken";
/** A pool under load takes its time for a login; nobody's storage waits here. */
const READ_MS = 20_000;

export function hostParts(progress: (text: string) => void, exec: ExecPort = createExec()): HostParts {
  const clock = systemClock();
  const gate = createXapiGate({ socketPath: XAPI_SOCKET, secretPath: POOL_SECRET, originator: "iscsi-cfg" });
  const context: PoolContext = {
    gate,
    records: xapiRecords,
    clock,
    signal: new AbortController().signal,
    permitted: () => true,
    progress,
    readMs: READ_MS,
  };
  return { exec, clock, context, progress, drbd: createDrbd(exec, clock, { lookTimeoutMs: LOOK_MS }) };
}
