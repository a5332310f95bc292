// The round of the hands: one timer for all that they look at again and again, because a wake-up costs more than the look.

import { performance } from "node:perf_hooks";
import { inStep } from "./in-step.ts";
import { beatPulse, watchPulse, type Pulses } from "./brain/pulse.ts";

const ROUND_MS = 1_000;

export interface Round {
  /** A pulse between two rounds: before what keeps this thread busy for longer. */
  pulse(): void;
  /** From now on, once a second. */
  begin(look: () => void): void;
  /** The brain finished a turn in the time of the last two rounds. */
  brainLives(): boolean;
  stop(): void;
}

/** The pulse of the hands begins at once: tokens need it. */
export function startRound(pulses: Pulses): Round {
  const brain = watchPulse(pulses, "brain", performance.now());
  let lives = true;
  let looks: () => void = () => undefined;
  const timer = inStep(ROUND_MS, () => {
    beatPulse(pulses, "hands");
    lives = brain.silentMs(performance.now()) < 2 * ROUND_MS;
    looks();
  });
  return {
    pulse: () => beatPulse(pulses, "hands"),
    begin: (look) => void (looks = look),
    brainLives: () => lives,
    stop: () => timer.stop(),
  };
}
