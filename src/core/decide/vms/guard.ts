// Keeps the VMs running that ought to run (spec part 6): one that stops by itself is started again, one stopped through
// XAPI stays stopped, one that never ran stays stopped; after a boot of the hosts what ran before runs again. Pure. It must
// never order a start of a VM whose last host it cannot see, nor of one whose domain exists anywhere.

import type { Instant, Millis } from "../../model/time.ts";
import { chooseHost, freeOf, type HostRoom } from "./capacity.ts";
import { startGroups } from "./order.ts";
import { protectionOf, type VmFacts, type VmPolicy } from "./protection.ts";

/** Key in a VM's other-config: the host that shut it down while it left (LEAVE_POLICY). The VM starts again with that host. */
export const LEFT_KEY = "tandem:stopped-by-leaving-host";

/** After a stop xapi still has to write who asked for it. */
const SETTLE_MS: Millis = 2_000;
/** A VM that ran this long counts as well again. */
const STABLE_MS: Millis = 600_000;
/** A start that worked shows in the view a moment later. */
const SHOWN_MS: Millis = 15_000;
/** Waits before each restart of a VM that stops again and again; after the last one it is left down. */
const RESTART_WAITS: readonly Millis[] = [0, 10_000, 30_000, 60_000, 120_000];
/** Waits after each start that failed; after the last one no further attempt is made until it ran once. */
const FAILURE_WAITS: readonly Millis[] = [5_000, 10_000, 20_000, 40_000, 60_000, 120_000, 300_000];

export type StopCause = "unknown" | "by-itself";

/** A VM that ought to run. */
export interface Watched {
  /** Where it ran last. */
  readonly host: string | null;
  /** Null while it is stopped. */
  readonly runningSince: Instant | null;
  /** Wall-clock time of the last look that saw it run, for questions to xapi about what came after. */
  readonly seenWallMs: number;
  /** While it still ran, an operation of xapi was seen that stops it. */
  readonly stopping: boolean;
  readonly stop: { readonly at: Instant; readonly cause: StopCause } | null;
  /** Starts of ours since it last ran for a stable time, and those that failed since it last ran. */
  readonly restarts: number;
  readonly failures: number;
  readonly nextAt: Instant;
  readonly lastFailure: string | null;
}

export type GuardMemory = ReadonlyMap<string, Watched>;

export interface GuardLook {
  readonly now: Instant;
  readonly wallMs: number;
  readonly vms: readonly VmFacts[];
  readonly hosts: readonly HostRoom[];
  readonly policy: VmPolicy;
  /** Domains of each host as its own daemon says now; null or absent: not known. */
  readonly domains: ReadonlyMap<string, ReadonlySet<string> | null>;
  /** Hosts that are away and told, before they went, that no domain runs on them (A13). */
  readonly vacated: ReadonlySet<string>;
  /** False: HA is off. What stops then is nobody's business, and nothing is remembered of it. */
  readonly active: boolean;
  /** Why nothing may be started from here just now; null: starts are allowed. */
  readonly refusal: string | null;
  /** HOST_SELECT_METHOD 1: xapi chooses the host and counts the memory. */
  readonly xapiChooses: boolean;
  /** What xapi's own messages said of VMs that were asked about. */
  readonly answers: ReadonlyMap<string, "on-purpose" | "by-itself">;
}

export interface StartOrder {
  readonly vm: VmFacts;
  /** Null: xapi chooses (HOST_SELECT_METHOD). */
  readonly host: string | null;
}

export interface GuardNote {
  readonly uuid: string;
  readonly name: string;
  readonly because: string;
}

export interface GuardPlan {
  readonly memory: GuardMemory;
  /** Groups in the order of their start; the next group begins when the one before has ended. */
  readonly groups: readonly (readonly StartOrder[])[];
  /** Stopped VMs of which xapi has to be asked whether somebody stopped them on purpose, since when. */
  readonly questions: readonly { readonly uuid: string; readonly sinceWallMs: number }[];
  /** VMs that run, on a host in service, although they carry LEFT_KEY: the mark has to go. */
  readonly unmark: readonly string[];
  /** VMs that ought to run, do not, and need a person. */
  readonly alarms: readonly GuardNote[];
  /** VMs that ought to run and wait, with what for. */
  readonly waiting: readonly GuardNote[];
  /** VMs that were found stopped on purpose in this pass. */
  readonly given: readonly GuardNote[];
}

