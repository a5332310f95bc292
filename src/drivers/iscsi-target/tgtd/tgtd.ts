// The iSCSI target server tgtd, as a process of our own: kept warm on a loopback portal, filled on promotion, opened on the
// floating IP last, ended by SIGKILL. It must never adopt a tgtd that it did not start, and never report a LUN as filled
// whose write cache was not read back as off: tgtd's default acknowledges writes that never reached DRBD.

import type { Millis } from "../../../core/model/time.ts";
import { err, ok, type Result } from "../../../util/result.ts";
import type { ClockPort } from "../../clock/port.ts";
import type { DriverError } from "../../driver-error.ts";
import { succeeded } from "../../exec/outcome.ts";
import type { ExecPort, LaunchPort } from "../../exec/port.ts";
import { allowedWithout, hostAddresses, isAmong, portalName } from "../allow.ts";
import { ensureAcl, ensureLun, ensureTarget } from "./fill.ts";
import { createManagement } from "./management.ts";
import { readWriteCacheOff } from "../mode-sense.ts";
import { parseShowPortal, parseShowTarget, type ShownTarget } from "./parse-show.ts";
import { viewOf } from "../initiator-view.ts";
import type { InitiatorView, TargetPort, TargetSpec, TargetState } from "../port.ts";
import {
  isAlive,
  isFinished,
  readNote,
  removeNote,
  type ServerNote,
  startTicksOf,
  writeNote,
} from "./server-process.ts";

type Change = Result<"changed" | "already", DriverError>;
type Done = Result<unknown, DriverError>;

export interface TgtdSettings {
  /** tgtd adds ".0", the number of its control port; with the default path plain `tgtadm` works for an administrator. */
  readonly socketBase?: string;
  readonly notePath?: string;
  readonly loopback?: { readonly host: string; readonly port: number };
  readonly requestTimeoutMs?: Millis;
  readonly startTimeoutMs?: Millis;
  /** For the death of the server after SIGKILL: as long as a write may hang below DRBD. */
  readonly withdrawTimeoutMs?: Millis;
  /** This host's own addresses (D16 with an ACL of ALL). */
  readonly ownAddresses?: () => readonly string[];
}

