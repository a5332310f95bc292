// DRBD as its event stream draws it, told to the brain as it changes. A stream can hang without ending: then "Connected"
// would go on as evidence of authority (protocol.md 3) long after the peer is lost. So the kernel's own cry for the
// fence-peer handler outweighs the picture, and while the other host does not answer the picture is compared with a look.

import { plainViews } from "../../act/execute.ts";
import type { DrbdView, Generation } from "../../core/model/drbd.ts";
import { known, unknown } from "../../core/model/observation.ts";
import type { Millis } from "../../core/model/time.ts";
import { describe } from "../../drivers/driver-error.ts";
import type { DrbdPort } from "../../drivers/drbd/port.ts";
import { watchParted } from "./drbd-parted.ts";
import { inStep } from "../in-step.ts";
import type { OutsideEvent } from "../brain/messages.ts";

type Views = ReadonlyMap<string, DrbdView>;

export interface DrbdWatchOptions {
  readonly drbd: Pick<DrbdPort, "follow" | "observe" | "generation" | "counters">;
  /** Do the daemons talk? Then DRBD's word is not needed as evidence. */
  readonly inContact: () => boolean;
  readonly now: () => number;
  readonly wallMs: () => number;
  readonly feed: (event: OutsideEvent) => void;
  readonly log: (event: string, detail: string, level?: "info" | "warn" | "error") => void;
  readonly lookMs?: Millis;
  readonly progressMs?: Millis;
  readonly partedMs?: Millis;
}

export interface DrbdWatch {
  /** A fence-peer handler waits: the kernel lost the connection of this resource and suspended its I/O. */
  handlerWaits(resource: string): void;
  stop(): void;
}

/** How often the picture is compared while the other host does not answer. */
const LOOK_MS: Millis = 1_000;
/** How often a resync that runs is looked at. */
const PROGRESS_MS: Millis = 2_000;
/** Generations change with roles and connections; the look costs a process that a switch cannot wait for. */
const GENERATION_MS: Millis = 2_000;

export function startDrbdWatch(options: DrbdWatchOptions): DrbdWatch {
  const { drbd, feed, log, now, inContact } = options;
  let views: Views = new Map();
  const generations = new Map<string, Generation>();
  const soon = new Map<string, NodeJS.Timeout>();
  /** Counts what the stream said: a look that was begun before is older than that. */
  let spoken = 0;
  let stopped = false;
  const parted = watchParted({
    drbd,
    views: () => views,
    wallMs: options.wallMs,
    onNews: tell,
    lookMs: options.partedMs,
  });

  function tell(): void {
    const full = new Map(
      [...views].map(([name, view]) => [
        name,
        { ...view, generation: generations.get(name) ?? view.generation, ...parted.of(name, view) },
      ]),
    );
    feed({ kind: "drbd", views: known(plainViews(full), now()) });
  }

  function take(next: Views): void {
    for (const [name, view] of next) {
      const before = views.get(name);
      if (before === undefined || words(before) !== words(view)) log("drbd.changed", `${name}: ${words(view)}`);
      if (before?.suspended !== view.suspended && (before !== undefined || view.suspended))
        log(view.suspended ? "io.suspended" : "io.resumed", name, view.suspended ? "warn" : "info");
      // D13 and A18 want the newest.
      const same = before?.role === view.role && before.connection === view.connection && before.disk === view.disk;
      if (!same) readGenerationSoon(name);
    }
    views = next;
    tell();
  }

  function readGenerationSoon(name: string): void {
    clearTimeout(soon.get(name));
    const delayMs = generations.has(name) ? GENERATION_MS : 0;
    soon.set(
      name,
      setTimeout(() => void readGeneration(name), delayMs),
    );
  }

  async function readGeneration(name: string): Promise<void> {
    const read = await drbd.generation(name);
    if (!read.ok || stopped) return;
    generations.set(name, read.value);
    tell();
  }

  function lose(why: string): void {
    views = new Map();
    feed({ kind: "drbd", views: unknown(why, now()) });
  }

  const follow = (): { stop(): void } =>
    drbd.follow(
      (next) => {
        spoken += 1;
        take(next);
      },
      (why) => {
        spoken += 1;
        lose(why);
        log("drbd.changed", `the event stream ended: ${why}`, "warn");
      },
    );
  let following = follow();

  /** One that does not tell what the kernel knows is of no use, whether it hangs or is merely late: the next one begins anew. */
  function followAnew(why: string): void {
    log("drbd.changed", `the event stream begins anew: ${why}`, "warn");
    following.stop();
    following = follow();
  }

  let looking = false;
  async function compare(): Promise<void> {
    const connected = [...views.values()].some((view) => view.connection === "Connected");
    if (looking || !connected || inContact()) return;
    looking = true;
    const before = spoken;
    const found = await drbd.observe();
    looking = false;
    // What the stream said meanwhile is newer, and proves that it lives.
    if (stopped || spoken !== before) return;
    if (!found.ok) {
      lose(describe(found.error));
      return followAnew("DRBD could not be looked at");
    }
    const differs = [...views].some(([name, view]) => found.value.get(name)?.connection !== view.connection);
    if (!differs) return;
    take(found.value);
    followAnew("it does not show what DRBD says now");
  }
  const timer = inStep(options.lookMs ?? LOOK_MS, () => void compare());

  /** The stream tells that a resync begins and ends; how far it is has to be looked up (8.4 tells it to nobody). */
  async function lookAtProgress(): Promise<void> {
    if (looking || ![...views.values()].some((view) => view.donePercent !== null)) return;
    looking = true;
    const found = await drbd.observe();
    looking = false;
    if (stopped || !found.ok) return;
    const next = new Map(
      [...views].map(([name, view]) => {
        const now = found.value.get(name);
        if (now === undefined || now.replication !== view.replication) return [name, view] as const;
        return [name, { ...view, outOfSyncKiB: now.outOfSyncKiB, donePercent: now.donePercent }] as const;
      }),
    );
    // A stream that ended meanwhile has taken its picture along.
    if (views.size === 0) return;
    views = next;
    tell();
  }
  const progressTimer = inStep(options.progressMs ?? PROGRESS_MS, () => void lookAtProgress());

  return {
    handlerWaits(resource) {
      const view = views.get(resource);
      if (view?.connection !== "Connected") return;
      // The event of it is on its way, or never comes. Nothing of the peer is known any more.
      const lost: DrbdView = {
        ...view,
        connection: "NetworkFailure",
        replication: "Off",
        peerRole: "Unknown",
        peerDisk: "DUnknown",
        suspended: true,
      };
      const before = spoken;
      take(new Map(views).set(resource, lost));
      setTimeout(() => {
        if (!stopped && spoken === before)
          followAnew("DRBD calls for the fence-peer handler, and the stream is silent");
      }, options.lookMs ?? LOOK_MS);
    },
    stop() {
      stopped = true;
      parted.stop();
      timer.stop();
      progressTimer.stop();
      following.stop();
      for (const one of soon.values()) clearTimeout(one);
    },
  };
}

const words = (v: DrbdView): string =>
  `${v.role}/${v.peerRole} ${v.disk}/${v.peerDisk} ${v.connection} ${v.replication}${v.suspended ? " suspended" : ""}`;
