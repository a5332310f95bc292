// Effects of the pool's decision on the simulated hosts: each takes time in its lane (daemon/pool-hands) and may fail, be
// slow, or be done although it is reported as failed.

import type { PoolAction } from "../../../src/core/pool/model.ts";
import { inContact, restartRefusal } from "../../../src/core/pool/facts.ts";
import { assertNever } from "../../../src/util/assert.ts";
import { fenceBy, localNow, whenHandsAwake, type ActionFault } from "../stage.ts";
import { checkVote } from "./checks.ts";
import { observeMemberDomains, observeRole } from "./observe.ts";
import { joined, memberOf, onSwitch, roleOf, toolstackAnswers, type Member, type PoolSim } from "./members.ts";

export type PoolEffect = Exclude<Extract<PoolAction, { readonly id: number }>, { readonly kind: "command-reply" }>;
type Outcome = true | string;

const LATENCY: Readonly<Record<PoolEffect["kind"], number>> = {
  persist: 20,
  "pause-domains": 200,
  "unpause-domains": 200,
  "destroy-domains": 200,
  fence: 300,
  "watchdog-arm": 10,
  "watchdog-disarm": 10,
  "xapi-promote": 10_000,
  "recover-supporters": 4_000,
  "recover-host": 1_000,
};

function laneOf(action: PoolEffect): string {
  switch (action.kind) {
    case "fence":
    case "recover-host":
      return `${action.kind}:${action.hostId}`;
    case "xapi-promote":
    case "recover-supporters":
      return "pool";
    case "watchdog-arm":
    case "watchdog-disarm":
      // In the brain's own thread.
      return "watchdog";
    default:
      return action.kind === "persist" ? "store" : "domains";
  }
}

export function startPoolEffect(pool: PoolSim, m: Member, action: PoolEffect): void {
  const { stage } = pool;
  const { machine, lives } = m;
  const fault = takeFault(pool, m, action.kind);
  const base = LATENCY[action.kind] * (action.kind === "fence" ? 1 : machine.slowness);
  const varied = stage.noisy ? base * stage.random.between(0.5, 1.8) : base;
  const takes = varied + (fault === "slow" || fault === "late" ? stage.random.between(500, 4_000) : 0);
  const lane = laneOf(action);
  const begins = Math.max(stage.now, m.laneFreeAt.get(lane) ?? 0);
  m.laneFreeAt.set(lane, begins + takes);
  const { boots } = machine;
  // The child process of a daemon that died may be through already, or die with it.
  const outlives = stage.noisy && action.kind !== "persist" && stage.random.chance(0.3);
  const same = (): boolean => machine.power && machine.boots === boots && (m.lives === lives || outlives);
  const report = (outcome: Outcome): void => {
    if (!same() || m.lives !== lives || m.state === null) return;
    lookAgain(pool, m, action.kind);
    const ok = outcome === true;
    pool.feed(m, { kind: "result", id: action.id, ok, detail: ok ? action.kind : outcome });
  };
  const late = (run: () => void): void => (lane === "watchdog" ? run() : whenHandsAwake(stage, machine, run));
  stage.after(begins + takes - stage.now, () =>
    late(() => {
      if (!same()) return;
      if (fault === "fails") return report("made to fail");
      const before = m.disk.record;
      apply(pool, m, action, (outcome) => {
        if (fault === "unsynced") m.disk.synced = before;
        const lies = fault === "done-but-failed" && action.kind !== "persist";
        const told = lies && outcome === true ? "made to look failed" : outcome;
        // A daemon may die between the deed and its report.
        stage.after(stage.noisy ? stage.random.between(0, 15) : 0, () => late(() => report(told)));
      });
    }),
  );
}

function takeFault({ stage }: PoolSim, m: Member, kind: PoolEffect["kind"]): ActionFault | null {
  const set = m.actionFaults.get(kind);
  if (set === undefined) return null;
  if (!set.always) m.actionFaults.delete(kind);
  stage.note(m.machine.name, "fault", `${kind} ${set.fault}`);
  return set.fault === "unsynced" && kind !== "persist" ? "fails" : set.fault;
}

function lookAgain(pool: PoolSim, m: Member, kind: PoolEffect["kind"]): void {
  if (kind.endsWith("-domains") || kind === "recover-host") return observeMemberDomains(pool, m);
  if (kind.startsWith("watchdog")) return pool.feed(m, { kind: "watchdog", armed: m.machine.watchdog.armed });
  if (kind === "xapi-promote" || kind === "recover-supporters") observeRole(pool, m);
}

