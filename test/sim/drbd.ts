// The kernel's DRBD on both hosts (drbdsetup(8), protocol C, fencing resource-and-stonith): connection and its loss,
// suspension and the fence-peer handler, data generations, attach, promotion. What F5 of the protocol promises.

import type { DrbdView } from "../../src/core/model/drbd.ts";
import { known } from "../../src/core/model/observation.ts";
import { talks } from "./network.ts";
import { fill, finishResync, handshake, holdsData } from "./handshake.ts";
import { other } from "./settings.ts";
import { drbdStalled, freshGeneration, heldOpen, serves, sideOf, ZERO, type Host, type Side, type Sim } from "./sim.ts";
import { localNow } from "./stage.ts";

export const KERNEL_MS = 50;

function viewOf(side: Side, peer: Side): DrbdView {
  const { connected } = side;
  const replication =
    side.resync === "source"
      ? "SyncSource"
      : side.resync === "target"
        ? "SyncTarget"
        : connected
          ? "Established"
          : "Off";
  return {
    role: side.role,
    disk: side.disk,
    connection: connected ? "Connected" : side.standAlone ? "StandAlone" : "Connecting",
    replication,
    peerRole: connected ? peer.role : "Unknown",
    peerDisk: connected
      ? peer.disk
      : side.peerOutdated
        ? "Outdated"
        : side.peerInconsistent
          ? "Inconsistent"
          : "DUnknown",
    suspended: side.suspended,
    outOfSyncKiB: 0,
    donePercent: null,
    generation: side.generation,
  };
}

export function observeDrbd(sim: Sim, h: Host): void {
  const peer = sim.hosts[other(h.name)];
  const views: Record<string, DrbdView> = {};
  for (const resource of sim.resources) {
    const side = sideOf(h, resource);
    if (side.up) views[resource] = viewOf(side, sideOf(peer, resource));
  }
  sim.feed(h, { kind: "drbd", views: known(views, localNow(sim, h)) });
}

/** Both kernels run and packets of the replication network pass both ways. */
export function pathUp(sim: Sim): boolean {
  const { a, b } = sim.hosts;
  return a.power && b.power && !drbdStalled(sim, a) && !drbdStalled(sim, b) && talks(sim.network, "replication");
}

/** What DRBD makes of its metadata when it attaches after a boot. */
export function boot(sim: Sim, h: Host): void {
  for (const resource of sim.resources) forget(h, resource);
}

/** Everything of this session is gone; UpToDate only where the peer is known to be behind, else Consistent (F5, R1.7). */
function forget(h: Host, resource: string): void {
  const side = sideOf(h, resource);
  side.up = false;
  side.role = "Secondary";
  side.connected = false;
  side.standAlone = false;
  side.discards = false;
  side.suspended = false;
  side.resync = null;
  side.inFlight = null;
  side.handlers = [];
  side.syncedThisBoot = false;
  if (h.disk.broken) side.disk = "Diskless";
  else if (side.disk === "UpToDate" && !side.peerOutdated) side.disk = "Consistent";
}

/** `drbdadm down`, which is refused where the resource is in use. */
export function takeDown(sim: Sim, h: Host, resource: string): void {
  if (sideOf(h, resource).role === "Primary") return;
  loseConnection(sim, sim.hosts[other(h.name)], resource);
  forget(h, resource);
  observeDrbd(sim, h);
}

/** The part of the data generation that a Primary without its peer begins. */
function beginGeneration(sim: Sim, side: Side): void {
  const { generation } = side;
  if (generation.bitmap !== ZERO) return;
  side.generation = { ...generation, bitmap: generation.current, current: freshGeneration(sim) };
}

/** The policy is satisfied: I/O goes on without the peer. */
export function resume(sim: Sim, h: Host, resource: string): void {
  const side = sideOf(h, resource);
  if (!side.suspended || (!side.connected && !holdsData(side))) return;
  side.suspended = false;
  if (!side.connected && side.role === "Primary") beginGeneration(sim, side);
}

