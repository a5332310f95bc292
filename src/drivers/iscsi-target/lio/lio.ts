// The kernel's own target (LIO) through configfs, behind the same port as tgtd: an enabled target without a LUN on a loopback
// portal when warm, filled on promotion, opened on the floating IP last, taken apart when it has to be gone. It must never
// report "gone" while a session, a portal or a device object of ours is left: the kernel would go on writing.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import type { Millis } from "../../../core/model/time.ts";
import { err, ok, type Result } from "../../../util/result.ts";
import type { DriverError } from "../../driver-error.ts";
import { succeeded } from "../../exec/outcome.ts";
import { createAhead, type Ahead } from "../../exec/ahead.ts";
import type { ExecPort } from "../../exec/port.ts";
import { allowedWithout, hostAddresses, isAmong, portalName } from "../allow.ts";
import { SELF_CHECK_NAME } from "../ask-lun.ts";
import { viewOf } from "../initiator-view.ts";
import { readWriteCacheOff } from "../mode-sense.ts";
import type { ExportedLun, InitiatorView, TargetPort, TargetSpec, TargetState } from "../port.ts";
import { createAdmission } from "./admission.ts";
import { parseState, storeName, type ShownLio } from "./parse-state.ts";
import { DROP, FILL, LOOK, NAME, OPEN, WARM, WITHDRAW } from "./scripts.ts";
import { stayLoggedIn, WATCH_NAME } from "./watch-session.ts";

type Change = Result<"changed" | "already", DriverError>;
type Shown = Result<ShownLio, DriverError>;

export interface LioSettings {
  readonly root?: string;
  readonly loopback?: { readonly host: string; readonly port: number };
  readonly requestTimeoutMs?: Millis;
  /** Loading the modules counts. */
  readonly startTimeoutMs?: Millis;
  /** For the end of its commands: as long as a write may hang below DRBD. */
  readonly withdrawTimeoutMs?: Millis;
  readonly ownAddresses?: () => readonly string[];
  /** Starts what a hand-over will want before it is wanted. */
  readonly ahead?: Ahead;
}

