// The invariants of protocol.md 10 as they apply to a pool of three hosts and more, after every event of the pool's decision.
// The storage pair keeps its own checks (../checks.ts).

import type { DurableRecord } from "../../../src/core/model/durable.ts";
import type { PoolAction, PoolEvent, PoolState } from "../../../src/core/pool/model.ts";
import { elects, inContact, leads } from "../../../src/core/pool/facts.ts";
import { localNow, unstalled } from "../stage.ts";
import { memberOf, type Member, type PoolSim } from "./members.ts";

/** V6 and V8 by what the decision itself remembers. */
export function checkPoolStep(
  { stage, ...pool }: PoolSim,
  m: Member,
  before: PoolState,
  after: PoolState,
  event: PoolEvent,
): void {
  const { name } = m.machine;
  if (after.durable.epoch < before.durable.epoch) stage.violate(`V6 ${name} forgot epoch ${before.durable.epoch}`);
  for (const [hostId, one] of Object.entries(after.neighbours)) {
    const was = before.neighbours[hostId];
    if (was === undefined || was === one || was.fence.verifiedAt !== null || one.fence.verifiedAt === null) continue;
    if (!(event.kind === "result" && event.ok && event.id === was.fence.pending))
      stage.violate(`V8 ${name} takes ${hostId} for off without a verified power-off`);
  }
  if (after.leadsSince === null || after.leadsSince === before.leadsSince || !elects(after.config)) return;
  const { epoch } = after.durable;
  const known = pool.epochLeaders.get(epoch);
  if (known !== undefined && known !== name)
    stage.violate(`V6 ${known} and ${name} both led the pool in epoch ${epoch}`);
  pool.epochLeaders.set(epoch, name);
}

/** V6: a record never goes back, and one vote per host and epoch; whoever was elected in it may be followed afterwards. */
export function checkVote({ stage, epochLeaders }: PoolSim, { machine, disk }: Member, record: DurableRecord): void {
  const { epoch, owner } = disk.record;
  if (record.epoch < epoch) stage.violate(`V6 epoch went back on ${machine.name}`);
  const elected = epochLeaders.get(epoch) === record.owner;
  if (record.epoch === epoch && owner !== null && record.owner !== owner && !elected)
    stage.violate(`V6 ${machine.name} votes for ${owner} and for ${record.owner} in epoch ${epoch}`);
}

/** What the decision asks for, judged by what it knows and by what is true. */
export function checkPoolAction(pool: PoolSim, m: Member, action: PoolAction): void {
  switch (action.kind) {
    case "fence":
      checkFence(pool, m, action.hostId);
      return automatic(pool, m, `fences ${action.hostId}`);
    case "recover-host":
      return automatic(pool, m, `starts the VMs of ${action.hostId}`);
    case "xapi-promote":
      return automatic(pool, m, "promotes its toolstack");
    default:
      return;
  }
}

function checkFence(pool: PoolSim, m: Member, hostId: string): void {
  const { stage } = pool;
  const { name } = m.machine;
  const { state } = m;
  if (hostId === name) return stage.violate(`V7 ${name} fences itself`);
  const one = state?.neighbours[hostId];
  if (state === null || one === undefined) return;
  const now = localNow(stage, m.machine);
  if (inContact(state, one, now)) stage.violate(`V7 ${name} fences ${hostId}, which is in contact`);
  // A13: the word covers what the digest shows as given back, and it expires.
  const { body, heardAt } = one;
  const recent = heardAt !== null && now - heardAt < state.config.timers.leave;
  const leaves = body?.intent === "paused" || (body?.intent === "leaving" && body.domains?.length === 0 && recent);
  if (leaves && !one.fence.confirmed) stage.violate(`V7 ${name} fences ${hostId}, which leaves`);
  const { disk, maintained } = memberOf(pool, hostId);
  const { record } = disk;
  if (maintained || (record.ha === "off" && record.epoch > 0))
    stage.violate(`V7 ${name} fences ${hostId}, which is disabled or in maintenance`);
}

/** V5 by D1 and A20: what nobody ordered happens only while HA is on there, and nobody works on that host. */
function automatic({ stage }: PoolSim, { machine, pair, disk }: Member, what: string): void {
  const { ha, flags } = pair?.disk.record ?? disk.record;
  if (ha !== "on") stage.violate(`V5 ${machine.name} ${what} although HA is ${ha} there`);
  if (flags.maintenance) stage.violate(`V5 ${machine.name} ${what} in maintenance`);
}

/** V2 over all hosts, and one leader at a time. */
export function checkPoolWorld(pool: PoolSim): void {
  const { stage, members } = pool;
  let leader: string | null = null;
  const running = new Map<string, string>();
  for (const m of members) {
    const { machine, state } = m;
    for (const [uuid, { paused }] of machine.domains) {
      if (paused) continue;
      const other = running.get(uuid);
      if (other !== undefined) stage.violate(`V2 ${uuid} runs on ${other} and on ${machine.name}`);
      running.set(uuid, machine.name);
    }
    if (state === null || state.leadsSince === null || !unstalled(stage, machine)) continue;
    if (!leads(state, localNow(stage, machine))) continue;
    if (leader !== null) stage.violate(`V6 ${leader} and ${machine.name} lead the pool at once`);
    leader = machine.name;
  }
}

/** V5: the watchdog follows the mode within the time of a repair and its first repetitions. */
export function createPoolWatch(pool: PoolSim): () => void {
  const { stage, members } = pool;
  const since = new Map<Member, number>();
  return () => {
    for (const m of members) {
      const { machine, pair, disk, state } = m;
      const wrong = pair === null && machine.power && machine.watchdog.armed && disk.record.ha === "off";
      const able = state !== null && unstalled(stage, machine) && machine.handsUntil <= stage.now;
      if (!wrong || !able) since.set(m, stage.now);
      if (stage.now - (since.get(m) ?? stage.now) > 10_000)
        stage.violate(`V5 ${machine.name} keeps its watchdog armed although HA is off`);
    }
  };
}
