// Tries the claims of canonical.ts on the real function: a sample of the local states and events of a search is computed
// again with everything that should not matter changed, and must come out the same. A claim that is wrong, or becomes
// wrong because the core starts to look at something, stops the search.

import type { CoreConfig } from "../../src/core/model/config.ts";
import type { DurableRecord } from "../../src/core/model/durable.ts";
import type { HeartbeatBody } from "../../src/core/model/peer.ts";
import type { State } from "../../src/core/model/state.ts";
import { canonical, textOf, type Local, type Outstanding } from "./canonical.ts";
import { bodyMatters, heardHorizonMs, leaseHorizonMs } from "./canonical-state.ts";
import { HORIZON_MS, shiftBody, shiftRequest, shiftToken } from "./frame.ts";
import { happen, type Happening } from "./happening.ts";
import { TICK_MS } from "./scale.ts";

const DEEPER_PAST_MS = 7_000;
const EPOCHS_ON = 40;
const OTHER_IDS = 1_000;

/** Throws when `step` tells two states apart that the search takes for one. */
export function audit(local: Local, happening: Happening, config: CoreConfig): void {
  if (local.state === null) return;
  const plain = happen.apply(local, happening, config, TICK_MS);
  const expected = textOf(canonical(plain.local, plain.now).local);
  const noisy = happen.apply(disturb(local, local.state), move(happening), config, TICK_MS);
  const found = textOf(canonical(noisy.local, noisy.now).local);
  if (found !== expected)
    throw new Error(
      `step tells apart what canonical.ts takes for the same, at ${happening.kind}:\n${difference(expected, found)}`,
    );
}

function difference(expected: string, found: string): string {
  let at = 0;
  while (at < expected.length && expected[at] === found[at]) at += 1;
  const from = Math.max(0, at - 60);
  return `expected …${expected.slice(from, at + 60)}…\nfound    …${found.slice(from, at + 60)}…`;
}

const later = (epoch: number): number => epoch + EPOCHS_ON;

/** The same event in a world whose epochs are further on. */
function move(h: Happening): Happening {
  if (h.kind === "heartbeat") return { ...h, body: shiftBody(h.body, later) };
  return h.kind === "request" ? { ...h, request: shiftRequest(h.request, later) } : h;
}

const record = (r: DurableRecord): DurableRecord => ({
  ...r,
  epoch: r.epoch + EPOCHS_ON,
  lastSync: { r0: 7 },
});

/** An otherwise equal host: other display facts, older past, later epochs. Ids in flight stay as they are. */
function disturb(local: Local, s: State): Local {
  const older = (at: number | null): number | null => (at === null ? null : at - DEEPER_PAST_MS);
  const out = local.out.map((o): Outstanding => {
    if (o.kind === "ask") return { ...o, request: shiftRequest(o.request, later) };
    if (o.kind === "round") return { ...o, request: { ...o.request, epoch: later(o.request.epoch) } };
    if (o.kind !== "effect" || o.effect.kind !== "persist") return o;
    return { ...o, effect: { ...o.effect, record: record(o.effect.record) } };
  });
  const { timers } = s.config;
  const { peer, persisting } = s;
  const beyond = (at: number | null, horizon: number): number | null =>
    at !== null && at <= -horizon ? older(at) : at;
  const state: State = {
    ...s,
    nextId: s.nextId + OTHER_IDS,
    durable: record(s.durable),
    unsure: s.unsure === null ? null : s.unsure + EPOCHS_ON,
    persisting: persisting === null ? null : { ...persisting, record: record(persisting.record), purpose: "other" },
    peer: {
      ...peer,
      heardAt: beyond(peer.heardAt, heardHorizonMs(s)),
      signAt: beyond(peer.signAt, timers.quiet),
      contactSince: peer.contactSince === -HORIZON_MS ? older(peer.contactSince) : peer.contactSince,
      linkHeardAt: { management: -1, replication: -2 },
      linkContactAt: { management: -3, replication: -4 },
      body: peer.body === null ? null : otherBody(s, peer.body),
    },
    drbdConnectedAt: s.drbdConnectedAt === -HORIZON_MS ? older(s.drbdConnectedAt) : s.drbdConnectedAt,
    leaseFrom: beyond(s.leaseFrom, leaseHorizonMs(s)),
    votes: { ...s.votes, nextAt: s.votes.nextAt ?? -DEEPER_PAST_MS },
    probes: { ...s.probes, nextAt: s.probes.nextAt ?? -DEEPER_PAST_MS },
    witness: {
      ...s.witness,
      askedAt: s.witness.askedAt === null ? null : -DEEPER_PAST_MS,
      answers: s.witness.answers.map((a) =>
        a === null ? null : { ...a, granted: !a.granted, epoch: EPOCHS_ON, stamp: 5 },
      ),
      refusal: "another reason",
    },
    fence: { ...s.fence, verifiedAt: older(s.fence.verifiedAt) },
    syncedEpoch: s.syncedEpoch === null ? null : s.syncedEpoch + EPOCHS_ON,
    handover:
      s.handover === null
        ? null
        : { ...s.handover, epoch: later(s.handover.epoch), token: shiftToken(s.handover.token, later) },
    claim: s.claim === null ? null : { ...s.claim, epoch: s.claim.epoch + EPOCHS_ON },
    activity:
      s.activity === null
        ? null
        : {
            ...s.activity,
            token: s.activity.token === null ? null : shiftToken(s.activity.token, later),
            record:
              s.activity.record?.epoch === undefined
                ? s.activity.record
                : { ...s.activity.record, epoch: s.activity.record.epoch + EPOCHS_ON },
          },
    deferred: s.deferred.map((d) => ({ ...d, request: shiftRequest(d.request, later) })),
    tokenAt: -timers.watchdog,
    suspendedSince: -1,
    apartSince: -1,
    retryAt: s.retryAt > 0 ? s.retryAt : -DEEPER_PAST_MS,
  };
  return { ...local, state, disk: record(local.disk), out };
}

/** A heartbeat that differs in what canonical-state.ts leaves out. */
function otherBody(s: State, body: HeartbeatBody): HeartbeatBody {
  const moved = shiftBody(body, later);
  if (bodyMatters(s, 0)) return moved;
  return {
    ...moved,
    serving: !body.serving,
    busy: !body.busy,
    joined: !body.joined,
    xapi: "master",
  };
}