/** Operations of xapi that end a VM because somebody asked for it. */
const STOPPING_OPERATIONS = new Set(["shutdown", "clean_shutdown", "hard_shutdown", "suspend", "power_state_reset"]);

const fresh = (wallMs: number): Watched => ({
  host: null,
  runningSince: null,
  seenWallMs: wallMs,
  stopping: false,
  stop: null,
  restarts: 0,
  failures: 0,
  nextAt: -Infinity,
  lastFailure: null,
});

export function guardPass(memory: GuardMemory, look: GuardLook): GuardPlan {
  const next = new Map<string, Watched>();
  const given: GuardNote[] = [];
  for (const vm of look.vms) {
    const before = memory.get(vm.uuid);
    const after = follow(vm, before, look);
    if (after !== null) next.set(vm.uuid, after);
    else if (before !== undefined && look.active) given.push(note(vm, "it was stopped on purpose"));
  }
  const plan = { memory: next, given, ...judgeAll(next, look) };
  // A host that is being emptied is disabled, and its VMs run on for a moment after they were marked.
  const inService = new Set(look.hosts.flatMap((host) => (host.usable ? [host.uuid] : [])));
  const marked = look.vms.filter(
    (vm) => runs(vm) && vm.otherConfig[LEFT_KEY] !== undefined && inService.has(vm.residentOn ?? ""),
  );
  return { ...plan, unmark: look.refusal === null && look.active ? marked.map((vm) => vm.uuid) : [] };
}

const runs = (vm: VmFacts): boolean => vm.powerState === "Running" || vm.powerState === "Paused";
const note = (vm: VmFacts, because: string): GuardNote => ({ uuid: vm.uuid, name: vm.name, because });

/** What is to be remembered of a VM after this look; null: it ought not to run. */
function follow(vm: VmFacts, before: Watched | undefined, look: GuardLook): Watched | null {
  const { now, wallMs, active } = look;
  const beingStopped = vm.operations.some((operation) => STOPPING_OPERATIONS.has(operation));
  if (runs(vm)) {
    // A database restored by a promotion calls VMs running that were stopped since: their host's own word is newer.
    const { residentOn } = vm;
    const executing = residentOn === null ? undefined : look.domains.get(residentOn)?.has(vm.uuid);
    if (executing === false || (residentOn !== null && look.vacated.has(residentOn))) return before ?? null;
    const known = before ?? fresh(wallMs);
    const runningSince = known.runningSince ?? now;
    const stable = now - runningSince >= STABLE_MS;
    return {
      ...known,
      host: vm.residentOn ?? known.host,
      runningSince,
      seenWallMs: wallMs,
      stopping: beingStopped,
      stop: null,
      restarts: stable ? 0 : known.restarts,
      failures: 0,
      nextAt: -Infinity,
      lastFailure: null,
    };
  }
  const left = vm.otherConfig[LEFT_KEY];
  if (vm.powerState === "Suspended" || !active) return null;
  if (left !== undefined)
    return { ...(before ?? fresh(wallMs)), host: left, stop: { at: before?.stop?.at ?? now, cause: "by-itself" } };
  if (before === undefined) return null;
  const stoppedNow = before.stop === null;
  // A start of ours that xapi is still at work on also shows as an operation; it is not one that stops.
  if (stoppedNow && (before.stopping || beingStopped)) return null;
  const answer = look.answers.get(vm.uuid);
  if (answer === "on-purpose") return null;
  const stop = before.stop ?? { at: now, cause: "unknown" };
  return {
    ...before,
    runningSince: null,
    stopping: false,
    stop: answer === undefined ? stop : { ...stop, cause: answer },
    nextAt: stoppedNow ? Math.max(before.nextAt, now + (RESTART_WAITS[before.restarts] ?? 0)) : before.nextAt,
  };
}

type Judgement =
  | { readonly kind: "start" }
  | { readonly kind: "wait"; readonly because: string }
  | { readonly kind: "ask" }
  | { readonly kind: "alarm"; readonly because: string }
  | { readonly kind: "none" };

const wait = (because: string): Judgement => ({ kind: "wait", because });
const alarm = (because: string): Judgement => ({ kind: "alarm", because });