/** The disk is detached after an I/O error; what was connected goes on through the peer. */
export function detach(sim: Sim, h: Host): void {
  for (const resource of sim.resources) {
    const side = sideOf(h, resource);
    const peer = sideOf(sim.hosts[other(h.name)], resource);
    if (side.resync !== null) peer.resync = null;
    side.resync = null;
    side.disk = "Diskless";
    for (const [one, two] of [
      [side, peer],
      [peer, side],
    ] as const) {
      const data = holdsData(one) || (one.connected && holdsData(two));
      if (one.role === "Primary" && !data) one.suspended = true;
    }
  }
  for (const each of [h, sim.hosts[other(h.name)]]) observeDrbd(sim, each);
}

/** A new disk is empty: it is filled from the peer, at once where they are connected. */
export function attachEmpty(sim: Sim, h: Host): void {
  for (const resource of sim.resources) {
    const side = sideOf(h, resource);
    const peer = sideOf(sim.hosts[other(h.name)], resource);
    side.disk = "Inconsistent";
    side.data = 0;
    if (side.connected && peer.connected && fill(sim, peer, side) < Infinity) side.suspended = false;
  }
  for (const each of [h, sim.hosts[other(h.name)]]) observeDrbd(sim, each);
}

export function promote(sim: Sim, h: Host, resource: string, done: (outcome: true | string) => void): void {
  const side = sideOf(h, resource);
  const peer = sideOf(sim.hosts[other(h.name)], resource);
  if (!side.up) return done("the resource is not up");
  if (side.role === "Primary") return done(true);
  // The driver withdraws what would give up the data that is written from now on (drivers/drbd/discard).
  if (!side.connected) side.discards = false;
  if (side.connected && peer.role === "Primary") return done("both primary (11)");
  // A Consistent disk becomes UpToDate when the handler says that the peer is out of the way (R1.7).
  const usable = side.connected ? side.disk === "UpToDate" || peer.disk === "UpToDate" : knowsItsData(side);
  if (!usable) return done(`no UpToDate data (17): ${side.disk}`);
  if (side.connected || side.peerOutdated || side.peerInconsistent) {
    becomePrimary(sim, h, resource);
    return done(true);
  }
  const finish = (allowed: boolean): void => {
    if (!allowed) return done("fence-peer said no");
    becomePrimary(sim, h, resource);
    done(true);
  };
  const id = `h${sim.nextId++}`;
  side.handlers.push({ id, promote: finish });
  sim.feed(h, { kind: "handler", resource, handler: id });
  // The tool has its own deadline; the handler that nobody answered is killed with it.
  sim.after(5_000, () => {
    const waits = side.handlers.some((x) => x.id === id);
    if (!waits) return;
    side.handlers = side.handlers.filter((x) => x.id !== id);
    sim.feed(h, { kind: "handler-gone", handler: id });
    done("the fence-peer handler was not answered");
  });
}

const knowsItsData = (side: Side): boolean => side.disk === "UpToDate" || side.disk === "Consistent";

function becomePrimary(sim: Sim, h: Host, resource: string): void {
  const side = sideOf(h, resource);
  side.role = "Primary";
  side.crashedPrimary = true;
  // D13 compared the generations of both hosts, and the other one made it durable that this one owns this very epoch; and
  // it is true that the other copy holds nothing that this one lacks.
  const peer = sim.hosts[other(h.name)];
  const theirs = peer.disk.record;
  // (A copy that was being filled holds nothing: what it has more is an unacknowledged write that the fill had not reached.)
  const newest = !holdsData(sideOf(peer, resource)) || side.data >= sideOf(peer, resource).data;
  const chosen = newest && theirs.owner === h.name && theirs.epoch === h.disk.record.epoch;
  const solo = h.bootRecord.owner === h.name && h.bootRecord.solo[resource] === true;
  const { state } = h;
  // F6: an operator who forces it has read the warning (protocol.md 9, "waits for old master or operator force").
  const byForce =
    state?.fence.confirmed === true && h.forced && state.commands.some(({ kind }) => kind === "become-primary");
  // Between the order and the kernel the disk failed, or the old owner came back with newer writes and fills this copy: DRBD
  // serves from the other one, which has them all.
  const changedMeanwhile =
    (side.disk === "Diskless" || side.resync === "target") &&
    side.askedFrom === "UpToDate" &&
    side.connected &&
    sideOf(peer, resource).disk === "UpToDate";
  if (side.disk !== "UpToDate" && !byForce && !changedMeanwhile)
    sim.violate(`V4 ${h.name} promoted ${resource} from ${side.disk}`);
  else if (!byForce && !side.connected && !side.syncedThisBoot && !solo && !chosen)
    sim.violate(`V4 ${h.name} promoted ${resource}, rebooted since it was last in sync and not solo`);
  if (side.connected) return;
  beginGeneration(sim, side);
  if (side.disk === "Consistent") side.disk = "UpToDate";
}

