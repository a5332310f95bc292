// The floating IP through `ip` and `arping`. Looks without a process, acts with one, looks again.
// It must never leave a part of the address behind: neither the address nor the local route made for it.

import { existsSync, readFileSync } from "node:fs";
import { isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";
import type { Millis } from "../../core/model/time.ts";
import { err, ok, type Result } from "../../util/result.ts";
import type { DriverError } from "../driver-error.ts";
import { finished } from "../exec/outcome.ts";
import type { ExecPort, FeedPort, LineFeed } from "../exec/port.ts";
import { readVipNote, removeVipNote, writeVipNote } from "./note.ts";
import { announceArgs, askArgs, PYTHON } from "./neighbor.ts";
import { hasLocalRoute, hasLocalRoute6, isLinkLocal, parseArpingMac } from "./parse.ts";
import type { VipConflict, VipPort, VipSpec, VipState } from "./port.ts";

/** What the kernel says, without a process; replaced in tests. */
export interface NetworkView {
  /** Addresses by interface; an interface that is down or has no carrier is absent (libuv leaves it out). */
  interfaces(): ReturnType<typeof networkInterfaces>;
  /** True when the interface exists, with or without addresses. */
  exists(device: string): boolean;
  /** The kernel's routing tables of IPv4 as /proc/net/fib_trie shows them, and those of IPv6 as /proc/net/ipv6_route does. */
  routes(): string;
  routes6(): string;
}

export interface VipSettings {
  /** Keeps one `ip` waiting for orders. */
  readonly feed?: FeedPort;
  readonly actTimeoutMs?: Millis;
  /** Where it is noted which address was put here; by default under /run, which does not outlive the boot either. */
  readonly notePath?: string;
  readonly view?: NetworkView;
}

/** How long the waiting `ip` may take before a process of our own is started. */
const quickMs: Millis = 250;
/** Gratuitous ARP at once, and again for caches that were busy or switches that were still learning. */
const announceAtMs: readonly Millis[] = [0, 200, 1000];

export function createVip(exec: ExecPort, settings: VipSettings = {}): VipPort & { prepare(): void } {
  const actTimeoutMs = settings.actTimeoutMs ?? 3000;
  const view = settings.view ?? kernelView;
  const notePath = settings.notePath ?? "/run/tandem/vip.json";
  let pending: NodeJS.Timeout[] = [];
  let waiting: LineFeed | null = null;

  const routed = (vip: VipSpec): boolean => isLocal(vip.address, view);

  function observe(vip: VipSpec): VipState {
    const listed = view.interfaces();
    for (const [device, addresses] of Object.entries(listed)) {
      if (addresses?.some((one) => one.address === vip.address) === true) return { kind: "present", device };
    }
    // Not listed at all: a device without carrier (a pulled cable) keeps its addresses, but only the routes show them.
    if (listed[vip.device] === undefined && routed(vip)) return { kind: "present", device: vip.device };
    return view.exists(vip.device) ? { kind: "absent" } : { kind: "no-interface", device: vip.device };
  }

  /** One process for all of it; with `force` it goes on after a line that fails (what it should remove is not there). */
  async function batch(lines: readonly string[], force: boolean) {
    const args = [...(force ? ["-force"] : []), "-batch", "-"];
    const run = await exec.run("ip", args, { timeoutMs: actTimeoutMs, lane: "vip", stdin: `${lines.join("\n")}\n` });
    return finished(`ip -batch: ${lines.join("; ")}`, run);
  }

  /**
   * The same orders to an `ip` that is kept waiting for them, without a process on the critical path of a switch. True
   * only when the view shows the wanted state soon; else the caller runs a process of its own.
   */
  const keepWaiting = (): LineFeed | null => {
    if (settings.feed === undefined) return null;
    waiting ??= settings.feed.feed("ip", ["-force", "-batch", "-"], () => {
      waiting = null;
    });
    return waiting;
  };
  async function quickly(lines: readonly string[], wanted: () => boolean): Promise<boolean> {
    if (keepWaiting()?.send(lines) !== true) return false;
    for (let waited = 0; waited < quickMs; waited += 2) {
      await new Promise((resolve) => setTimeout(resolve, 2));
      if (wanted()) return true;
    }
    return wanted();
  }

  /** An address of this host on the same interface, as source for its own connections to the floating IP. */
  function ownAddress(vip: VipSpec): string | null {
    const addresses = view.interfaces()[vip.device] ?? [];
    const family = isIPv6(vip.address) ? "IPv6" : "IPv4";
    const own = addresses.find(
      (one) => one.family === family && !isLinkLocal(one.address) && one.address !== vip.address,
    );
    return own?.address ?? null;
  }

  const stopAnnouncing = () => {
    for (const timer of pending) clearTimeout(timer);
    pending = [];
  };

  /** Of IPv6 the kernel's route is another one and has precedence; the kernel makes it a moment after the address. */
  async function removeKernelRoute(vip: VipSpec): Promise<void> {
    const isThere = () => hasLocalRoute6(view.routes6(), vip.address, true);
    const lines = [`route del local ${vip.address} dev ${vip.device} table local metric 0`];
    for (let waited = 0; waited < quickMs && !isThere(); waited += 2) await new Promise((go) => setTimeout(go, 2));
    // The address serves with it as well; only this host's own initiator would stall at the next move.
    if (isThere() && !(await quickly(lines, () => !isThere()))) await batch(lines, true);
  }

  async function ensureAbsent(vip: VipSpec): Promise<Result<"changed" | "already", DriverError>> {
    stopAnnouncing();
    const before = observe(vip);
    if (before.kind !== "present" && !routed(vip)) return ok("already");
    const device = before.kind === "present" ? before.device : vip.device;
    const lines = [
      ...(before.kind === "present" ? [`address del ${vip.address}/${vip.prefix} dev ${device}`] : []),
      `route del local ${vip.address} dev ${device} table local`,
    ];
    if (await quickly(lines, () => observe(vip).kind !== "present" && !routed(vip))) return ok("changed");
    const done = await batch(lines, true);
    if (!done.ok) return done;
    const after = observe(vip);
    if (after.kind === "present") return failed("remove", vip, done.value, `present on ${after.device}`);
    if (routed(vip)) return failed("remove", vip, done.value, "its local route");
    return ok("changed");
  }

  return {
    observe,
    /** Starts the waiting `ip`, so that the first switch does not pay for it. */
    prepare: () => void keepWaiting(),

    /**
     * A connection from this host to its own floating IP would take the floating IP as its source too, and would then
     * outlive the move of the address as a socket that can neither work nor fail. So the kernel's local route is replaced
     * by one that prefers the host's own address. That route is ours to remove: with its preferred source changed the
     * kernel no longer takes it away with the address (seen with Linux 6.1 and 6.18).
     */
    async ensurePresent(vip) {
      writeVipNote(notePath, vip);
      const before = observe(vip);
      if (before.kind === "no-interface") {
        return unverified("add", vip, "the interface", `no interface ${vip.device}`);
      }
      if (before.kind === "present")
        return before.device === vip.device ? ok("already") : wrongDevice("add", vip, before);
      const isV6 = isIPv6(vip.address);
      const own = ownAddress(vip);
      const local = `local ${vip.address} dev ${vip.device} table local`;
      const lines = [
        // nodad: duplicate detection would keep the address tentative for a second; `conflict` comes before us.
        `address add ${vip.address}/${vip.prefix} dev ${vip.device}${isV6 ? " nodad" : ""}`,
        ...(own === null ? [] : [`route replace ${local} src ${own}`]),
      ];
      const quick = await quickly(lines, () => observe(vip).kind === "present" && routed(vip));
      const done = quick || observe(vip).kind === "present" ? null : await batch(lines, false);
      if (done?.ok === false) return done;
      if (isV6 && own !== null) await removeKernelRoute(vip);
      if (done === null) return ok("changed");
      const after = observe(vip);
      if (after.kind !== "present") return failed("add", vip, done.value, after.kind);
      // The address without its route serves as well; only this host's own initiator would stall at the next move.
      return ok("changed");
    },

    async removeOther(vip) {
      const noted = readVipNote(notePath);
      if (noted === null || (noted.address === vip.address && noted.device === vip.device)) return ok("already");
      const removed = await ensureAbsent(noted);
      if (removed.ok) removeVipNote(notePath);
      return removed;
    },

    ensureAbsent,

    /** The kernel itself tells nobody of an IPv6 address that is added without duplicate detection. */
    announce(vip) {
      stopAnnouncing();
      const send = () => {
        if (observe(vip).kind !== "present") return;
        // A missing tool is found by `conflict`, which waits for its answer; nothing to do about it here.
        if (isIPv6(vip.address)) exec.detach(PYTHON, announceArgs(vip.device, vip.address), () => undefined);
        else exec.detach("arping", ["-U", "-c", "1", "-I", vip.device, vip.address], () => undefined);
      };
      for (const atMs of announceAtMs) {
        if (atMs === 0) send();
        else pending.push(setTimeout(send, atMs).unref());
      }
    },

    async conflict(vip): Promise<Result<VipConflict, DriverError>> {
      const isV6 = isIPv6(vip.address);
      const file = isV6 ? PYTHON : "arping";
      const args = isV6
        ? askArgs(vip.device, vip.address, 1)
        : ["-D", "-c", "2", "-w", "1", "-I", vip.device, vip.address];
      const command = `${file} (is ${vip.address} in use on ${vip.device}?)`;
      const done = finished(command, await exec.run(file, args, { timeoutMs: actTimeoutMs, lane: "arping-conflict" }));
      if (!done.ok) return done;
      const mac = parseArpingMac(done.value.stdout);
      if (mac !== null) return ok({ kind: "answered", mac });
      // iputils: 0 is "nobody answered" with -D, 1 is "somebody did"; 2 is an error (no such interface).
      if (done.value.code === 0) return ok({ kind: "free" });
      return err({ kind: "exit", command, code: done.value.code, stderr: done.value.stderr });
    },
  };
}

const kernelView: NetworkView = {
  interfaces: networkInterfaces,
  // Not /sys/class/net, which shows the network namespace in which /sys was mounted.
  exists: (device) =>
    readFileSync("/proc/net/dev", "utf8")
      .split("\n")
      .some((line) => line.trimStart().startsWith(`${device}:`)),
  routes: () => readFileSync("/proc/net/fib_trie", "utf8"),
  // Absent where IPv6 is switched off.
  routes6: () => (existsSync("/proc/net/ipv6_route") ? readFileSync("/proc/net/ipv6_route", "utf8") : ""),
};

/** Has this host the address, on a device with or without a carrier? Without a process. */
export const isLocal = (address: string, view: Pick<NetworkView, "routes" | "routes6"> = kernelView): boolean =>
  isIPv6(address) ? hasLocalRoute6(view.routes6(), address) : hasLocalRoute(view.routes(), address);

function unverified(verb: "add" | "remove", vip: VipSpec, expected: string, found: string): Result<never, DriverError> {
  return err({ kind: "unverified", action: `${verb} ${vip.address}`, expected, found });
}

function wrongDevice(
  verb: "add" | "remove",
  vip: VipSpec,
  state: { readonly device: string },
): Result<never, DriverError> {
  return unverified(verb, vip, `it on ${vip.device}`, `it on ${state.device}`);
}

function failed(
  verb: "add" | "remove",
  vip: VipSpec,
  done: { readonly code: number; readonly stderr: string },
  found: string,
): Result<never, DriverError> {
  if (done.code !== 0) {
    return err({ kind: "exit", command: `ip (${verb} ${vip.address})`, code: done.code, stderr: done.stderr });
  }
  return unverified(verb, vip, verb === "add" ? "present" : "absent", found);
}
