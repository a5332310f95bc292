// Answers `explain`: what holds this host back now, and what it would do if the other one lost its power.

import { forecast } from "../../core/forecast.ts";
import type { ExplanationReport, Forecast } from "../../drivers/control/answers.ts";
import type { ControlReply } from "../../drivers/control/port.ts";
import type { Config } from "../../config/config.ts";
import type { FenceReadiness } from "../readiness/fence-watch.ts";
import type { Snapshot } from "../brain/messages.ts";

export interface ExplainParts {
  readonly snapshot: () => Snapshot | null;
  readonly config: () => Pick<Config, "self" | "policyNote" | "core">;
  readonly answering: (address: string) => boolean | null;
  /** Of the other storage host's device. */
  readonly readiness: () => FenceReadiness;
  /** What holds this host back in a pool beyond the pair. */
  readonly poolWaits: () => ExplanationReport["waits"];
  readonly worstFenceMs: () => number | null;
}

export function explainReply(parts: ExplainParts): ControlReply {
  const now = parts.snapshot();
  if (now === null)
    return { kind: "failed", reason: "the daemon has only just started", next: "try again in a second" };
  const { self, policyNote } = parts.config();
  const explanation: ExplanationReport = {
    host: self.name,
    state: now.hostState,
    outcome: now.outcome,
    policyNote,
    waits: [...now.explanations, ...parts.poolWaits()],
    ifPeerDied: foresee(now, parts),
  };
  return { kind: "explanation", explanation };
}

function foresee({ state }: Snapshot, parts: ExplainParts): Forecast | null {
  const { heuristics } = parts.config().core;
  const { ready } = parts.readiness();
  return forecast(state, {
    heuristicsAnswer: heuristics.length > 0 && heuristics.every((one) => parts.answering(one) === true),
    witnessAnswers: state.witness.answers.some((answer) => answer !== null),
    fenceWorks: ready,
    fenceMs: parts.worstFenceMs(),
  });
}