/** `abandon`: suspended writes fail first, so that whoever waits for them can end. */
export function demote(sim: Sim, h: Host, resource: string, abandon: boolean): true | string {
  const side = sideOf(h, resource);
  if (side.role === "Secondary") return true;
  if (abandon && side.handlers.length > 0) return "a fence-peer handler waits";
  if (h.target.filled || (!abandon && heldOpen(h, resource))) return "device is held open (11)";
  if (h.vip) sim.violate(`V9 ${h.name} demoted ${resource} under the floating IP`);
  side.role = "Secondary";
  side.crashedPrimary = false;
  side.suspended = false;
  side.inFlight = null;
  return true;
}

export function outdate(h: Host, resource: string): true | string {
  const side = sideOf(h, resource);
  if (!side.up) return "the resource is not up";
  if (side.role === "Primary") return "this side is Primary";
  if (side.connected) {
    // The driver gives the connection up first (drivers/drbd): the peer's kernel gets a reset, or its silence.
    side.connected = false;
    side.standAlone = true;
    if (side.resync === "target") side.disk = "Inconsistent";
    side.resync = null;
  }
  if (side.disk === "UpToDate" || side.disk === "Consistent") side.disk = "Outdated";
  return true;
}

export function answerHandler(sim: Sim, h: Host, resource: string, handler: string, code: 4 | 7 | 6 | 1): void {
  const side = sideOf(h, resource);
  const waiting = side.handlers.find((x) => x.id === handler);
  if (waiting === undefined) return;
  side.handlers = side.handlers.filter((x) => x !== waiting);
  const allowed = code === 4 || code === 7;
  if (allowed && !h.disk.record.solo[resource])
    sim.violate(`V6 ${h.name} let DRBD go on without the other copy before that was durable`);
  if (allowed && !side.connected) side.peerOutdated = true;
  if (waiting.promote !== null) waiting.promote(allowed);
  else if (allowed && !side.connected) resume(sim, h, resource);
  else if (code === 6 && side.role === "Secondary" && side.disk === "UpToDate") side.disk = "Outdated";
  observeDrbd(sim, h);
}

export function loseConnection(sim: Sim, h: Host, resource: string): void {
  const side = sideOf(h, resource);
  if (!side.connected) return;
  const peer = sideOf(sim.hosts[other(h.name)], resource);
  side.connected = false;
  side.peerInconsistent = peer.disk === "Inconsistent";
  side.patience = sim.noisy ? sim.random.between(500, 1_500) : 1_400;
  if (side.resync === "target") side.disk = "Inconsistent";
  side.resync = null;
  if (side.role !== "Primary") return observeDrbd(sim, h);
  if (holdsData(side) && (side.peerInconsistent || side.peerOutdated)) {
    beginGeneration(sim, side);
    return observeDrbd(sim, h);
  }
  if (!side.suspended) side.suspendedSince = sim.now;
  side.suspended = true;
  // "Not fencing peer, I'm not even Consistent myself": no handler, and no data to go on with.
  if (!holdsData(side)) return observeDrbd(sim, h);
  const id = `h${sim.nextId++}`;
  side.handlers.push({ id, promote: null });
  observeDrbd(sim, h);
  sim.feed(h, { kind: "handler", resource, handler: id });
}

