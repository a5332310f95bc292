// Effects of the decision function on the simulated host: each takes time in its lane and may fail, be slow, be done
// although it is reported as failed, or be done long after it was given up.

import { restartRefusal } from "../../src/core/decide/recovery.ts";
import type { DurableRecord } from "../../src/core/model/durable.ts";
import type { Effect } from "../../src/core/plan/action.ts";
import { assertNever } from "../../src/util/assert.ts";
import { checkRecord } from "./checks.ts";
import { demote, observeDrbd, outdate, promote, resume } from "./drbd.ts";
import { onSwitch } from "./network.ts";
import { observeDomains, observeTarget, observeVip, observeXapi } from "./observe.ts";
import { other } from "./settings.ts";
import {
  freshTarget,
  drbdStalled,
  heldOpen,
  sideOf,
  targetHangs,
  type EffectKind,
  type Host,
  type Sim,
} from "./sim.ts";
import { type ActionFault, fenceBy, frozen, localNow, whenHandsAwake } from "./stage.ts";

const LATENCY: Partial<Record<EffectKind, number>> = {
  persist: 20,
  promote: 80,
  demote: 80,
  outdate: 60,
  "target-fill": 100,
  "vip-add": 40,
  "vip-remove": 40,
  fence: 300,
  "xapi-promote": 14000,
  "xapi-reset-left": 3000,
  "recover-supporters": 12000,
  "recover-peer": 3000,
};
/** Drivers give up on a hanging tool after this. */
const DEADLINE_MS = 5_000;
/** As the drivers of the target and of DRBD: how long a killed target, and a device that is held open, are waited for. */
const KILL_MS = 3_000;
const CLOSE_MS = 5_000;
const LOOK_MS = 200;
/** The procedures on the pool are made of calls with deadlines. */
const POOL_LIMIT_MS = 40_000;
/**
 * Tools that can hang in the kernel and end later than their deadline. Durable writes have no deadline and never overtake
 * one another (drivers/store); addresses and filters are one answer of netlink.
 */
const HANGS =
  /^(promote|demote|outdate|drbd-up|drbd-connect|drbd-discard|resume-io|target-.*|portal-open|pause-domains)$/;

type Outcome = true | string;

function laneOf({ kind }: Effect): string {
  if (kind.startsWith("target") || kind === "portal-open") return "target";
  if (kind.endsWith("-portal")) return "firewall";
  if (kind.startsWith("vip")) return "vip";
  if (kind.endsWith("domains")) return "domains";
  if (kind.startsWith("xapi") || kind.startsWith("recover")) return "pool";
  if (kind.startsWith("watchdog")) return "watchdog";
  if (kind === "persist" || kind === "fence") return kind;
  return "drbd";
}

/** What goes wrong with this one; a part of the host that hangs makes every tool hang that talks to it. */
function faultOf(sim: Sim, h: Host, action: Effect): ActionFault | null {
  const lane = laneOf(action);
  const mortal = action.kind === "target-withdraw" && !h.targetDeep;
  if ((lane === "target" && targetHangs(sim, h) && !mortal) || (lane === "drbd" && drbdStalled(sim, h))) return "late";
  if (lane === "pool" && h.toolstackUntil > sim.now) return "fails";
  const drawn = takeFault(sim, h, action.kind);
  if (drawn === "unsynced" && action.kind !== "persist") return "fails";
  return drawn === "late" && !HANGS.test(action.kind) ? "slow" : drawn;
}

