// What follows from the witnesses' answers. Pure predicates, no opinions: the rules are in decide/.

import type { CoreConfig } from "./model/config.ts";
import type { State } from "./model/state.ts";
import type { Instant } from "./model/time.ts";
import type { WitnessAnswer } from "./model/witness.ts";

/** How often the witnesses are asked while nothing is wrong. */
export const WITNESS_REPORT_MS = 5_000;

/** protocol.md 14: a majority of the witnesses decides. */
export function voters(config: CoreConfig): { readonly all: number; readonly needed: number } {
  const all = config.witnesses.length;
  return { all, needed: Math.floor(all / 2) + 1 };
}

/** A5: undefined when this round is a passed vote sample, else the reason. One witness that rules this host out suffices. */
export function passes(config: CoreConfig, answers: readonly (WitnessAnswer | null)[]): string | undefined {
  const heard = answers.filter((answer) => answer !== null);
  const other = heard.find(({ holder }) => holder !== null && holder !== config.hostId);
  if (other !== undefined) return "the witness granted the storage to the other host";
  const { all, needed } = voters(config);
  return heard.length >= needed ? undefined : `${heard.length} of ${all} witnesses answered, ${needed} are needed`;
}

/**
 * So many witnesses granted the storage to the other host that this one cannot get it. Only that host's release, its
 * report as the owner, or a person's word ends that: no witness knows whether a silent holder committed (A1).
 */
export function heldByPeer({ config, witness }: State): boolean {
  if (config.policy !== "witness") return false;
  const { all, needed } = voters(config);
  const theirs = witness.answers.filter((answer) => answer?.holder === config.peerId).length;
  return all - theirs < needed;
}

/** The first refusal among the answers. */
export function refusalOf(answers: readonly (WitnessAnswer | null)[]): string | undefined {
  return answers.find((answer) => answer !== null && answer.refusal !== null)?.refusal ?? undefined;
}

/** Why the witnesses are of no use just now; undefined when a majority answered lately, or none is configured. */
export function witnessSilent(state: State, now: Instant): string | undefined {
  const { config, witness } = state;
  if (config.policy !== "witness") return undefined;
  const { all, needed } = voters(config);
  if (witness.askedAt === null || now - witness.askedAt > 3 * WITNESS_REPORT_MS) return "no witness was asked yet";
  const heard = witness.answers.filter((answer) => answer !== null).length;
  return heard >= needed ? undefined : `${heard} of ${all} witnesses answer, ${needed} are needed`;
}