/** One kernel period: who still hears whom, writes of the VMs, reconnection, resync. */
export function createKernel(sim: Sim): () => void {
  const readySince = new Map<string, number>();
  const connectAfter = new Map<string, number>();
  return () => {
    const path = pathUp(sim);
    for (const resource of sim.resources) {
      const a = sideOf(sim.hosts.a, resource);
      const b = sideOf(sim.hosts.b, resource);
      if (a.connected || b.connected) watch(sim, resource, path);
      const ready = path && a.up && b.up && !a.connected && !b.connected && !a.standAlone && !b.standAlone;
      if (!ready) readySince.delete(resource);
      else {
        const since = readySince.get(resource) ?? sim.now;
        const takes = connectAfter.get(resource) ?? (sim.noisy ? sim.random.between(200, 1_200) : 300);
        readySince.set(resource, since);
        connectAfter.set(resource, takes);
        if (sim.now - since >= takes) {
          connectAfter.delete(resource);
          readySince.delete(resource);
          handshake(sim, resource);
          observeDrbd(sim, sim.hosts.a);
          observeDrbd(sim, sim.hosts.b);
        }
      }
    }
    if (finishResync(sim, path)) {
      observeDrbd(sim, sim.hosts.a);
      observeDrbd(sim, sim.hosts.b);
    }
    write(sim, sim.hosts.a, path);
    write(sim, sim.hosts.b, path);
  };
}

function watch(sim: Sim, resource: string, path: boolean): void {
  for (const h of [sim.hosts.a, sim.hosts.b]) {
    const side = sideOf(h, resource);
    if (!side.connected || !h.power || drbdStalled(sim, h)) continue;
    const peer = sideOf(sim.hosts[other(h.name)], resource);
    // A peer that gave up answers with a reset as soon as packets pass again.
    if (path && !peer.connected) loseConnection(sim, h, resource);
    else if (path) side.answeredAt = sim.now;
    else if (sim.now - side.answeredAt >= side.patience) loseConnection(sim, h, resource);
  }
}

/** The VMs always have one write outstanding: issued in one period, acknowledged in a later one. */
function write(sim: Sim, h: Host, path: boolean): void {
  if (!h.power || drbdStalled(sim, h)) return;
  const serving = serves(sim, h);
  for (const resource of sim.resources) {
    const side = sideOf(h, resource);
    if (side.role !== "Primary" || side.suspended) continue;
    const peer = sideOf(sim.hosts[other(h.name)], resource);
    const peerHas = side.connected && path && peer.connected;
    if (side.inFlight === null) {
      if (!serving) continue;
      const seq = (sim.issued[resource] ?? 0) + 1;
      sim.issued[resource] = seq;
      side.inFlight = seq;
      const peerFirst = peerHas && sim.noisy && sim.random.chance(0.5);
      if (peerFirst) store(peer, seq);
      else store(side, seq);
      continue;
    }
    if (side.connected && !peerHas) continue;
    store(side, side.inFlight);
    if (peerHas) store(peer, side.inFlight);
    if (side.disk === "Diskless" && !peerHas) continue;
    if (serving && effective(side, peer) >= side.inFlight)
      sim.acked[resource] = Math.max(sim.acked[resource] ?? 0, side.inFlight);
    side.inFlight = null;
  }
}

function store(side: Side, seq: number): void {
  if (side.disk !== "Diskless" && side.data < seq) side.data = seq;
}

/** Newest write that a reader of this side sees: its own disk, or the peer's where it has none that is whole. */
export const effective = (side: Side, peer: Side): number =>
  side.disk === "UpToDate" || !side.connected ? side.data : peer.data;

/** For invariant messages and V3. */
export const readable = (sim: Sim, h: Host, resource: string): number =>
  effective(sideOf(h, resource), sideOf(sim.hosts[other(h.name)], resource));
