// A vote sample that failed: the latch is lost until contact, the run of passed samples starts anew.

import { inForce } from "../rules.ts";
import { change, log, type Turn } from "../turn.ts";

export function failVote(turn: Turn, why: string): void {
  const { votes, config } = turn.state;
  if (votes.latched && inForce(config, "D6")) log(turn, "vote.lost", why, "warn");
  change(turn, { votes: { ...votes, latched: false, runSince: null, lastOk: false, pending: null } });
}
