// Did somebody stop these VMs through xapi, or did they stop by themselves? xapi writes a message for everything it is
// asked to do with a VM; a guest that ends by itself leaves none. The newest word about a VM counts.

import type { XapiValue } from "../../drivers/xapi/port.ts";
import { isRecord } from "../../drivers/xapi/reply.ts";
import { err, ok } from "../../util/result.ts";
import { during, withPool, type Done, type PoolContext } from "./procedure.ts";

export interface StopQuestion {
  readonly uuid: string;
  /** When it was last seen running. */
  readonly sinceWallMs: number;
}

/** The hosts' clocks may differ by this; an older message than the last look is outdone by a newer one about the start. */
const CLOCKS_DIFFER_MS = 60_000;

const STOPS = new Set(["VM_SHUTDOWN", "VM_SUSPENDED"]);
const RUNS = new Set(["VM_STARTED", "VM_REBOOTED", "VM_RESUMED", "VM_MIGRATED", "VM_CRASHED"]);

export async function stopCauses(
  context: PoolContext,
  questions: readonly StopQuestion[],
): Promise<Done<ReadonlyMap<string, "on-purpose" | "by-itself">>> {
  if (questions.length === 0) return ok(new Map());
  const since = Math.min(...questions.map((one) => one.sinceWallMs)) - CLOCKS_DIFFER_MS;
  return withPool(context, async (session) => {
    const step = "read the messages about stopped VMs";
    const read = during(
      step,
      await session.call("message.get_since", [xapiTime(since)], context.readMs, context.signal),
    );
    if (!read.ok) return read;
    const newest = newestWords(read.value);
    if (newest === null) {
      const error = { kind: "malformed", call: "message.get_since", sample: JSON.stringify(read.value) } as const;
      return err({ kind: "xapi", during: step, error });
    }
    return ok(
      new Map(
        questions.map(({ uuid }) => [uuid, STOPS.has(newest.get(uuid)?.name ?? "") ? "on-purpose" : "by-itself"]),
      ),
    );
  });
}

function newestWords(value: XapiValue): Map<string, { readonly name: string; readonly at: string }> | null {
  if (!isRecord(value)) return null;
  const newest = new Map<string, { name: string; at: string }>();
  for (const record of Object.values(value)) {
    if (!isRecord(record)) return null;
    const { name, obj_uuid: uuid, timestamp: at } = record;
    if (typeof name !== "string" || typeof uuid !== "string" || typeof at !== "string") return null;
    if (!STOPS.has(name) && !RUNS.has(name)) continue;
    const before = newest.get(uuid);
    // Within one second nothing tells which was first: leaving a VM stopped is the lesser mistake.
    const isNewer = before === undefined || at > before.at || (at === before.at && STOPS.has(name));
    if (isNewer) newest.set(uuid, { name, at });
  }
  return newest;
}

/** xapi's own form of a time: 20261120T13:52:29Z. */
const xapiTime = (wallMs: number): string => {
  const [day, time] = new Date(Math.max(0, wallMs)).toISOString().split("T");
  return `${(day ?? "").replaceAll("-", "")}T${(time ?? "").slice(0, 8)}Z`;
};
