// A look at DRBD by a process of its own. Not in the lane of a resource, because it must work while that one hangs. The events
// are asked first, in the one form that 8.4 and 9 share; where they cannot be had or read, the status in the form of each. What
// none of them says stays unknown.

import type { Millis } from "../../core/model/time.ts";
import { err, ok, type Result } from "../../util/result.ts";
import type { DriverError } from "../driver-error.ts";
import { succeeded } from "../exec/outcome.ts";
import type { ExecPort } from "../exec/port.ts";
import { parseEvents2 } from "./parse-events2.ts";
import { parseStatusJson, parseStatusText } from "./parse-status.ts";
import type { SeenResource } from "./picture.ts";

export type Seen = ReadonlyMap<string, SeenResource>;

interface Form {
  readonly args: readonly string[];
  readonly parse: (output: string) => Result<Seen, string>;
}

const EVENTS: Form = { args: ["events2", "--now", "--statistics"], parse: parseEvents2 };
const STATUS_8: Form = { args: ["status", "--verbose", "--statistics"], parse: parseStatusText };
const STATUS_9: Form = { args: ["status", "--json"], parse: parseStatusJson };

/** `version` is that of the kernel module; null: it is not loaded, and nothing is up. */
export function createLook(
  exec: Pick<ExecPort, "run">,
  version: () => string | null,
  timeoutMs: Millis,
): () => Promise<Result<Seen, DriverError>> {
  async function read({ args, parse }: Form): Promise<Result<Seen, DriverError>> {
    const command = ["drbdsetup", ...args].join(" ");
    const done = succeeded(command, await exec.run("drbdsetup", args, { timeoutMs, lane: "drbd-look" }));
    if (!done.ok) return done;
    const seen = parse(done.value.stdout);
    return seen.ok ? seen : err({ kind: "parse", command, sample: seen.error });
  }

  return async () => {
    const found = version();
    if (found === null) return ok(new Map());
    const events = await read(EVENTS);
    // One that hangs, or is not there, would do the same in another form.
    if (events.ok || (events.error.kind !== "exit" && events.error.kind !== "parse")) return events;
    const status = await read(found.startsWith("8.") ? STATUS_8 : STATUS_9);
    return status.ok ? status : events;
  };
}