/** The world's side of an effect; `done` hears true, or why it failed. */
function apply(pool: PoolSim, m: Member, action: PoolEffect, done: (outcome: Outcome) => void): void {
  const { stage } = pool;
  const { machine } = m;
  switch (action.kind) {
    case "persist":
      checkVote(pool, m, action.record);
      m.disk.record = action.record;
      m.disk.synced = action.record;
      return done(true);
    case "pause-domains":
      for (const domain of machine.domains.values()) domain.paused = true;
      return done(true);
    case "unpause-domains":
      for (const uuid of action.destroy) machine.domains.delete(uuid);
      for (const domain of machine.domains.values()) domain.paused = false;
      return done(true);
    case "destroy-domains":
      for (const uuid of action.domains) machine.domains.delete(uuid);
      return done(true);
    case "fence": {
      const victim = memberOf(pool, action.hostId);
      const device = { state: () => victim.bmc, reached: () => onSwitch(pool, m) };
      const off = (): void => pool.powerOff(victim, "fence");
      return fenceBy(stage, device, { off, power: () => victim.machine.power }, done);
    }
    case "watchdog-arm":
    case "watchdog-disarm":
      machine.watchdog = { armed: action.kind === "watchdog-arm", fedAt: stage.now, fired: false };
      return done(true);
    case "xapi-promote":
      if (!toolstackAnswers(pool, m)) return done("the toolstack does not answer");
      m.disk.role = "master";
      m.disk.masterId = machine.name;
      return done(true);
    case "recover-supporters":
      if (!toolstackAnswers(pool, m)) return done("the toolstack does not answer");
      if (roleOf(m).role !== "master") return done("HOST_IS_SLAVE");
      for (const other of pool.members) if (other !== m) follow(pool, m, other);
      return done(true);
    case "recover-host":
      return declareDead(pool, m, action, done);
    default:
      return assertNever(action);
  }
}

/** `pool.recover_slaves`: whoever is reached takes this host for the master. */
function follow(pool: PoolSim, m: Member, other: Member): void {
  if (!joined(pool, m, other) || !toolstackAnswers(pool, other)) return;
  if (other.pair !== null) other.pair.disk.xapi = "supporter";
  else {
    other.disk.role = "supporter";
    other.disk.masterId = m.machine.name;
  }
  observeRole(pool, other);
}

/** The hands ask their newest snapshot of the decision, also while the brain stands still. */
const permitted = ({ state, shownAt }: Member, hostId: string): boolean =>
  state !== null && restartRefusal(state, hostId, shownAt) === undefined;

type Recovery = PoolEffect & { readonly kind: "recover-host" };

/** xapi forgets where the dead host's VMs ran; the hands remember it for later attempts. */
function declareDead(pool: PoolSim, m: Member, action: Recovery, done: (outcome: Outcome) => void): void {
  const { hostId } = action;
  if (!toolstackAnswers(pool, m)) return done("the toolstack does not answer");
  if (!permitted(m, hostId)) return done("permission was withdrawn");
  for (const [vm, at] of pool.residence) {
    if (at !== hostId) continue;
    m.ranAt.set(vm, hostId);
    pool.residence.set(vm, null);
  }
  startNext(pool, m, action, 0, done);
}

/** One start after the other, spread over the survivors; permission is asked before each (D7). A start takes its time. */
function startNext(pool: PoolSim, m: Member, action: Recovery, begun: number, done: (outcome: Outcome) => void): void {
  const { stage, residence } = pool;
  const { machine, lives } = m;
  const vm = [...m.ranAt].find(([uuid, at]) => at === action.hostId && residence.get(uuid) === null)?.[0];
  if (vm === undefined) return done(true);
  if (!toolstackAnswers(pool, m)) return done("the toolstack does not answer");
  if (!permitted(m, action.hostId)) return done("permission was withdrawn");
  const target = targetOf(pool, m, action, begun);
  if (target === undefined) return done("no host that is left can be given VMs now");
  residence.set(vm, target.machine.name);
  target.machine.domains.set(vm, { paused: false });
  stage.after(stage.noisy ? stage.random.between(500, 6_000) : 500, () =>
    whenHandsAwake(stage, machine, () => {
      if (machine.power && m.lives === lives && m.state !== null) startNext(pool, m, action, begun + 1, done);
    }),
  );
}

/** A survivor whose daemon tells its domains now (act/pool/start-vm) and whose toolstack takes the order. */
function targetOf(pool: PoolSim, m: Member, { survivors }: Recovery, begun: number): Member | undefined {
  const { stage } = pool;
  const { state } = m;
  const fit = survivors.filter((id) => {
    const other = memberOf(pool, id);
    if (!toolstackAnswers(pool, other)) return false;
    if (other === m) return true;
    const known = state?.neighbours[id];
    if (state === null || known === undefined || !joined(pool, m, other)) return false;
    return inContact(state, known, localNow(stage, m.machine)) && known.body?.domains !== null;
  });
  const id = fit[begun % Math.max(1, fit.length)];
  return id === undefined ? undefined : memberOf(pool, id);
}
