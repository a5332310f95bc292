/** Task records of Async calls: made before the call runs, settled after it. */
import { encodeXmlValue } from "./xml.ts";
import { fail, type Json, toAnswer, xapiTime } from "./types.ts";
import type { Xapi } from "./xapi.ts";

const COMPLETED_KEPT = 200;
export const COMPLETED_KEPT_MS = 65 * 60_000;

/** Runs the work beside the caller and answers the task at once. */
export const startTask = (xapi: Xapi, name: string, work: (task: string) => Promise<Json> | Json): string => {
  const { db } = xapi;
  const ref = db.create("task", {
    name_label: name,
    created: xapiTime(),
    resident_on: xapi.here,
    allowed_operations: ["cancel", "destroy"],
  });
  const settle = (changes: Record<string, Json>): void => {
    if (!db.has("task", ref)) return;
    db.set("task", ref, { finished: xapiTime(), progress: 1, allowed_operations: ["destroy"], ...changes });
    dropOldest(xapi);
  };
  const run = async (): Promise<void> => {
    try {
      const value = await work(ref);
      settle({ status: "success", result: value === "" ? "<value></value>" : encodeXmlValue(value) });
    } catch (error) {
      const answer = toAnswer(error);
      settle({ status: "failure", error_info: answer.kind === "failure" ? answer.error : [] });
    }
  };
  void run();
  return ref;
};

const dropOldest = ({ db }: Xapi): void => {
  const done = db.refs("task").filter((ref) => db.text("task", ref, "status") !== "pending");
  for (const ref of done.slice(0, Math.max(0, done.length - COMPLETED_KEPT))) db.destroy("task", ref);
};

/** A running call cannot be stopped half way here, so cancelling marks the task and the call runs on. */
export const cancelTask = ({ db }: Xapi, ref: string): void => {
  if (db.text("task", ref, "status") !== "pending") return;
  const allowed = db.get("task", ref, "allowed_operations");
  if (!Array.isArray(allowed) || !allowed.includes("cancel")) fail("OPERATION_NOT_ALLOWED", "task cannot be cancelled");
  db.set("task", ref, { status: "cancelled", finished: xapiTime(), error_info: ["TASK_CANCELLED", ref] });
};