function judge(vm: VmFacts, watched: Watched, look: GuardLook): Judgement {
  if (watched.stop === null || protectionOf(vm, look.policy).kind === "unprotected") return { kind: "none" };
  if (vm.operations.length > 0) return wait("an operation of xapi on it is under way");
  if (watched.stop.cause === "unknown") {
    if (look.now - watched.stop.at < SETTLE_MS) return wait("xapi may still say why it stopped");
    return { kind: "ask" };
  }
  if (watched.restarts >= RESTART_WAITS.length)
    return alarm(`it stopped by itself again after ${watched.restarts} restarts: start it by hand when it is mended`);
  if (watched.failures >= FAILURE_WAITS.length)
    return alarm(`${watched.failures} starts failed, the last one because: ${watched.lastFailure ?? "unknown"}`);
  if (look.refusal !== null) return wait(look.refusal);
  const there = watched.host === null ? new Set<string>() : look.domains.get(watched.host);
  if (there === undefined || there === null) return wait("the host it ran on last cannot be asked for its domains");
  for (const [host, domains] of look.domains)
    if (domains?.has(vm.uuid) === true) return wait(`a domain of it exists on ${nameOf(host, look)}`);
  if (look.now < watched.nextAt) return wait("the next attempt comes after a pause");
  return { kind: "start" };
}

const nameOf = (uuid: string, look: GuardLook): string => look.hosts.find((host) => host.uuid === uuid)?.name ?? uuid;

function judgeAll(
  memory: GuardMemory,
  look: GuardLook,
): Pick<GuardPlan, "groups" | "questions" | "alarms" | "waiting"> {
  const questions: { uuid: string; sinceWallMs: number }[] = [];
  const alarms: GuardNote[] = [];
  const waiting: GuardNote[] = [];
  const startable: VmFacts[] = [];
  for (const vm of look.vms) {
    const watched = memory.get(vm.uuid);
    if (watched === undefined) continue;
    const verdict = judge(vm, watched, look);
    switch (verdict.kind) {
      case "start":
        startable.push(vm);
        break;
      case "ask":
        questions.push({ uuid: vm.uuid, sinceWallMs: watched.seenWallMs });
        break;
      case "wait":
        waiting.push(note(vm, verdict.because));
        break;
      case "alarm":
        alarms.push(note(vm, verdict.because));
        break;
      case "none":
        break;
    }
  }
  const free = freeOf(look.hosts, look.vms);
  // A host whose domains nobody tells is not one to start anything on.
  for (const host of free.keys()) if ((look.domains.get(host) ?? null) === null) free.delete(host);
  const groups = startGroups(startable).map((group) =>
    group.vms.flatMap((vm): readonly StartOrder[] => {
      const last = memory.get(vm.uuid)?.host ?? null;
      if (look.xapiChooses && vm.otherConfig[LEFT_KEY] === undefined) return [{ vm, host: null }];
      const host = chooseHost(vm, free, last);
      // What one host stopped while it left comes back on that host.
      const waits = vm.otherConfig[LEFT_KEY] !== undefined && host !== last;
      if (host === undefined || waits) {
        const because = waits
          ? `${nameOf(last ?? "", look)}, which stopped it while it left, is not back yet`
          : `no host has ${mib(vm.memoryBytes)} MiB of memory free for it`;
        (waits ? waiting : alarms).push(note(vm, because));
        return [];
      }
      free.set(host, (free.get(host) ?? 0) - vm.memoryBytes);
      return [{ vm, host }];
    }),
  );
  return { groups: groups.filter((group) => group.length > 0), questions, alarms, waiting };
}

const mib = (bytes: number): number => Math.round(bytes / 1_048_576);

/** After a start of ours ended: `failure` null = it runs. */
export function noteStart(memory: GuardMemory, uuid: string, failure: string | null, now: Instant): GuardMemory {
  const watched = memory.get(uuid);
  if (watched === undefined) return memory;
  const waitMs = FAILURE_WAITS[watched.failures] ?? 0;
  const after: Watched =
    failure === null
      ? { ...watched, restarts: watched.restarts + 1, failures: 0, nextAt: now + SHOWN_MS, lastFailure: null }
      : { ...watched, failures: watched.failures + 1, nextAt: now + waitMs, lastFailure: failure };
  return new Map(memory).set(uuid, after);
}
