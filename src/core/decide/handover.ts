// Planned hand-over with a single-use token and a deadline (A9). Between release and acquire nobody is the owner.

import { inContact, keepsDisks } from "../facts.ts";
import type { Handover } from "../model/handover.ts";
import { valueOf } from "../model/observation.ts";
import { inForce } from "../rules.ts";
import { ask, change, effect, log, type Turn } from "../turn.ts";
import { begin } from "./begin.ts";
import { countAnew } from "./flap.ts";
import { DESIGNATE } from "./repair.ts";

/** Everything is withdrawn and durable: give the storage away. `automatic`: no operator asked for it (D15). */
export function offer(turn: Turn, automatic: boolean): void {
  const { state, now } = turn;
  const { config, durable } = state;
  const token = `${config.hostId}:${state.bootId}:${durable.epoch}:${state.nextId}`;
  const deadlineMs = config.timers.release;
  const pending = ask(turn, { kind: "acquire", token, epoch: durable.epoch, deadlineMs, automatic }, 1_000);
  change(turn, {
    handover: {
      token,
      epoch: durable.epoch,
      deadline: now + deadlineMs,
      phase: "offered",
      pending,
      designate: state.designate,
      automatic,
    },
    designate: false,
  });
}

/** D15: a move by itself counts from its end, whatever that is: the other host may have had the storage until a moment ago. */
function over(turn: Turn, { automatic }: Handover): void {
  change(turn, { handover: null });
  if (automatic) countAnew(turn);
}

/** Between two offers of a host that has no disk to take the storage back to. */
const AGAIN_MS = 3_000;

export function decideHandover(turn: Turn): void {
  const { handover, peer, durable, config } = turn.state;
  if (handover === null) return;
  const taken = peer.body !== null && peer.body.epoch > handover.epoch && peer.body.owner === config.peerId;
  if (taken || durable.owner === config.peerId) {
    over(turn, handover);
    log(turn, "storage.released", `the other host owns the storage in epoch ${peer.body?.epoch ?? durable.epoch}`);
    const role = valueOf(turn.state.xapi)?.role;
    if (handover.designate && role !== "supporter") {
      // A toolstack that does not answer now, maybe the reason of it all (D18), is tried when it does (repair).
      const id = role === "master" ? effect(turn, { kind: "xapi-designate" }) : -1;
      change(turn, { repairs: { ...turn.state.repairs, [DESIGNATE]: { id, at: turn.now, failures: 0 } } });
    }
    return;
  }
  if (!inContact(turn.state, turn.now)) {
    // No answer = no owner; the token dies with this memory, so a late acquirer is refused (A9).
    log(turn, "storage.failed", "contact was lost during the hand-over: nobody owns the storage", "error");
    return over(turn, handover);
  }
  if (handover.phase === "cancelling" && handover.token === "") {
    const epoch = handover.epoch + 2;
    if (keepsDisks(turn.state)) {
      over(turn, handover);
      return begin(turn, {
        kind: "activate",
        why: "hand-over taken back (A9)",
        record: { epoch, owner: config.hostId },
      });
    }
    // V4: its disk failed meanwhile, or was the reason. The other host has the whole copy, and is asked again, not at once:
    // why it refused may last.
    if (turn.now < handover.deadline + AGAIN_MS) return;
    over(turn, handover);
    change(turn, { designate: handover.designate });
    // The same move once more: nobody asked for it now who did not before (D15).
    const automatic = handover.automatic ? { takeovers: durable.takeovers } : {};
    return begin(turn, {
      kind: "release",
      why: "no disk to take the storage back to (V4)",
      to: "peer",
      record: { epoch, ...automatic },
    });
  }
  if (handover.pending !== null || turn.now < handover.deadline) return;
  if (!inForce(config, "A9")) {
    over(turn, handover);
    const record = { epoch: handover.epoch + 1, owner: config.hostId };
    return begin(turn, { kind: "activate", why: "hand-over taken back without the other host's word", record });
  }
  const pending = ask(turn, { kind: "cancel", token: handover.token, epoch: handover.epoch + 2 }, 1_000);
  change(turn, { handover: { ...handover, phase: "cancelling", pending, deadline: turn.now + 1_000 } });
}