export function startEffect(sim: Sim, h: Host, action: Effect): void {
  const fault = faultOf(sim, h, action);
  const base = sim.latency?.(action.kind) ?? LATENCY[action.kind] ?? 10;
  const varied = sim.noisy ? base * sim.random.between(0.5, 1.8) : base;
  const slowness = action.kind === "fence" ? 1 : h.slowness;
  const slow = fault === "slow" ? sim.random.between(500, 4_000) : 0;
  const lane = laneOf(action);
  const whole = varied * slowness + slow;
  const takes = fault === "late" ? DEADLINE_MS : lane === "pool" ? Math.min(whole, POOL_LIMIT_MS) : whole;
  const begins = Math.max(sim.now, h.laneFreeAt.get(lane) ?? 0);
  h.laneFreeAt.set(lane, begins + takes + (sim.noisy ? 15 : 0));
  const { boots, daemons } = h;
  // The child process of a daemon that died may be through already, or die with it.
  const outlives = sim.noisy && action.kind !== "persist" && sim.random.chance(0.3);
  const same = (): boolean => h.power && h.boots === boots && (h.daemons === daemons || outlives);
  const report = (outcome: Outcome): void => {
    if (!same() || h.daemons !== daemons || h.state === null) return;
    lookAgain(sim, h, action.kind);
    const ok = outcome === true;
    sim.feed(h, { kind: "result", id: action.id, ok, detail: ok ? action.kind : outcome });
  };
  if (action.kind === "persist" && fault !== "fails")
    sim.after(begins - sim.now, () => {
      if (same() && h.state !== null) h.writing = action.record;
    });
  sim.after(begins + takes - sim.now, () =>
    whenHandsAwake(sim, h, () => {
      if (!same()) return;
      if (fault === "fails") {
        // drbdadm gave up between the disk and the connection.
        if (action.kind === "drbd-up") {
          Object.assign(sideOf(h, action.resource), { up: true, standAlone: true });
          drbdChanged(sim, h, true);
        }
        return report("made to fail");
      }
      const hung = `${boots} ${lane}`;
      // The door to other programs starts nothing in a lane whose last process is not gone yet (drivers/exec).
      if (lane === "drbd" && (h.hung.get(hung) ?? 0) > 0) return report("an earlier command hangs");
      if (fault === "late") {
        h.hung.set(hung, (h.hung.get(hung) ?? 0) + 1);
        const comesThrough = (): void => {
          if ((lane === "target" && targetHangs(sim, h)) || (lane === "drbd" && drbdStalled(sim, h)))
            return sim.after(100, comesThrough);
          h.hung.set(hung, (h.hung.get(hung) ?? 0) - 1);
          if (!same()) return;
          apply(sim, h, action, () => undefined);
          // The watch on the server's socket tells its death, whoever ended it.
          if (action.kind === "target-withdraw") sim.feed(h, { kind: "target-died", detail: "ended late" });
        };
        const stalls = (lane === "target" && targetHangs(sim, h)) || (lane === "drbd" && drbdStalled(sim, h));
        sim.after(sim.random.between(200, stalls ? 400 : 6_000), comesThrough);
        return report("gave up after its deadline");
      }
      const before = h.disk.record;
      apply(sim, h, action, (outcome) => {
        if (fault === "unsynced") h.disk.synced = before;
        // The executor reads the durable record back after a failure (act/execute.ts): what is done is told as done.
        const lies = fault === "done-but-failed" && action.kind !== "persist";
        const told = lies && outcome === true ? "made to look failed" : outcome;
        // A daemon may die between the deed and its report.
        if (sim.noisy) sim.after(sim.random.between(0, 15), () => whenHandsAwake(sim, h, () => report(told)));
        else report(told);
      });
    }),
  );
}

function takeFault(sim: Sim, h: Host, kind: EffectKind): ActionFault | null {
  const set = h.actionFaults.get(kind);
  if (set === undefined) return null;
  if (!set.always) h.actionFaults.delete(kind);
  sim.note(h.name, "fault", `${kind} ${set.fault}`);
  return set.fault;
}

/** The same looks as the executor's (src/act/execute.ts), before the result is told. */
function lookAgain(sim: Sim, h: Host, kind: EffectKind): void {
  switch (kind) {
    case "target-warm":
    case "target-withdraw":
    case "target-fill":
    case "portal-open":
    case "target-bar-peer":
      return observeTarget(sim, h);
    case "vip-add":
    case "vip-remove":
      return observeVip(sim, h);
    case "pause-domains":
    case "unpause-domains":
    case "destroy-domains":
    case "recover-peer":
    case "start-confirmed":
      return observeDomains(sim, h);
    case "watchdog-arm":
    case "watchdog-disarm":
      return sim.feed(h, { kind: "watchdog", armed: h.watchdog.armed });
    case "xapi-promote":
    case "xapi-designate":
    case "recover-supporters":
      return observeXapi(sim, h);
    default:
      return;
  }
}

/** DRBD tells every change by itself, to both ends of a connection. */
function drbdChanged(sim: Sim, h: Host, outcome: Outcome): Outcome {
  observeDrbd(sim, h);
  if (sim.resources.some((r) => sideOf(h, r).connected)) observeDrbd(sim, sim.hosts[other(h.name)]);
  return outcome;
}

