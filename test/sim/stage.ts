// What every simulated world has, however many hosts stand in it: virtual time, chance from a seed, the log, what broke; and
// of a host what does not depend on its part in the pool.

import { createQueue, type EventQueue } from "./queue.ts";
import { createRandom, type Random } from "./random.ts";

export interface LogLine {
  readonly at: number;
  /** "-": nobody's. */
  readonly host: string;
  readonly event: string;
  readonly detail: string;
}

export interface Stage {
  now: number;
  readonly queue: EventQueue;
  readonly random: Random;
  /** Latencies, delays and periods vary; off for scenarios written by hand. */
  readonly noisy: boolean;
  readonly log: LogLine[];
  readonly violations: string[];
  /** Faults injected so far. */
  faults: number;
  /** No more of them come. */
  healed: boolean;
  /** Steps of the decision functions so far. */
  steps: number;
  nextId: number;
  after(ms: number, run: () => void): void;
  note(host: string, event: string, detail: string): void;
  violate(text: string): void;
}

/** Hardware and kernel of one host, seen from outside. */
export interface Machine {
  readonly name: string;
  power: boolean;
  boots: number;
  downBy: "fault" | "watchdog" | "fence" | null;
  /** Stalls, each until an instant: the brain's thread, the hands' thread, the whole dom0 with its kernel. */
  stalledUntil: number;
  handsUntil: number;
  frozenUntil: number;
  /** This host's monotonic clock: `base + rate × world time`. */
  clock: Clock;
  domains: Map<string, { paused: boolean }>;
  watchdog: { armed: boolean; fedAt: number; fired: boolean };
  slowness: number;
}

export interface Clock {
  base: number;
  rate: number;
}

/** What an effect does instead of what it should. */
export type ActionFault =
  /** Refused, nothing was done. */
  | "fails"
  /** Done, but its result was lost: told as a failure (fsync that fails after the rename is one). */
  | "done-but-failed"
  /** Takes seconds. */
  | "slow"
  /** Told as failed at its deadline, done afterwards (a process that hangs in the kernel). */
  | "late"
  /** Told as done and read back so, and lost with the power: the directory's fsync failed (durable record only). */
  | "unsynced";

export type Bmc = "ok" | "dead" | "lies" | "slow";

/** F3: rates of two monotonic clocks differ by at most this. */
const RHO = 0.001;

/** With a seed all times vary and clocks drift; without one the world is the same every time. A wider stage may be spread from it. */
export function createStage(seed: number | undefined): Stage {
  const told = new Set<string>();
  return {
    now: 0,
    queue: createQueue(),
    random: createRandom(seed ?? 0),
    noisy: seed !== undefined,
    log: [],
    violations: [],
    faults: 0,
    healed: false,
    steps: 0,
    nextId: 1,
    after(ms, run) {
      this.queue.add(this.now + ms, run);
    },
    note(host, event, detail) {
      this.log.push({ at: this.now, host, event, detail });
    },
    violate(text) {
      // The first time tells; the same sentence with other numbers does not.
      const kind = text.replaceAll(/\d+/g, "#");
      if (told.has(kind)) return;
      told.add(kind);
      this.violations.push(`${text} at ${Math.round(this.now)} ms`);
    },
  };
}

/** Lets everything happen up to then. */
export function advance(stage: Stage, to: number): void {
  const { queue } = stage;
  while (queue.nextAt() <= to) {
    const next = queue.take();
    if (next === undefined) break;
    stage.now = Math.max(stage.now, next.at);
    next.run();
  }
  stage.now = to;
}

/** Runs on until then, or until the first violation. */
export function stepwise(stage: Stage, until: number): void {
  while (stage.now < until && stage.violations.length === 0) advance(stage, Math.min(stage.now + 250, until));
}

export const newClock = ({ noisy, random }: Stage): Clock =>
  noisy ? { base: random.int(1e9), rate: 1 + random.between(-RHO / 2, RHO / 2) } : { base: 0, rate: 1 };

export const localNow = (stage: Stage, { clock }: Machine): number => clock.base + clock.rate * stage.now;

/** The clock goes on from here at another rate: NTP steps the wall clock, which nothing reads, and slews this one (F3). */
export function slew(stage: Stage, { clock }: Machine, rate: number): void {
  clock.base += (clock.rate - rate) * stage.now;
  clock.rate = rate;
}

export const frozen = (stage: Stage, machine: Machine): boolean => machine.frozenUntil > stage.now;

/** Nothing keeps its brain from running; whether a daemon is there is another matter. */
export const unstalled = (stage: Stage, machine: Machine): boolean =>
  machine.power && Math.max(machine.stalledUntil, machine.frozenUntil) <= stage.now;

/** The end of a stall of the hands; runs at once when there is none. */
export function whenHandsAwake(stage: Stage, machine: Machine, run: () => void): void {
  const until = Math.max(machine.handsUntil, machine.frozenUntil);
  if (until <= stage.now) return run();
  stage.after(until - stage.now, () => whenHandsAwake(stage, machine, run));
}

/** The hands must have shown a pulse this recently for a token to go out. */
const PULSE_MS = 2_000;

export function feedWatchdog(stage: Stage, machine: Machine): void {
  if (machine.handsUntil - stage.now <= PULSE_MS) machine.watchdog.fedAt = stage.now;
}

/** F4: stopped within R once it was not fed for W, whatever is fed meanwhile. */
export function checkWatchdog(
  stage: Stage,
  machine: Machine,
  timers: { readonly watchdog: number; readonly reset: number },
  off: () => void,
): void {
  const { watchdog: dog, boots, clock } = machine;
  if (!machine.power || !dog.armed || dog.fired || (stage.now - dog.fedAt) * clock.rate <= timers.watchdog) return;
  dog.fired = true;
  stage.note(machine.name, "watchdog.fired", "");
  stage.after(stage.noisy ? stage.random.between(0, timers.reset) : 0, () => {
    if (machine.power && machine.boots === boots) off();
  });
}

/** A BMC that answers switches off this soon; reading the power state back takes the rest (A14, I-h). */
const OFF_AFTER_MS = 200;

/** Off, then the power state read back twice; either half may fail on the way. Hears true, or why there is no proof. */
export function fenceBy(
  stage: Stage,
  device: { readonly state: () => Bmc; readonly reached: () => boolean },
  victim: { readonly off: () => void; readonly power: () => boolean },
  done: (outcome: true | string) => void,
): void {
  const answers = (): boolean => device.reached() && device.state() !== "dead";
  if (!answers()) return done("the BMC does not answer");
  // On its way the command outlives the host that sent it.
  stage.after(OFF_AFTER_MS, () => {
    if (device.state() === "lies") return done("power state was read back as on");
    victim.off();
    const reading = !stage.noisy ? 0 : device.state() === "slow" ? stage.random.between(3_000, 12_000) : 400;
    stage.after(reading, () => {
      if (!answers()) return done("the BMC does not answer");
      done(victim.power() ? "power state was read back as on" : reading > 10_000 ? "no answer in time" : true);
    });
  });
}
