// Runs one call of xapi as a task and waits for its end. It must never take a task that did not end for one that failed.

import type { Millis } from "../../core/model/time.ts";
import type { XapiCaller, XapiValue } from "../../drivers/xapi/port.ts";
import { err, ok } from "../../util/result.ts";
import { askOf, change, type Done, type PoolContext } from "./procedure.ts";

export interface TaskTimes {
  readonly withinMs: Millis;
  readonly everyMs: Millis;
}

/**
 * `Async.<method>`. A failure of the task comes as the api error it carries. A task that outlives `withinMs` is asked
 * to cancel and reported as a timeout: whether it took effect is then unknown, so the caller has to look.
 */
export async function runTask(
  context: PoolContext,
  step: string,
  caller: XapiCaller,
  reader: XapiCaller,
  method: string,
  params: readonly XapiValue[],
  times: TaskTimes,
): Promise<Done<"success">> {
  const call = `Async.${method}`;
  const started = await change(context, step, caller, call, params, context.readMs);
  if (!started.ok) return started;
  if (typeof started.value !== "string") {
    return err({
      kind: "xapi",
      during: step,
      error: { kind: "malformed", call, sample: JSON.stringify(started.value) },
    });
  }
  const ref = started.value;
  const endAt = context.clock.now() + times.withinMs;
  for (;;) {
    const task = await context.records.task(reader, ref, askOf(context));
    if (task.ok && task.value.status === "success") {
      void reader.call("task.destroy", [ref], context.readMs);
      return ok("success");
    }
    if (task.ok && (task.value.status === "failure" || task.value.status === "cancelled")) {
      void reader.call("task.destroy", [ref], context.readMs);
      const error = task.value.error ?? { code: "TASK_CANCELLED", params: [ref] };
      return err({ kind: "xapi", during: step, error: { kind: "api", call, ...error } });
    }
    // Tasks are not persistent: after a restart of xapi this one is unknown, and so is what became of it.
    const gone = !task.ok && task.error.kind === "api" && task.error.code === "HANDLE_INVALID";
    if (gone)
      return err({ kind: "xapi", during: step, error: { kind: "transport", call, reason: "its task is gone" } });
    if (context.signal.aborted) return err({ kind: "aborted", during: step });
    if (context.clock.now() >= endAt) {
      void reader.call("task.cancel", [ref], context.readMs);
      return err({ kind: "xapi", during: step, error: { kind: "timeout", call, afterMs: times.withinMs } });
    }
    await context.clock.sleep(times.everyMs, context.signal);
  }
}
