// DRBD through drbdadm and drbdsetup (8.4 and 9). Acts, then looks again; never promotes by force; gives data up only in discard.ts
// (a copy, by a person's choice) and abandon.ts (writes that nobody was told are done).

import type { DrbdView } from "../../core/model/drbd.ts";
import type { Millis } from "../../core/model/time.ts";
import { err, ok, type Result } from "../../util/result.ts";
import type { ClockPort } from "../clock/port.ts";
import type { DriverError } from "../driver-error.ts";
import { succeeded } from "../exec/outcome.ts";
import { createAhead, type Ahead } from "../exec/ahead.ts";
import type { ExecPort } from "../exec/port.ts";
import { abandonWrites, handlerThreadRuns } from "./abandon.ts";
import { createFollower, viewsOf } from "./follower.ts";
import { createLook, type Seen } from "./look.ts";
import { createModule, writeUsermodeHelper, type ModuleFiles } from "./module.ts";
import { parseDump } from "./parse-dump.ts";
import { parseGeneration } from "./parse-generation.ts";
import type { SeenResource } from "./picture.ts";
import type { DrbdPort } from "./port.ts";
import { readCounters } from "./counters.ts";
import { createDiscarding } from "./discard.ts";

type Change = Result<"changed" | "already", DriverError>;

export interface DrbdSettings {
  readonly lookTimeoutMs?: Millis;
  readonly actTimeoutMs?: Millis;
  /** Longer than the others: the kernel may wait for the fence-peer handler, that is for our own decision. */
  readonly promoteTimeoutMs?: Millis;
  /** Attaching reads the bitmap (32 MB for each TB); `drbdadm up` that is ended before it connects leaves a copy apart. */
  readonly upTimeoutMs?: Millis;
  /** How long the event of a change that the kernel has confirmed may take to reach us. */
  readonly eventWaitMs?: Millis;
  /**
   * agents/drbd/fence-peer, to be called by the kernel itself instead of by way of drbdadm (at most 79 characters).
   * Without it the handler of the configuration is used: the same script, some processes later.
   */
  readonly helperPath?: string;
  readonly setHelper?: (path: string) => void;
  /** What can be told of the module without a process; absent: by sysfs. */
  readonly module?: Partial<ModuleFiles>;
  /** Does DRBD wait for a fence-peer handler? Absent: by the kernel's threads. */
  readonly handlerRuns?: () => boolean;
  /** Starts the change of role that a hand-over will want before it is wanted. */
  readonly ahead?: Ahead;
  /** The resources whose roles a hand-over changes; absent: none. */
  readonly ours?: () => readonly string[];
  /** Where it is noted that DRBD may still give a copy up (discard.ts). Gone after a boot, like DRBD's own knowledge of it. */
  readonly discardNotes?: string;
}

type RoleVerb = "primary" | "secondary";

const notSupported = (resource: string): DriverError => ({
  kind: "missing",
  command: "abandon",
  reason: `${resource} has several volumes or is not up`,
});

/**
 * Exit codes of drbd-utils 9.22 that the callers meet: 10 no such resource (or a configuration file with a mistake in any
 * resource), 11 the device is held open or the peer is Primary, 17 no UpToDate data. They come as `exit` with the text.
 */
