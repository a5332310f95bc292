// One attempt to start one VM: look, ask for permission, act, look. It must never start a VM of which it
// does not know, at this moment, that it runs nowhere.

import type { Millis } from "../../core/model/time.ts";
import type { VmRecord, XapiCaller } from "../../drivers/xapi/port.ts";
import { describePoolFailure, during, askOf, type PoolContext, type PoolFailure } from "./procedure.ts";
import { runTask } from "./tasks.ts";

export type StartOutcome =
  | { readonly kind: "started" }
  | { readonly kind: "already-running" }
  | { readonly kind: "does-not-fit"; readonly because: string }
  /** Worth another attempt later. */
  | { readonly kind: "retry"; readonly because: string }
  | { readonly kind: "failed"; readonly because: string }
  /** The whole procedure ends. */
  | { readonly kind: "stop"; readonly failure: PoolFailure };

export interface StartTools {
  /** Logged in once; for the start itself. */
  readonly caller: XapiCaller;
  /** For the looks: logs in again when xapi restarted. */
  readonly reader: XapiCaller;
  /** Null: xapi chooses. */
  readonly hostRef: string | null;
  /** UUIDs of the domains of the host that starts it, as its hypervisor lists them; null: could not be asked. */
  readonly localDomains: () => Promise<ReadonlySet<string> | null>;
  readonly startMs: Millis;
  readonly taskEveryMs: Millis;
}

export async function startOnce(context: PoolContext, vmRef: string, tools: StartTools): Promise<StartOutcome> {
  const before = await lookAt(context, vmRef, tools);
  if (before.kind !== "halted") return before;
  const domains = await tools.localDomains();
  if (domains === null) return { kind: "retry", because: "the domains are unknown, so it may run already" };
  if (domains.has(before.vm.uuid)) {
    return { kind: "retry", because: "a domain of it exists although xapi calls it halted" };
  }
  const step = `start ${before.vm.name}`;
  const method = tools.hostRef === null ? "VM.start" : "VM.start_on";
  const params = [vmRef, ...(tools.hostRef === null ? [] : [tools.hostRef]), false, false];
  // VM.start sleeps for the VM's own start_delay before it returns.
  const times = { withinMs: tools.startMs + before.vm.startDelay * 1_000, everyMs: tools.taskEveryMs };
  const started = await runTask(context, step, tools.caller, tools.reader, method, params, times);
  if (!started.ok && (started.error.kind === "not-permitted" || started.error.kind === "aborted")) {
    return { kind: "stop", failure: started.error };
  }
  // Whatever the answer was, the record decides: a start may work and report failure, or the reverse.
  const after = await lookAt(context, vmRef, tools);
  if (after.kind === "already-running") return { kind: "started" };
  if (after.kind !== "halted") return after;
  if (started.ok) return { kind: "retry", because: "xapi reported success, but the VM is halted" };
  return judge(started.error);
}

/** Halted and idle, or the outcome that follows from what it is instead. */
async function lookAt(
  context: PoolContext,
  vmRef: string,
  tools: StartTools,
): Promise<{ readonly kind: "halted"; readonly vm: VmRecord } | StartOutcome> {
  const read = during("read the VM", await context.records.vm(tools.reader, vmRef, askOf(context)));
  if (!read.ok) return { kind: "retry", because: describePoolFailure(read.error) };
  const vm = read.value;
  if (!vm.real) return { kind: "failed", because: "it is a template, a snapshot or a control domain" };
  if (vm.powerState === "Running" || vm.powerState === "Paused") {
    if (tools.hostRef === null || vm.residentOn === tools.hostRef) return { kind: "already-running" };
    return { kind: "retry", because: "xapi says that it runs on another host" };
  }
  if (vm.powerState === "Suspended")
    return { kind: "failed", because: "it is suspended: an old image is never resumed" };
  return vm.operations.length > 0
    ? { kind: "retry", because: "another operation on it is under way" }
    : { kind: "halted", vm };
}

/** These do not change by waiting. Everything else may: storage that comes late, xapi still starting, a stuck operation. */
const FINAL_CODES = new Set([
  "OPERATION_BLOCKED",
  "OPERATION_NOT_ALLOWED",
  "VM_IS_TEMPLATE",
  "HANDLE_INVALID",
  "VM_HVM_REQUIRED",
  "LICENCE_RESTRICTION",
  "MESSAGE_METHOD_UNKNOWN",
  "MESSAGE_PARAMETER_COUNT_MISMATCH",
]);

function judge(failure: PoolFailure): StartOutcome {
  const because = describePoolFailure(failure);
  if (failure.kind !== "xapi" || failure.error.kind !== "api") return { kind: "retry", because };
  const { code } = failure.error;
  if (code === "HOST_NOT_ENOUGH_FREE_MEMORY" || code === "NO_HOSTS_AVAILABLE") return { kind: "does-not-fit", because };
  return { kind: FINAL_CODES.has(code) ? "failed" : "retry", because };
}