export function createTgtd(
  exec: ExecPort,
  launch: LaunchPort,
  clock: ClockPort,
  settings: TgtdSettings = {},
): TargetPort {
  const socketBase = settings.socketBase ?? "/run/tgtd/socket";
  const notePath = settings.notePath ?? "/run/tandem/tgtd.json";
  const loopback = settings.loopback ?? { host: "127.0.0.1", port: 13260 };
  const requestTimeoutMs = settings.requestTimeoutMs ?? 2000;
  const startTimeoutMs = settings.startTimeoutMs ?? 5000;
  const withdrawTimeoutMs = settings.withdrawTimeoutMs ?? 3000;
  const ownAddresses = settings.ownAddresses ?? hostAddresses;
  const management = createManagement(`${socketBase}.0`, requestTimeoutMs);

  const listeners: ((why: string) => void)[] = [];
  let server: ServerNote | null = null;
  let watching: { close(): void } | null = null;
  /** LUNs whose cache was read back as off, by `iqn/lun`, of the server of this moment. */
  let readBack = new Map<string, boolean>();
  /** Asked once: a restart after a crash has no time for a process. */
  let version: string | null = null;

  /** Told once per server, by whichever notices first: the closed connection or, for our own child, its exit. */
  function died(pid: number, why: string): void {
    if (server?.pid !== pid) return;
    forget();
    removeNote(notePath);
    for (const listener of listeners) listener(why);
  }

  function forget(): void {
    server = null;
    readBack = new Map();
    watching?.close();
    watching = null;
  }

  async function take(note: ServerNote): Promise<Result<unknown, DriverError>> {
    const opened = await management.watch(() => died(note.pid, `tgtd (pid ${note.pid}) closed its management socket`));
    if (!opened.ok) return opened;
    watching?.close();
    watching = opened.value;
    server = note;
    return ok(null);
  }

  /** The server that an earlier daemon left running, if it is that very process. */
  async function adopt(): Promise<boolean> {
    if (server !== null) return isAlive(server);
    const note = readNote(notePath);
    if (note === null || !isAlive(note)) return false;
    const hello = await management.request({ mode: "system", op: "show" });
    return hello.ok && (await take(note)).ok;
  }

  /** What an earlier daemon left that gives no answer: it may hang in the kernel, and holds its device until it is gone. */
  function unadopted(): ServerNote | null {
    const note = readNote(notePath);
    return note === null || isFinished(note.pid, note.startTicks) ? null : note;
  }

  /** One that does not answer keeps its sockets and its device: another is started when it is gone, or nothing would end it. */
  async function warm(): Promise<Change> {
    if (await adopt()) return ok("already");
    if (unadopted() !== null) {
      const ended = await withdraw();
      if (!ended.ok) return ended;
    }
    return await start();
  }

  /** The management protocol is private to tgt's own tools, so an unknown major is not spoken to at all. */
  async function checkVersion(): Promise<Result<unknown, DriverError>> {
    if (version !== null) return ok(version);
    const command = "tgtadm --version";
    const done = succeeded(command, await exec.run("tgtadm", ["--version"], { timeoutMs: requestTimeoutMs }));
    if (!done.ok) return done;
    const found = done.value.stdout.trim();
    if (!/^1\.0\.\d+$/.test(found))
      return err({ kind: "unverified", action: "use tgtd", expected: "version 1.0.x", found: found.slice(0, 40) });
    version = found;
    return ok(found);
  }

  async function start(): Promise<Change> {
    const known = await checkVersion();
    if (!known.ok) return known;
    const foreign = await management.request({ mode: "system", op: "show" });
    if (foreign.ok) {
      return err({
        kind: "unverified",
        action: "start tgtd",
        expected: "no other tgtd (stop and disable the service tgt or tgtd of the system)",
        found: `one that was not started here, on ${socketBase}.0`,
      });
    }
    let ended: string | null = null;
    const args = ["-f", "--iscsi", `portal=${loopback.host}:${loopback.port}`];
    const { pid } = launch.launch("tgtd", args, { env: { TGT_IPC_SOCKET: socketBase } }, (why) => {
      ended = why;
      if (pid !== null) died(pid, why);
    });
    const startTicks = pid === null ? null : startTicksOf(pid);
    // Noted before it answers: a daemon that dies in between must find it again.
    const note = pid === null || startTicks === null ? null : { pid, startTicks, resources: {} };
    if (note !== null) writeNote(notePath, note);
    const deadline = clock.now() + startTimeoutMs;
    while (clock.now() < deadline && ended === null && note !== null) {
      // Refused until it listens; then the answer also proves that it speaks the protocol that we do.
      const hello = await management.request({ mode: "system", op: "show" });
      if (hello.ok) {
        if (!hello.value.startsWith("System:")) return err({ kind: "parse", command: "tgtd", sample: hello.value });
        const taken = await take(note);
        return taken.ok ? ok("changed") : taken;
      }
      await clock.sleep(2);
    }
    if (ended !== null) return err({ kind: "missing", command: "tgtd", reason: ended });
    return err({ kind: "timeout", command: "tgtd", afterMs: startTimeoutMs });
  }

  async function shown(): Promise<Result<readonly ShownTarget[], DriverError>> {
    const text = await management.request({ mode: "target", op: "show" });
    if (!text.ok) return text;
    const targets = parseShowTarget(text.value);
    return targets.ok
      ? targets
      : err({ kind: "parse", command: "tgtadm --mode target --op show", sample: targets.error });
  }

  async function portals(): Promise<Result<readonly string[], DriverError>> {
    const text = await management.request({ mode: "portal", op: "show" });
    return text.ok ? ok(parseShowPortal(text.value)) : text;
  }

  async function verifyCache(iqn: string, lun: number): Promise<Done> {
    const off = await readWriteCacheOff(loopback, iqn, lun, requestTimeoutMs);
    if (!off.ok) return off;
    readBack.set(`${iqn}/${lun}`, off.value);
    if (off.value) return ok(null);
    return err({ kind: "unverified", action: `write-cache off of LUN ${lun}`, expected: "off", found: "on" });
  }

  function remember(spec: TargetSpec): void {
    if (server === null) return;
    server = { ...server, resources: Object.fromEntries(spec.luns.map((lun) => [lun.device, lun.resource])) };
    writeNote(notePath, server);
  }

  async function fill(spec: TargetSpec): Promise<Change> {
    if (!(await adopt())) return notRunning("fill the target");
    const before = await shown();
    if (!before.ok) return before;
    const seen = before.value.find((target) => target.tid === spec.tid);
    const target = await ensureTarget(management, spec, before.value);
    if (!target.ok) return target;
    let changed = target.value;
    for (const lun of spec.luns) {
      const done = await ensureLun(management, spec, lun, seen);
      if (!done.ok) return done;
      changed ||= done.value;
    }
    const acl = await ensureAcl(management, spec.tid, [...spec.allow, loopback.host], seen);
    if (!acl.ok) return acl;
    for (const lun of spec.luns) {
      if (readBack.get(`${spec.iqn}/${lun.lun}`) === true) continue;
      const verified = await verifyCache(spec.iqn, lun.lun);
      if (!verified.ok) return verified;
    }
    const after = await shown();
    if (!after.ok) return after;
    const now = after.value.find((one) => one.tid === spec.tid);
    const missing = spec.luns.filter(
      (lun) => now?.luns.some((one) => one.lun === lun.lun && one.path === lun.device && one.online) !== true,
    );
    if (missing.length > 0) {
      const found = missing.map((lun) => `no LUN ${lun.lun}`).join(", ");
      return err({ kind: "unverified", action: "fill the target", expected: "all LUNs online", found });
    }
    remember(spec);
    return ok(changed || acl.value ? "changed" : "already");
  }

  async function observe(): Promise<Result<TargetState, DriverError>> {
    if (!(await adopt())) return ok({ ...nothing, holds: unadopted() !== null });
    const [targets, open] = await Promise.all([shown(), portals()]);
    if (!targets.ok) return targets;
    if (!open.ok) return open;
    const note = server;
    if (note === null) return ok(nothing);
    const luns = targets.value.flatMap((target) =>
      target.luns.filter((lun) => lun.path !== null).map((lun) => ({ iqn: target.iqn, ...lun })),
    );
    for (const { iqn, lun } of luns) {
      if (!readBack.has(`${iqn}/${lun}`)) await verifyCache(iqn, lun);
    }
    const caches = luns.map(({ iqn, lun }) => readBack.get(`${iqn}/${lun}`));
    return ok({
      running: true,
      pid: note.pid,
      exported: luns.map(({ path }) => note.resources[path ?? ""] ?? path ?? ""),
      holds: luns.length > 0,
      portalOpen: open.value.some((portal) => portal !== portalName(loopback.host, loopback.port)),
      allowed: targets.value.flatMap((target) => target.acl),
      sessions: targets.value.reduce((sum, target) => sum + new Set(target.connections.map((one) => one.sid)).size, 0),
      writeCacheOff: caches.includes(false) ? false : caches.length > 0 && !caches.includes(undefined) ? true : null,
    });
  }

  async function withdraw(): Promise<Change> {
    const note = server ?? readNote(notePath);
    if (note === null || isFinished(note.pid, note.startTicks)) {
      forget();
      removeNote(notePath);
      return await nobodyServes("already");
    }
    // From here on its death is wanted and told to nobody.
    forget();
    kill(note.pid);
    const deadline = clock.now() + withdrawTimeoutMs;
    while (!isFinished(note.pid, note.startTicks)) {
      if (clock.now() >= deadline) {
        return err({
          kind: "unverified",
          action: `end tgtd (pid ${note.pid})`,
          expected: "gone",
          found: `still there ${withdrawTimeoutMs} ms after SIGKILL: it hangs in the kernel and holds its device`,
        });
      }
      await clock.sleep(1);
    }
    removeNote(notePath);
    return await nobodyServes("changed");
  }

  /** Something that still answers on the socket is a server that we did not start and must not end. */
  async function nobodyServes(change: "changed" | "already"): Promise<Change> {
    const hello = await management.request({ mode: "system", op: "show" });
    if (!hello.ok && hello.error.kind === "missing") return ok(change);
    return err({ kind: "unverified", action: "end tgtd", expected: "none", found: "one that was not started here" });
  }

  async function openPortal(spec: TargetSpec): Promise<Change> {
    if (!(await adopt())) return notRunning("open the portal");
    const name = portalName(spec.portal.address, spec.portal.port);
    const before = await portals();
    if (!before.ok) return before;
    if (before.value.includes(name)) return ok("already");
    const opened = await management.request({ mode: "portal", op: "new", data: `portalOps portal=${name},` });
    if (!opened.ok) return opened;
    const after = await portals();
    if (!after.ok) return after;
    if (after.value.includes(name)) return ok("changed");
    return err({ kind: "unverified", action: "open the portal", expected: name, found: after.value.join(" ") });
  }

  async function bar(spec: TargetSpec, addresses: readonly string[]): Promise<Change> {
    if (!(await adopt())) return notRunning("bar initiators");
    const before = await shown();
    if (!before.ok) return before;
    const seen = before.value.find((target) => target.tid === spec.tid);
    if (seen === undefined) return ok("already");
    const acl = await ensureAcl(
      management,
      spec.tid,
      [...allowedWithout(spec, addresses, ownAddresses), loopback.host],
      seen,
    );
    if (!acl.ok) return acl;
    const ofBarred = (target: ShownTarget | undefined) =>
      (target?.connections ?? []).filter((one) => one.address !== null && isAmong(addresses, one.address));
    if (ofBarred(seen).length === 0) return ok(acl.value ? "changed" : "already");
    const deadline = clock.now() + requestTimeoutMs;
    for (;;) {
      const now = await shown();
      if (!now.ok) return now;
      const left = ofBarred(now.value.find((target) => target.tid === spec.tid));
      if (left.length === 0) return ok("changed");
      if (clock.now() >= deadline) {
        const found = left.map((one) => `connection of ${one.address ?? ""}`).join(", ");
        return err({ kind: "unverified", action: "bar initiators", expected: "no connection of theirs", found });
      }
      for (const { sid, cid } of left) {
        // A connection that went by itself meanwhile is an error here and what is wanted: the next look decides.
        await management.request({ mode: "connection", op: "delete", tid: spec.tid, sid, cid });
      }
      await clock.sleep(2);
    }
  }

  async function view(spec: TargetSpec): Promise<InitiatorView> {
    if (server === null) return "answers";
    // One that is gone refuses the connection: its death is told by itself.
    const isAnswer = (error: DriverError): boolean => error.kind !== "timeout";
    return await viewOf({ exec, loopback, timeoutMs: requestTimeoutMs, isAnswer }, spec);
  }

  function end(): void {
    if (server !== null && isAlive(server)) kill(server.pid);
  }

  return {
    observe,
    view,
    end,
    warm,
    fill,
    openPortal,
    withdraw,
    bar,
    onDeath: (listener) => void listeners.push(listener),
  };
}

const nothing: TargetState = {
  running: false,
  pid: null,
  exported: [],
  holds: false,
  portalOpen: false,
  allowed: [],
  sessions: null,
  writeCacheOff: null,
};

function notRunning(action: string): Result<never, DriverError> {
  return err({ kind: "unverified", action, expected: "a warm tgtd", found: "none" });
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (thrown) {
    // It ended by itself between the look and the signal.
    if ((thrown as NodeJS.ErrnoException).code !== "ESRCH") throw thrown;
  }
}
