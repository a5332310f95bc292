// Two DRBD sides meet again: who has the newer data (generation UUIDs), who is synchronised from whom, or nobody.

import { NAMES, other, type HostName } from "./settings.ts";
import { sideOf, ZERO, type Side, type Sim } from "./sim.ts";

export const holdsData = (side: Side): boolean => side.disk !== "Diskless" && side.disk !== "Inconsistent";

type Verdict = HostName | "equal" | "split";

/** DRBD's comparison of generations (drbd_uuid_compare), for the cases two nodes can get into. */
function compare(a: Side, b: Side): Verdict {
  if (a.disk === "Diskless" || b.disk === "Diskless") return "equal";
  if (a.disk === "Inconsistent" && b.disk !== "Inconsistent") return "b";
  if (b.disk === "Inconsistent" && a.disk !== "Inconsistent") return "a";
  const x = a.generation;
  const y = b.generation;
  if (x.current === y.current) {
    // Unfinished writes of a Primary that died are resent from its side.
    if (a.role === "Primary" || b.role === "Primary") return "equal";
    if (a.crashedPrimary !== b.crashedPrimary) return a.crashedPrimary ? "a" : "b";
    return a.crashedPrimary ? "a" : "equal";
  }
  const past = (side: Side): readonly string[] =>
    side.generation.bitmap === ZERO ? side.generation.history : [side.generation.bitmap, ...side.generation.history];
  if (past(a).includes(y.current)) return "a";
  if (past(b).includes(x.current)) return "b";
  return "split";
}

export function handshake(sim: Sim, resource: string): void {
  const a = sideOf(sim.hosts.a, resource);
  const b = sideOf(sim.hosts.b, resource);
  // Two primaries are refused; both keep trying.
  if (a.role === "Primary" && b.role === "Primary") return;
  // A diskless Primary goes on only with a peer that has the very data it exposed so far.
  for (const [one, two] of [
    [a, b],
    [b, a],
  ] as const) {
    const strange = one.generation.current !== two.generation.current || two.disk === "Outdated";
    if (one.role === "Primary" && one.disk === "Diskless" && strange) return;
  }
  const compared = compare(a, b);
  // `connect --discard-my-data` decides a split and nothing else (drbdsetup(8)).
  const verdict = compared === "split" && a.discards !== b.discards ? (a.discards ? "b" : "a") : compared;
  if (verdict === "split") {
    if (!sim.grownApart) sim.violate(`V3 two generations of ${resource} grew apart: one copy will lose writes`);
    a.standAlone = true;
    b.standAlone = true;
    return;
  }
  const source = verdict === "equal" ? (b.role === "Primary" ? "b" : "a") : verdict;
  const from = sideOf(sim.hosts[source], resource);
  const to = sideOf(sim.hosts[other(source)], resource);
  if (verdict !== "equal" && to.role === "Primary" && holdsData(to)) {
    // "I shall become SyncTarget, but I am primary!": rr-conflict disconnect.
    if (to.data > from.data) sim.violate(`V3 ${other(source)} is Primary of ${resource} on older data`);
    to.standAlone = true;
    return;
  }
  for (const name of NAMES) {
    const side = sideOf(sim.hosts[name], resource);
    side.connected = true;
    side.discards = false;
    side.answeredAt = sim.now;
    side.peerInconsistent = false;
    if (holdsData(from) || holdsData(to)) side.suspended = false;
  }
  if (!holdsData(from) || to.disk === "Diskless") return;
  if (verdict === "equal" && to.disk !== "Inconsistent") return inSync(sim, resource, from, to);
  if (fill(sim, from, to) === 0) inSync(sim, resource, from, to);
}

/** Begins the resync of one side from the other; answers how long it will take. */
export function fill(sim: Sim, from: Side, to: Side): number {
  if (!holdsData(from)) return Infinity;
  from.resync = "source";
  to.resync = "target";
  to.disk = "Inconsistent";
  if (from.disk === "Consistent" || from.disk === "Outdated") from.disk = "UpToDate";
  const ms = sim.resyncMs ?? (sim.noisy ? sim.random.between(100, 6_000) : 0);
  syncEnds.set(to, sim.now + ms);
  return ms;
}

/** When the resync that fills this side will be through. */
const syncEnds = new WeakMap<Side, number>();

/** Ends the resyncs whose time has come, while packets pass and both ends still talk; true when one ended. */
export function finishResync(sim: Sim, path: boolean): boolean {
  if (!path) return false;
  let ended = false;
  for (const name of NAMES) {
    for (const resource of sim.resources) {
      const to = sideOf(sim.hosts[name], resource);
      const from = sideOf(sim.hosts[other(name)], resource);
      const over = sim.now >= (syncEnds.get(to) ?? 0);
      if (to.resync !== "target" || !to.connected || !from.connected || !over) continue;
      inSync(sim, resource, from, to);
      ended = true;
    }
  }
  return ended;
}

function inSync(sim: Sim, resource: string, from: Side, to: Side): void {
  // What a person gave up was acknowledged once.
  if (!sim.grownApart && to.data > from.data && to.data <= (sim.acked[resource] ?? 0))
    sim.violate(`V3 the resync of ${resource} overwrites an acknowledged write`);
  to.data = from.data;
  to.generation = { current: from.generation.current, bitmap: ZERO, history: pastOf(from) };
  from.generation = { current: from.generation.current, bitmap: ZERO, history: pastOf(from) };
  const filled = to.resync === "target";
  for (const side of [from, to]) {
    side.resync = null;
    side.disk = "UpToDate";
    side.peerOutdated = false;
    side.syncedThisBoot = true;
    if (side.role === "Secondary") side.crashedPrimary = false;
  }
  // A23: moves count only while no resync came between them.
  if (filled && wholeEverywhere(sim)) sim.moves = [];
}

const wholeEverywhere = (sim: Sim): boolean =>
  NAMES.every((name) =>
    sim.resources.every((r) => sideOf(sim.hosts[name], r).connected && sideOf(sim.hosts[name], r).disk === "UpToDate"),
  );

const pastOf = ({ generation }: Side): readonly string[] =>
  (generation.bitmap === ZERO ? generation.history : [generation.bitmap, ...generation.history]).slice(0, 2);