export function createDrbd(exec: ExecPort, clock: ClockPort, settings: DrbdSettings = {}): DrbdPort {
  const lookTimeoutMs = settings.lookTimeoutMs ?? 3000;
  const actTimeoutMs = settings.actTimeoutMs ?? 5000;
  const promoteTimeoutMs = settings.promoteTimeoutMs ?? 20_000;
  const upTimeoutMs = settings.upTimeoutMs ?? 60_000;
  const eventWaitMs = settings.eventWaitMs ?? 500;
  const module = createModule(exec, actTimeoutMs, settings.module);
  const setHelper = settings.setHelper ?? writeUsermodeHelper;
  const follower = createFollower(exec, clock);

  const discarding = createDiscarding(
    exec,
    clock,
    settings.discardNotes ?? "/run/tandem/discard",
    (resource, ...args) => command(resource, "drbdadm", args, actTimeoutMs),
  );

  const isOldModule = () => module.version()?.startsWith("8.") === true;
  /** The module whose events are followed; undefined: nobody has looked yet. */
  let followed: number | null | undefined;

  /** The stream of a module that was unloaded may stay silent for ever. */
  function isLoaded(): boolean {
    const now = module.instance();
    if (followed !== undefined && now !== followed)
      follower.beginAnew(`the kernel module was ${now === null ? "unloaded" : "loaded"}`);
    followed = now;
    return now !== null;
  }

  async function load(): Promise<Change> {
    const loaded = await module.load();
    if (!loaded.ok) return loaded;
    isLoaded();
    if (settings.helperPath !== undefined) setHelper(settings.helperPath);
    return loaded;
  }

  const look = createLook(exec, () => module.version(), lookTimeoutMs);

  /** The followed picture, which costs nothing, or a fresh look where there is none. */
  async function glance(): Promise<Result<Seen, DriverError>> {
    const seen = follower.seen();
    return seen === null ? await look() : ok(seen);
  }

  async function glanceOrNull(): Promise<Seen | null> {
    const seen = await glance();
    return seen.ok ? seen.value : null;
  }

  async function command(resource: string, file: string, args: readonly string[], timeoutMs: Millis) {
    return succeeded([file, ...args].join(" "), await exec.run(file, args, { timeoutMs, lane: `drbd:${resource}` }));
  }

  /**
   * Acts and looks again. The command always runs, also when the picture shows the wanted state: the kernel answers
   * "nothing to do" with success, and a picture that lags behind must not stand for a demotion that did not happen.
   * Only a command that fails when there is nothing to do runs `if-needed`.
   */
  async function ensure(
    resource: string,
    action: string,
    wanted: (view: DrbdView) => boolean,
    expected: string,
    act: (seen: SeenResource) => Promise<Result<unknown, DriverError>>,
    run: "always" | "if-needed" = "always",
  ): Promise<Change> {
    const before = await glance();
    if (!before.ok) return before;
    const seen = before.value.get(resource);
    if (seen === undefined) {
      return err({ kind: "unverified", action: `${action} ${resource}`, expected, found: "a resource that is not up" });
    }
    const was = wanted(seen.view);
    if (was && run === "if-needed") return ok("already");
    const acted = await act(seen);
    if (!acted.ok) return acted;
    const after = await lookAgain(resource, wanted);
    if (!after.ok) return after;
    if (after.value === undefined || !wanted(after.value.view)) {
      const found = after.value === undefined ? "a resource that is not up" : words(after.value.view);
      return err({ kind: "unverified", action: `${action} ${resource}`, expected, found });
    }
    return ok(was ? "already" : "changed");
  }

  /** The event of a change that the kernel has confirmed is on its way; only without it a process has to look. */
  async function lookAgain(
    resource: string,
    wanted: (view: DrbdView) => boolean,
  ): Promise<Result<SeenResource | undefined, DriverError>> {
    const holds = (seen: Seen) => {
      const one = seen.get(resource);
      return one !== undefined && wanted(one.view);
    };
    const followed = await follower.waitFor(holds, eventWaitMs);
    if (followed !== null) return ok(followed.get(resource));
    const fresh = await look();
    return fresh.ok ? ok(fresh.value.get(resource)) : fresh;
  }

  /**
   * Role changes go to drbdsetup where one device is addressed: the same call to the kernel that drbdadm makes, without
   * parsing the configuration and without a second process. 8.4 addresses the minor, 9 the resource.
   */
  async function changeRole(resource: string, seen: SeenResource, verb: RoleVerb, timeoutMs: Millis) {
    const [file, ...args] = roleCommand(resource, seen, verb);
    return await command(resource, file, args, timeoutMs);
  }

  function roleCommand(resource: string, { minor }: SeenResource, verb: RoleVerb): readonly [string, ...string[]] {
    if (!isOldModule()) return ["drbdsetup", verb, resource];
    return minor === null ? ["drbdadm", verb, resource] : ["drbdsetup", verb, String(minor)];
  }

  const expectNextRole = createAhead(settings.ahead, () =>
    (settings.ours?.() ?? []).flatMap((resource) => {
      const seen = follower.seen()?.get(resource);
      return seen === undefined
        ? []
        : [roleCommand(resource, seen, seen.view.role === "Primary" ? "secondary" : "primary")];
    }),
  );

  async function changeDevice(resource: string, seen: SeenResource, verb: "outdate" | "resume-io") {
    if (seen.minor === null) return await command(resource, "drbdadm", [verb, resource], actTimeoutMs);
    return await command(resource, "drbdsetup", [verb, String(seen.minor)], actTimeoutMs);
  }

  return {
    async observe() {
      const seen = await look();
      return seen.ok ? ok(viewsOf(seen.value)) : seen;
    },

    follow: (onChange, onLost) =>
      follower.start((views) => {
        discarding.noteViews(views);
        expectNextRole();
        onChange(views);
      }, onLost),

    isLoaded,
    load,

    async up(resource) {
      const loaded = await load();
      if (!loaded.ok) return loaded;
      const before = await glance();
      if (!before.ok) return before;
      // A resource that is up without its disk or its connection stays so: that is a fault, or an operator's wish.
      if (before.value.has(resource)) return ok("already");
      const done = await command(resource, "drbdadm", ["up", resource], upTimeoutMs);
      if (!done.ok) return done;
      const after = await lookAgain(resource, (view) => view.disk !== "Diskless");
      if (!after.ok) return after;
      const found = after.value?.view;
      if (found !== undefined && found.disk !== "Diskless") return ok("changed");
      return err({
        kind: "unverified",
        action: `up ${resource}`,
        expected: "an attached disk",
        found: found === undefined ? "a resource that is not up" : words(found),
      });
    },

    promote: (resource) =>
      ensure(
        resource,
        "promote",
        (view) => view.role === "Primary",
        "Primary",
        async (seen) => {
          const kept = await discarding.withdraw(resource, seen.view);
          return kept.ok ? await changeRole(resource, seen, "primary", promoteTimeoutMs) : kept;
        },
      ),

    demote: (resource) =>
      ensure(
        resource,
        "demote",
        (view) => view.role === "Secondary",
        "Secondary",
        (seen) => changeRole(resource, seen, "secondary", actTimeoutMs),
      ),

    async abandon(resource) {
      const seen = await glance();
      if (!seen.ok) return seen;
      const minor = seen.value.get(resource)?.minor ?? null;
      if (minor === null) return err(notSupported(resource));
      return await abandonWrites(resource, minor, {
        clock,
        drbdsetup: (...args) => command(resource, "drbdsetup", args, actTimeoutMs),
        drbdadm: (verb) => command(resource, "drbdadm", [verb, resource], verb === "up" ? upTimeoutMs : actTimeoutMs),
        async diskIs(disk, withinMs) {
          const followed = await follower.waitFor((all) => all.get(resource)?.view.disk === disk, withinMs);
          const found = followed === null ? (await glanceOrNull())?.get(resource)?.view.disk : disk;
          return found === disk ? true : (found ?? "unknown");
        },
        handlerRuns: settings.handlerRuns ?? handlerThreadRuns,
      });
    },

    // Inconsistent is worse than Outdated and as durable: DRBD refuses to call it Outdated and refuses to promote it.
    outdate: (resource) =>
      ensure(
        resource,
        "outdate",
        (view) => view.disk === "Outdated" || view.disk === "Inconsistent",
        "Outdated",
        async (seen) => {
          // An order that waited in its lane for too long: a Primary keeps its connection, and DRBD would refuse anyway.
          if (seen.view.role === "Primary")
            return err({ kind: "unverified", action: `outdate ${resource}`, expected: "Secondary", found: "Primary" });
          // The peer noticed first that the connection is dead. DRBD here may believe in it for a second longer, and asks
          // the peer over it; so the connection is given up. Who has the Outdated copy connects again (core, repair).
          if (seen.view.connection === "Connected") {
            await command(resource, "drbdadm", ["disconnect", "--force", resource], actTimeoutMs);
          }
          const done = await changeDevice(resource, seen, "outdate");
          if (done.ok || done.error.kind !== "exit") return done;
          const fresh = await look();
          return fresh.ok && fresh.value.get(resource)?.view.disk === "Inconsistent" ? ok("inconsistent") : done;
        },
      ),

    // drbdadm, because only the configuration knows the addresses and options of the connection.
    connect: (resource) =>
      ensure(
        resource,
        "connect",
        (view) => view.connection !== "StandAlone",
        "a connection that is tried",
        () => command(resource, "drbdadm", ["connect", resource], actTimeoutMs),
        "if-needed",
      ),

    async discard(resource, snapshot) {
      const seen = await glance();
      if (!seen.ok) return seen;
      const one = seen.value.get(resource);
      return one === undefined ? err(notSupported(resource)) : await discarding.discard(resource, one.view, snapshot);
    },

    resumeIo: (resource) =>
      ensure(
        resource,
        "resume",
        (view) => !view.suspended,
        "I/O that is not suspended",
        async (seen) => {
          // DRBD lifts the suspension itself when that one ends; both at once begin two generations, a split brain (8.4).
          if ((settings.handlerRuns ?? handlerThreadRuns)())
            return err({
              kind: "unverified",
              action: `resume ${resource}`,
              expected: "no fence-peer handler that DRBD waits for",
              found: "one that runs",
            });
          return await changeDevice(resource, seen, "resume-io");
        },
      ),

    async counters(resource) {
      const minor = (await glanceOrNull())?.get(resource)?.minor ?? null;
      return minor === null ? { writtenSectors: null, outOfSyncKiB: null } : await readCounters(minor);
    },

    async generation(resource) {
      const minor = isOldModule() ? (follower.seen()?.get(resource)?.minor ?? null) : null;
      const direct =
        minor === null ? null : await command(resource, "drbdsetup", ["get-gi", String(minor)], lookTimeoutMs);
      // drbdadm also reads them from the disk of a resource that is not attached.
      const done =
        direct === null || (!direct.ok && direct.error.kind === "exit")
          ? await command(resource, "drbdadm", ["get-gi", resource], lookTimeoutMs)
          : direct;
      if (!done.ok) return done;
      const generation = parseGeneration(done.value.stdout);
      return generation.ok
        ? generation
        : err({ kind: "parse", command: `get-gi ${resource}`, sample: generation.error });
    },

    async configured() {
      // What it prints holds the shared secret of the connection: it goes to the parser and nowhere else.
      const command = "drbdadm dump";
      const done = succeeded(command, await exec.run("drbdadm", ["dump"], { timeoutMs: lookTimeoutMs }));
      if (!done.ok) return done;
      const resources = parseDump(done.value.stdout);
      return resources.ok ? resources : err({ kind: "parse", command, sample: resources.error });
    },

    async version() {
      const options = { timeoutMs: lookTimeoutMs };
      const done = succeeded("drbdadm --version", await exec.run("drbdadm", ["--version"], options));
      if (!done.ok) return done;
      const utils = /^DRBDADM_VERSION=(\S+)/m.exec(done.value.stdout)?.[1];
      if (utils === undefined) return err({ kind: "parse", command: "drbdadm --version", sample: done.value.stdout });
      return ok({ module: module.version() ?? "not loaded", utils });
    },
  };
}

function words(view: DrbdView): string {
  return `${view.role} ${view.disk} ${view.connection}${view.suspended ? " suspended" : ""}`;
}