/** A driver that looks again and again: true as soon as it is so, else at the end why it is not. */
function within(sim: Sim, h: Host, limitMs: number, look: () => Outcome, done: (outcome: Outcome) => void): void {
  const { boots } = h;
  const until = sim.now + limitMs;
  const again = (): void => {
    if (!h.power || h.boots !== boots) return;
    const outcome = look();
    if (outcome === true || sim.now >= until) return done(outcome);
    sim.after(LOOK_MS, again);
  };
  again();
}

const anyHeldOpen = (sim: Sim, h: Host): boolean => sim.resources.some((resource) => heldOpen(h, resource));

/** The world's side of an effect; `done` hears true, or why it failed. */
function apply(sim: Sim, h: Host, action: Effect, done: (outcome: Outcome) => void): void {
  const peer = sim.hosts[other(h.name)];
  switch (action.kind) {
    case "persist":
      writeRecord(sim, h, action.record);
      return done(true);
    case "drbd-up":
      sideOf(h, action.resource).up = true;
      return done(drbdChanged(sim, h, true));
    case "drbd-connect":
      // A connection that is made anew forgets an earlier order to discard.
      if (sideOf(h, action.resource).standAlone)
        Object.assign(sideOf(h, action.resource), { standAlone: false, discards: false });
      return done(true);
    case "drbd-discard": {
      const side = sideOf(h, action.resource);
      if (side.role === "Primary") return done("the resource is Primary");
      side.standAlone = false;
      side.discards = true;
      return done(true);
    }
    case "promote":
      if (h.disk.record.owner !== h.name)
        sim.violate(`V6 ${h.name} promotes ${action.resource} although its durable owner is ${h.disk.record.owner}`);
      return promote(sim, h, action.resource, (outcome) => done(drbdChanged(sim, h, outcome)));
    case "demote": {
      const demoted = (): Outcome => demote(sim, h, action.resource, action.abandon === true);
      // The driver waits for the one who has the device open; what the suspended writes were waiting for has come.
      if (action.abandon !== true) return done(drbdChanged(sim, h, demoted()));
      return within(sim, h, CLOSE_MS, demoted, (outcome) => done(drbdChanged(sim, h, outcome)));
    }
    case "outdate":
      return done(drbdChanged(sim, h, outdate(h, action.resource)));
    case "resume-io":
      if (h.disk.record.solo[action.resource] !== true)
        sim.violate(`V6 ${h.name} resumes I/O before the other copy is durably barred`);
      resume(sim, h, action.resource);
      return done(drbdChanged(sim, h, true));
    case "target-warm":
      if (anyHeldOpen(sim, h)) return done("the one before is not gone yet");
      h.dying.clear();
      h.target.running = true;
      return done(true);
    case "target-fill":
      if (sim.resources.some((r) => sideOf(h, r).role !== "Primary")) return done("not primary");
      if (anyHeldOpen(sim, h)) return done("the one before is not gone yet");
      h.dying.clear();
      h.target = { ...h.target, running: true, filled: true, barred: action.bar };
      return done(true);
    case "target-bar-peer":
      h.target.barred = true;
      return done(true);
    case "portal-open":
      if (!h.target.running) return done("the target does not run");
      h.target.portalOpen = true;
      return done(true);
    case "target-withdraw":
      if (h.target.filled) for (const resource of sim.resources) h.dying.add(resource);
      h.target = freshTarget();
      h.targetUntil = sim.now;
      return within(sim, h, KILL_MS, () => !anyHeldOpen(sim, h) || "it hangs in the kernel and holds its device", done);
    case "hush-portal":
      // Best effort and not verified: sometimes nothing happens, and it is told as done.
      if (!sim.noisy || action.what === "off" || !sim.random.chance(0.02)) h.hush = action.what;
      return done(true);
    case "block-portal":
      h.blocked = true;
      return done(true);
    case "unblock-portal":
      h.blocked = false;
      return done(true);
    case "vip-add":
      // A target that dies in this very moment is told, and everything is undone.
      if (sim.resources.some((r) => sideOf(h, r).role !== "Primary"))
        sim.violate(`V9 floating IP added early on ${h.name}`);
      h.vip = true;
      return done(true);
    case "vip-remove":
      h.vip = false;
      return done(true);
    case "pause-domains":
      for (const d of h.domains.values()) d.paused = true;
      return done(true);
    case "unpause-domains":
      for (const uuid of action.destroy) h.domains.delete(uuid);
      for (const d of h.domains.values()) d.paused = false;
      return done(true);
    case "fence":
      if (h.withdrawn.has(action.id)) return done("withdrawn");
      return fence(sim, h, peer, action.hostId, done);
    case "watchdog-arm":
      h.watchdog = { armed: true, fedAt: sim.now, fired: false };
      return done(true);
    case "watchdog-disarm":
      h.watchdog = { armed: false, fedAt: sim.now, fired: false };
      return done(true);
    case "xapi-promote":
      h.disk.xapi = "master";
      return done(true);
    case "xapi-designate":
      // Toolstacks talk on the management network only.
      if (!peer.power || !onSwitch(sim.network, h.name) || !onSwitch(sim.network, peer.name))
        return done("the other toolstack was not reached");
      h.disk.xapi = "supporter";
      peer.disk.xapi = "master";
      if (peer.power) observeXapi(sim, peer);
      return done(true);
    case "xapi-reset-left":
      return done(resetLeft(sim, h, peer));
    case "recover-supporters":
      if (h.disk.xapi !== "master") return done("HOST_IS_SLAVE");
      if (!peer.power || !onSwitch(sim.network, h.name) || !onSwitch(sim.network, peer.name))
        return done("the other toolstack was not reached");
      peer.disk.xapi = "supporter";
      observeXapi(sim, peer);
      return done(true);
    case "recover-peer":
      return recover(sim, h, done);
    case "destroy-domains":
      for (const uuid of action.domains) h.domains.delete(uuid);
      return done(true);
    case "start-confirmed":
      for (const uuid of action.domains) {
        h.domains.set(uuid, { paused: false });
        sim.residence.set(uuid, h.name);
      }
      return done(true);
    default:
      return assertNever(action);
  }
}

