// Typed reads of xapi's records: one call, one parse. It must never return part of a list.

import { err, ok, type Result } from "../../util/result.ts";
import {
  parseAll,
  parseAppliance,
  parseHost,
  parseHostMetrics,
  parsePbd,
  parsePool,
  parseSr,
  parseTask,
  parseVbdDisk,
  parseVdi,
  parseVm,
} from "./parse.ts";
import type { Ask, XapiCaller, XapiError, XapiRecords, XapiValue } from "./port.ts";
import { isRecord } from "./reply.ts";

export const xapiRecords: XapiRecords = {
  async pool(caller, ask) {
    const pools = await all(caller, "pool", parsePool, ask);
    if (!pools.ok) return pools;
    const [only, ...others] = pools.value;
    if (only !== undefined && others.length === 0) return ok(only);
    return malformed("pool.get_all_records", `found ${pools.value.length} pools, expected 1`);
  },
  hosts: (caller, ask) => all(caller, "host", parseHost, ask),
  async isLive(caller, host, ask) {
    const metrics = await one(caller, "host_metrics", host.metricsRef, parseHostMetrics, ask);
    return metrics.ok ? ok(metrics.value.live) : metrics;
  },
  vms: (caller, ask) => all(caller, "VM", parseVm, ask),
  vm: (caller, ref, ask) => one(caller, "VM", ref, parseVm, ask),
  pbds: (caller, ask) => all(caller, "PBD", parsePbd, ask),
  srs: (caller, ask) => all(caller, "SR", parseSr, ask),
  vdis: (caller, ask) => all(caller, "VDI", parseVdi, ask),
  async vbdDisks(caller, ask) {
    const call = "VBD.get_all_records";
    const answer = await caller.call(call, [], ask.deadlineMs, ask.signal);
    if (!answer.ok) return answer;
    if (!isRecord(answer.value)) return malformed(call, JSON.stringify(answer.value));
    const disks = new Map<string, string | null>();
    for (const [ref, record] of Object.entries(answer.value)) {
      const disk = parseVbdDisk(ref, record);
      if (!disk.ok) return malformed(call, disk.error);
      disks.set(ref, disk.value);
    }
    return ok(disks);
  },
  appliances: (caller, ask) => all(caller, "VM_appliance", parseAppliance, ask),
  task: (caller, ref, ask) => one(caller, "task", ref, parseTask, ask),
};

type Parse<T> = (ref: string, record: XapiValue) => Result<T, string>;

async function all<T>(
  caller: XapiCaller,
  className: string,
  parse: Parse<T>,
  ask: Ask,
): Promise<Result<readonly T[], XapiError>> {
  const call = `${className}.get_all_records`;
  const answer = await caller.call(call, [], ask.deadlineMs, ask.signal);
  if (!answer.ok) return answer;
  const parsed = parseAll(answer.value, parse);
  return parsed.ok ? parsed : malformed(call, parsed.error);
}

async function one<T>(
  caller: XapiCaller,
  className: string,
  ref: string,
  parse: Parse<T>,
  ask: Ask,
): Promise<Result<T, XapiError>> {
  const call = `${className}.get_record`;
  const answer = await caller.call(call, [ref], ask.deadlineMs, ask.signal);
  if (!answer.ok) return answer;
  const parsed = parse(ref, answer.value);
  return parsed.ok ? parsed : malformed(call, parsed.error);
}

function malformed(call: string, sample: string): Result<never, XapiError> {
  return err({ kind: "malformed", call, sample: sample.slice(0, 160) });
}
