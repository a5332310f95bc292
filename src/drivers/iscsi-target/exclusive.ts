// One of two target programs serves; what an earlier configuration left of the other one is ended before anything is served
// or called withdrawn. Two targets over one device would each have a view of their own of what was written.

import { ok, type Result } from "../../util/result.ts";
import type { DriverError } from "../driver-error.ts";
import type { TargetPort } from "./port.ts";

export function createExclusive(chosen: TargetPort, other: Pick<TargetPort, "observe" | "withdraw">): TargetPort {
  /** Nobody but us starts the other one: once it is gone there is no need to look again. */
  let isGone = false;

  async function endOther(): Promise<Result<unknown, DriverError>> {
    if (isGone) return ok(null);
    const found = await other.observe();
    if (!found.ok) return found;
    if (found.value.running || found.value.holds) {
      const ended = await other.withdraw();
      if (!ended.ok) return ended;
    }
    isGone = true;
    return ok(null);
  }

  return {
    ...chosen,
    async warm() {
      const ended = await endOther();
      return ended.ok ? await chosen.warm() : ended;
    },
    async withdraw() {
      const done = await chosen.withdraw();
      if (!done.ok) return done;
      const ended = await endOther();
      return ended.ok ? done : ended;
    },
  };
}