/** `spec` names the target; what is called with later specs is of the same IQN, portal and LUNs. */
export function createLio(
  exec: Pick<ExecPort, "run">,
  spec: Pick<TargetSpec, "iqn" | "portal" | "luns">,
  settings: LioSettings = {},
): TargetPort {
  const root = settings.root ?? "/sys/kernel/config/target";
  const loopback = settings.loopback ?? { host: "127.0.0.1", port: 13260 };
  const requestTimeoutMs = settings.requestTimeoutMs ?? 2000;
  const startTimeoutMs = settings.startTimeoutMs ?? 5000;
  const withdrawTimeoutMs = settings.withdrawTimeoutMs ?? 3000;
  const ownAddresses = settings.ownAddresses ?? hostAddresses;
  const admission = createAdmission(exec, requestTimeoutMs);
  const { iqn } = spec;
  const loopbackName = portalName(loopback.host, loopback.port);
  const portal = portalName(spec.portal.address, spec.portal.port);

  /** One change after the other: what is told here by the kernel itself comes in the middle of one that was ordered. */
  let changes: Promise<unknown> = Promise.resolve();
  function alone<T>(change: () => Promise<T>): Promise<T> {
    const result = changes.then(change);
    changes = result.catch(() => undefined);
    return result;
  }

  const listeners: ((why: string) => void)[] = [];
  let watching: { close(): void } | null = null;
  let loggingIn: Promise<Result<unknown, DriverError>> | null = null;
  /** It is taken apart, or will be after the change that is under way: once. */
  let ending = false;
  /** The target's end is wanted: told to nobody. */
  let withdrawing = false;
  /** As the last script showed it: what is known to be empty need not be looked at before it is filled. */
  let last: ShownLio | null = null;
  /** LUNs whose cache was read back, since this target was made. */
  let readBack = new Map<number, boolean>();

  const shell = (script: string, args: readonly string[]) => ["-c", script, "tandem", root, iqn, ...args];

  const expectNext = createAhead(settings.ahead, () => [
    ["sh", ...shell(FILL, fillArgs(spec))],
    ["sh", ...shell(OPEN, [portal])],
    ["sh", ...shell(WITHDRAW, [loopbackName])],
  ]);

  /** One script at a time may hang in the kernel; while it does, the others say who holds them up. */
  async function run(
    what: string,
    script: string,
    args: readonly string[],
    timeoutMs = requestTimeoutMs,
  ): Promise<Shown> {
    const options = { timeoutMs, lane: "lio" };
    const done = succeeded(what, await exec.run("sh", shell(script, args), options));
    last = null;
    if (!done.ok) return done;
    const shown = parseState(done.value.stdout);
    if (!shown.ok) return err({ kind: "parse", command: what, sample: shown.error });
    last = shown.value;
    return shown;
  }

  const look = (): Promise<Shown> => run("look at the kernel's target", LOOK, []);

  function forget(): void {
    watching?.close();
    watching = null;
    readBack = new Map();
  }

  /**
   * The first look of a daemon finds what an earlier one left in the kernel: that is as good as its own. One login at a time:
   * to the kernel a second one is the same session anew, so it ends the first, whose end would ask for a third.
   */
  async function watch(): Promise<Result<unknown, DriverError>> {
    if (watching !== null) return ok(null);
    loggingIn ??= logIn().finally(() => (loggingIn = null));
    return await loggingIn;
  }

  async function logIn(): Promise<Result<unknown, DriverError>> {
    const opened = await stayLoggedIn(loopback, iqn, requestTimeoutMs, () => {
      watching = null;
      if (!withdrawing) void sessionEnded();
    });
    if (!opened.ok) return opened;
    watching = opened.value;
    return ok(null);
  }

  /** A daemon that stood still loses its session too, because it answered no ping: then it can log in again. */
  async function sessionEnded(): Promise<void> {
    const back = await watch();
    if (!back.ok) takeApart("the kernel's target ended its sessions");
  }

  /** One that hangs in the kernel cannot be taken apart: then nothing is told, and the watch over its answers asks again. */
  function takeApart(why: string): void {
    if (ending) return;
    ending = true;
    void alone(withdraw).then((done) => {
      ending = false;
      if (done.ok) for (const listener of listeners) listener(why);
    });
  }

  async function warm(): Promise<Change> {
    if (watching !== null) return ok("already");
    const rooms = spec.luns.flatMap(({ lun, resource }) => [String(lun), storeName(lun, resource)]);
    const made = await run("start the kernel's target", WARM, [loopbackName, ...rooms], startTimeoutMs);
    if (!made.ok) return made;
    if (made.value.enabled !== true) return unverified("start the kernel's target", "enabled", "disabled");
    const watched = await watch();
    if (!watched.ok) return watched;
    expectNext();
    return ok("changed");
  }

  /** The identity must be the same on both hosts, or a switch would show initiators another disk. */
  function serialOf(target: Pick<TargetSpec, "iqn">, lun: ExportedLun): string {
    if (lun.scsiSn !== null) return lun.scsiSn;
    return createHash("sha256").update(`${target.iqn} ${lun.lun}`).digest("hex").slice(0, 24);
  }

  /** A rule shows a network of all addresses as none. */
  const everybody = (allowed: readonly string[]) =>
    allowed.some((entry) => entry === "ALL" || entry.endsWith("/0")) ? null : allowed;

  const fillArgs = (target: Pick<TargetSpec, "iqn" | "luns">): readonly string[] =>
    target.luns.flatMap((lun) => [
      String(lun.lun),
      storeName(lun.lun, lun.resource),
      lun.device,
      serialOf(target, lun),
    ]);

  async function fill(target: TargetSpec): Promise<Change> {
    // The portal opens after both: side by side they cost the hand-over one process less.
    const [admitted, filled] = await Promise.all([
      admission.admit(target.portal.address, everybody(target.allow)),
      fillLuns(target),
    ]);
    if (!admitted.ok) return admitted;
    if (!filled.ok) return filled;
    for (const lun of target.luns) {
      const verified = await verifyCache(lun.lun);
      if (!verified.ok) return verified;
    }
    return ok(filled.value === "already" && admitted.value === "already" ? "already" : "changed");
  }

  async function fillLuns(target: TargetSpec): Promise<Change> {
    const missing = ({ value }: { readonly value: ShownLio }) =>
      target.luns.filter((lun) => !serves(value, lun, serialOf(target, lun)));
    if (last?.luns.length !== 0) {
      const before = await look();
      if (!before.ok) return before;
      if (missing(before).length === 0) return ok("already");
    }
    const filled = await run("fill the kernel's target", FILL, fillArgs(target));
    if (!filled.ok) return filled;
    const left = missing(filled);
    if (left.length === 0) return ok("changed");
    const found = left.map((lun) => `no LUN ${lun.lun} on ${lun.device} with its serial number`).join(", ");
    return unverified("fill the kernel's target", "all LUNs", found);
  }

  async function verifyCache(lun: number): Promise<Result<unknown, DriverError>> {
    if (readBack.get(lun) === true) return ok(null);
    const off = await readWriteCacheOff(loopback, iqn, lun, requestTimeoutMs);
    if (!off.ok) return off;
    readBack.set(lun, off.value);
    return off.value ? ok(null) : unverified(`write-cache off of LUN ${lun}`, "off", "on");
  }

  async function observe(): Promise<Result<TargetState, DriverError>> {
    // A tree that is not there costs no process.
    if (!existsSync(root)) return ok(nothing);
    const [shown, admitted] = await Promise.all([look(), admission.admitted(spec.portal.address)]);
    if (!shown.ok) return shown;
    if (!admitted.ok) return admitted;
    const { enabled, luns, stores, portals } = shown.value;
    if (enabled === true) await watch();
    if (enabled === true) for (const { lun } of luns) await verifyCache(lun);
    const caches = luns.map(({ lun }) => readBack.get(lun));
    return ok({
      running: enabled === true,
      pid: null,
      exported: luns.map(({ store }) => stores.find((one) => one.name === store)?.resource ?? store),
      // A filling that was ended half-way leaves a device open that no LUN shows.
      holds: luns.length > 0 || stores.some((one) => one.enabled),
      // One that the configuration names no more, of another port, lets nobody in who asks for this one.
      portalOpen: enabled === true && portals.includes(portal),
      allowed: admitted.value ?? ["ALL"],
      sessions: sessionsOf(shown.value),
      writeCacheOff: caches.includes(false) ? false : caches.length > 0 && !caches.includes(undefined) ? true : null,
    });
  }

  async function openPortal(): Promise<Change> {
    const opened = await run("open the portal", OPEN, [portal]);
    if (!opened.ok) return opened;
    if (!opened.value.portals.includes(portal)) return unverified("open the portal", portal, "none");
    expectNext();
    return ok("changed");
  }

  async function withdraw(): Promise<Change> {
    withdrawing = true;
    readBack = new Map();
    try {
      const done = await run("withdraw the kernel's target", WITHDRAW, [loopbackName], withdrawTimeoutMs);
      if (!done.ok) return done;
      const { enabled, stores, portals } = done.value;
      if (enabled !== null || stores.length > 0 || portals.length > 0) {
        const left = [...stores.map((one) => one.name), ...portals, ...(enabled === null ? [] : ["the target"])];
        return unverified("withdraw the kernel's target", "nothing left", left.join(" "));
      }
      forget();
      // Bars end with the target, as tgtd's do; the next one is filled with those that hold then.
      return await admission.admit(spec.portal.address, null);
    } finally {
      withdrawing = false;
    }
  }

  async function bar(target: TargetSpec, addresses: readonly string[]): Promise<Change> {
    const allowed = allowedWithout(target, addresses, ownAddresses);
    const admitted = await admission.admit(target.portal.address, everybody(allowed));
    if (!admitted.ok) return admitted;
    const first = await look();
    if (!first.ok) return first;
    const unnamed = [...new Set(first.value.dynamic)].filter((name) => !isOurs(name));
    // A name gets an entry of its own by this, and goes on with the session that it has.
    const named = unnamed.length === 0 ? first : await run("name the initiators", NAME, unnamed);
    if (!named.ok) return named;
    // An entry that was made after its session had ended has no LUN, nor would its initiator when it comes back.
    const idle = named.value.named.filter(({ address }) => address === null).map(({ name }) => name);
    const victims = [...sessionsFrom(named.value, addresses), ...idle];
    if (victims.length === 0) return ok(admitted.value);
    const dropped = await run("bar initiators", DROP, victims, withdrawTimeoutMs);
    if (!dropped.ok) return dropped;
    const left = sessionsFrom(dropped.value, addresses);
    return left.length === 0 ? ok("changed") : unverified("bar initiators", "no session of theirs", left.join(" "));
  }

  /** A refused login or a LUN that is gone is no answer either: nothing else tells of a tree that somebody else changed. */
  async function view(target: TargetSpec): Promise<InitiatorView> {
    if (withdrawing) return "answers";
    const seen = await viewOf({ exec, loopback, timeoutMs: requestTimeoutMs, isAnswer: () => false }, target);
    return withdrawing ? "answers" : seen;
  }

  return {
    observe,
    warm: () => alone(warm),
    fill: (target) => alone(() => fill(target)),
    openPortal: () => alone(openPortal),
    withdraw: () => alone(withdraw),
    bar: (target, addresses) => alone(() => bar(target, addresses)),
    view,
    end: () => takeApart("the kernel's target gave no answer and was taken apart"),
    onDeath: (listener) => void listeners.push(listener),
  };
}

const nothing: TargetState = {
  running: false,
  pid: null,
  exported: [],
  holds: false,
  portalOpen: false,
  allowed: ["ALL"],
  sessions: 0,
  writeCacheOff: null,
};

const isOurs = (name: string): boolean => name === SELF_CHECK_NAME || name === WATCH_NAME;

const serves = ({ luns, stores }: ShownLio, lun: ExportedLun, serial: string): boolean => {
  const name = storeName(lun.lun, lun.resource);
  const store = stores.find((one) => one.name === name);
  return (
    store?.enabled === true &&
    store.device === lun.device &&
    store.serial === serial &&
    luns.some((l) => l.lun === lun.lun && l.store === name)
  );
};

const sessionsFrom = ({ named }: ShownLio, addresses: readonly string[]): readonly string[] =>
  named.filter(({ address }) => address !== null && isAmong(addresses, address)).map(({ name }) => name);

const sessionsOf = ({ dynamic, named }: ShownLio): number =>
  dynamic.filter((name) => !isOurs(name)).length + named.filter((one) => one.address !== null).length;

function unverified(action: string, expected: string, found: string): Result<never, DriverError> {
  return err({ kind: "unverified", action, expected, found });
}
