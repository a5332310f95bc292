// Takes the witnesses' answers into the state: what they know, whether a majority granted the storage to this host, and
// whether the round counts as a passed vote sample (A5).

import { passes, refusalOf, voters } from "../witness.ts";
import type { WitnessAnswer } from "../model/witness.ts";
import type { State } from "../model/state.ts";
import type { Instant } from "../model/time.ts";
import { inForce } from "../rules.ts";
import { change, log, type Turn } from "../turn.ts";
import { failVote } from "./vote.ts";

type Answers = readonly (WitnessAnswer | null)[];

export function absorbWitness(turn: Turn, id: number, answers: Answers): void {
  const { votes, witness, config } = turn.state;
  const sample = votes.pending?.id === id ? votes.pending : null;
  const question = witness.pending?.id === id ? witness.pending : null;
  const sentAt = sample?.sentAt ?? question?.sentAt;
  // Nobody waits for it any more: a round of another configuration, or one that was given up.
  if (sentAt === undefined || answers.length !== config.witnesses.length) return;
  takeAnswers(turn, answers, sentAt);
  if (sample !== null) judgeSample(turn, answers, sample.sentAt);
  if (question === null) return;
  change(turn, { witness: { ...turn.state.witness, pending: null } });
  if (question.kind === "grant") noteGrant(turn, answers);
  if (question.kind === "query") return;
  const refusal = refusalOf(answers) ?? null;
  if (refusal !== null && refusal !== witness.refusal) log(turn, "witness.refused", refusal, "warn");
  change(turn, { witness: { ...turn.state.witness, refusal } });
}

function takeAnswers(turn: Turn, answers: Answers, sentAt: Instant): void {
  const { witness, config } = turn.state;
  const stamps = answers.map((answer, i) => answer?.stamp ?? witness.stamps[i] ?? null);
  const newest = witness.askedAt === null || sentAt >= witness.askedAt;
  if (newest) change(turn, { witness: { ...witness, stamps, answers, askedAt: sentAt } });
  // An answer that is merely older than the grant takes nothing away; only another holder does.
  const elsewhere = answers.filter((a) => a !== null && a.holder !== null && a.holder !== config.hostId).length;
  if (elsewhere >= voters(config).needed) change(turn, { witness: { ...turn.state.witness, grantedAt: null } });
}

/**
 * Only the answer to the question counts, never a sample that shows this host as the holder: a release of mine may still
 * be on its way, and the witness refuses it only after it granted once more (the stamp it quotes is then used up).
 */
function noteGrant(turn: Turn, answers: Answers): void {
  const { state, now } = turn;
  const yes = answers.filter((answer) => answer?.granted === true && answer.refusal === null);
  if (yes.length < voters(state.config).needed) return;
  change(turn, { witness: { ...state.witness, grantedAt: now } });
  log(turn, "witness.granted", "the witness grants the storage to this host and to no other");
}

/** A5. The sample's age counts from the question: what the witness said is at least that new when a grant ends it. */
function judgeSample(turn: Turn, answers: Answers, sentAt: Instant): void {
  const { votes, config }: State = turn.state;
  const failure = passes(config, answers);
  if (failure !== undefined) return failVote(turn, failure);
  if (turn.now - sentAt > config.timers.sample && inForce(config, "D10"))
    return failVote(turn, "a vote sample came too late");
  change(turn, {
    votes: { ...votes, runSince: votes.runSince ?? turn.now, lastPassedAt: sentAt, lastOk: true, pending: null },
  });
}
