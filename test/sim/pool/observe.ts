// What the drivers of a host of the pool see of it and tell its brain.

import { known, unknown } from "../../../src/core/model/observation.ts";
import { localNow } from "../stage.ts";
import { roleOf, toolstackAnswers, type Member, type PoolSim } from "./members.ts";

/** The hands look; while they stand still nobody does. */
export function observeMemberDomains(pool: PoolSim, m: Member): void {
  const { stage } = pool;
  if (Math.max(m.machine.handsUntil, m.machine.frozenUntil) > stage.now) return;
  const list = [...m.machine.domains].map(([uuid, { paused }], i) => ({ uuid, domId: i + 1, name: uuid, paused }));
  pool.feed(m, { kind: "domains", domains: known(list, localNow(stage, m.machine)) });
}

export function observeRole(pool: PoolSim, m: Member): void {
  const at = localNow(pool.stage, m.machine);
  const xapi = toolstackAnswers(pool, m) ? known(roleOf(m), at) : unknown("xapi does not answer", at);
  pool.feed(m, { kind: "xapi", xapi });
}