function writeRecord(sim: Sim, h: Host, record: DurableRecord): void {
  checkRecord(sim, h, record);
  h.disk.record = record;
  h.disk.synced = record;
  h.writing = null;
}

/** The daemon ends in the middle of a write: a restart finds the old record or the new one, each whole (drivers/store). */
export function cutWrite(sim: Sim, h: Host): void {
  const { writing } = h;
  h.writing = null;
  if (writing !== null && sim.noisy && sim.random.chance(0.5)) writeRecord(sim, h, writing);
}

function fence(sim: Sim, h: Host, peer: Host, hostId: string, done: (outcome: Outcome) => void): void {
  if (hostId === h.name) sim.violate("V7 fenced itself");
  const device = { state: () => sim.bmc[peer.name], reached: () => onSwitch(sim.network, h.name) };
  fenceBy(sim, device, { off: () => sim.powerOff(peer, "fence"), power: () => peer.power }, done);
}

/** A13: what a host shut down before it left is halted in the pool's database; nothing that runs ever is. */
function resetLeft(sim: Sim, h: Host, peer: Host): Outcome {
  if (h.disk.xapi !== "master") return "HOST_IS_SLAVE";
  if (h.state === null || restartRefusal(h.state, localNow(sim, h)) !== undefined) return "permission was withdrawn";
  if (peer.domains.size > 0) sim.violate(`V2 ${h.name} halts VMs in the database that run on ${peer.name}`);
  for (const [uuid, where] of sim.residence) if (where === peer.name) sim.residence.set(uuid, null);
  return true;
}

/**
 * Starts what the pool database says ran on the lost host; permission is asked again before each start (D7). A start takes
 * its time: the domain runs long before anybody here has looked at it.
 */
function recover(sim: Sim, h: Host, done: (outcome: Outcome) => void): void {
  const next = [...sim.residence].find(([, where]) => where === other(h.name));
  if (next === undefined) return done(true);
  if (frozen(sim, h)) return sim.after(100, () => recover(sim, h, done));
  if (h.toolstackUntil > sim.now) return done("the toolstack does not answer");
  if (h.state === null || restartRefusal(h.state, localNow(sim, h)) !== undefined)
    return done("permission was withdrawn");
  h.domains.set(next[0], { paused: false });
  sim.residence.set(next[0], h.name);
  const { daemons, boots } = h;
  sim.after(sim.noisy ? sim.random.between(500, 8_000) : 2_000, () => {
    if (h.daemons === daemons && h.boots === boots && h.power) recover(sim, h, done);
  });
}
