import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { PoolContext } from "../../../src/act/pool/procedure.ts";
import { startOnce, type StartTools } from "../../../src/act/pool/start-vm.ts";
import { systemClock } from "../../../src/drivers/clock/system.ts";
import type { XapiCaller, XapiError, XapiGate, XapiValue } from "../../../src/drivers/xapi/port.ts";
import { xapiRecords } from "../../../src/drivers/xapi/records.ts";
import { err, ok, type Result } from "../../../src/util/result.ts";

const vmRecord = {
  uuid: "vm-uuid",
  name_label: "vm1",
  power_state: "Halted",
  resident_on: "OpaqueRef:NULL",
  memory_static_max: 1,
  memory_dynamic_min: 1,
  memory_overhead: 0,
  order: 0,
  start_delay: 0,
  ha_restart_priority: "",
  appliance: "OpaqueRef:NULL",
  other_config: {},
  current_operations: {},
  is_a_template: false,
  is_a_snapshot: false,
  is_control_domain: false,
  VBDs: [],
};
const running = { ...vmRecord, power_state: "Running", resident_on: "OpaqueRef:me" };
const failure = (...error: readonly string[]) => ({ status: "failure", error_info: error });
const success = { status: "success", error_info: [] };
const pending = { status: "pending", error_info: [] };

interface Script {
  /** The VM's record at each look; the last one repeats. */
  readonly looks: readonly Readonly<Record<string, XapiValue>>[];
  readonly task?: Result<XapiValue, XapiError>;
  readonly start?: Result<XapiValue, XapiError>;
  readonly domains?: ReadonlySet<string> | null;
}

async function attempt(script: Script) {
  const calls: string[] = [];
  let looks = 0;
  const caller: XapiCaller = {
    async call(method) {
      calls.push(method);
      switch (method) {
        case "VM.get_record": {
          const record = script.looks[Math.min(looks, script.looks.length - 1)];
          looks += 1;
          return record === undefined ? err(lost) : ok(record);
        }
        case "Async.VM.start_on":
          return script.start ?? ok("OpaqueRef:task");
        case "task.get_record":
          return script.task ?? ok(success);
        default:
          return ok("");
      }
    },
  };
  const gate: XapiGate = {
    openPool: async () => err(lost),
    openLocal: async () => err(lost),
    openPeerLocal: async () => err(lost),
  };
  const context: PoolContext = {
    gate,
    records: xapiRecords,
    clock: systemClock(),
    signal: new AbortController().signal,
    permitted: () => true,
    progress: () => undefined,
    readMs: 100,
  };
  const tools: StartTools = {
    caller,
    reader: caller,
    hostRef: "OpaqueRef:me",
    localDomains: async () => (script.domains === undefined ? new Set() : script.domains),
    startMs: 30,
    taskEveryMs: 5,
  };
  const outcome = await startOnce(context, "OpaqueRef:vm", tools);
  const because = "because" in outcome ? outcome.because : "";
  return { kind: outcome.kind, because, started: calls.includes("Async.VM.start_on"), calls };
}

const lost: XapiError = { kind: "transport", call: "x", reason: "gone" };

describe("one attempt to start a VM", { timeout: 10_000 }, () => {
  test("starts a halted VM that runs nowhere", async () => {
    const done = await attempt({ looks: [vmRecord, running] });
    assert.deepEqual([done.kind, done.started], ["started", true]);
    assert.ok(done.calls.includes("task.destroy"));
  });

  const untouched: readonly (readonly [string, Script, string])[] = [
    ["the hypervisor has a domain of it", { looks: [vmRecord], domains: new Set(["vm-uuid"]) }, "retry"],
    ["the hypervisor cannot be asked", { looks: [vmRecord], domains: null }, "retry"],
    ["xapi says that it runs here", { looks: [running] }, "already-running"],
    ["xapi says that it runs elsewhere", { looks: [{ ...running, resident_on: "OpaqueRef:other" }] }, "retry"],
    ["it is paused elsewhere", { looks: [{ ...running, power_state: "Paused", resident_on: "OpaqueRef:o" }] }, "retry"],
    ["it is suspended", { looks: [{ ...vmRecord, power_state: "Suspended" }] }, "failed"],
    ["an operation on it is under way", { looks: [{ ...vmRecord, current_operations: { t: "start" } }] }, "retry"],
    ["it is a template", { looks: [{ ...vmRecord, is_a_template: true }] }, "failed"],
    ["it is a snapshot", { looks: [{ ...vmRecord, is_a_snapshot: true }] }, "failed"],
    ["it is a control domain", { looks: [{ ...vmRecord, is_control_domain: true }] }, "failed"],
    ["its record cannot be read", { looks: [{ uuid: "x" }] }, "retry"],
    ["xapi does not answer", { looks: [] }, "retry"],
  ];
  for (const [name, script, kind] of untouched) {
    test(`starts nothing when ${name}`, async () => {
      const done = await attempt(script);
      assert.deepEqual([done.kind, done.started], [kind, false]);
    });
  }

  const judged: readonly (readonly [string, Script, string])[] = [
    [
      "a failure that worked is a start",
      { looks: [vmRecord, running], task: ok(failure("INTERNAL_ERROR", "x")) },
      "started",
    ],
    ["a success that did not work is tried again", { looks: [vmRecord] }, "retry"],
    [
      "missing memory is named",
      { looks: [vmRecord], task: ok(failure("HOST_NOT_ENOUGH_FREE_MEMORY", "2", "1")) },
      "does-not-fit",
    ],
    ["missing storage is tried again", { looks: [vmRecord], task: ok(failure("VM_REQUIRES_SR", "a", "b")) }, "retry"],
    ["a blocked operation is final", { looks: [vmRecord], task: ok(failure("OPERATION_BLOCKED", "a", "b")) }, "failed"],
    [
      "a task lost with its xapi is looked after and tried again",
      { looks: [vmRecord], task: err({ kind: "api", call: "x", code: "HANDLE_INVALID", params: ["task", "t"] }) },
      "retry",
    ],
    ["a lost answer is looked after", { looks: [vmRecord, running], start: err(lost) }, "started"],
    [
      "an invalid session is tried again",
      { looks: [vmRecord], start: err({ kind: "api", call: "x", code: "SESSION_INVALID", params: [] }) },
      "retry",
    ],
  ];
  for (const [name, script, kind] of judged) {
    test(name, async () => assert.equal((await attempt(script)).kind, kind));
  }

  test("a task that does not end is cancelled, and the VM looked at", async () => {
    const done = await attempt({ looks: [vmRecord], task: ok(pending) });
    assert.equal(done.kind, "retry");
    assert.match(done.because, /within 30 ms/);
    assert.ok(done.calls.includes("task.cancel"));
  });

  test("a task lost with its xapi ends the wait at once", async () => {
    const gone: XapiError = { kind: "api", call: "x", code: "HANDLE_INVALID", params: ["task", "t"] };
    assert.match((await attempt({ looks: [vmRecord], task: err(gone) })).because, /its task is gone/);
  });
});
