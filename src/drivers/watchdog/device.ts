// The watchdog device itself. Runs in the holder's process only, where nothing else can block. Never opens a device
// whose timeout is not the one the failover timers were computed with.

import { spawnSync } from "node:child_process";
import { closeSync, constants, openSync, readFileSync, realpathSync, statSync, writeSync } from "node:fs";
import type { Millis } from "../../core/model/time.ts";
import { err, ok, type Result } from "../../util/result.ts";
import { feedByte, magicByte } from "./protocol.ts";

export interface Device {
  /** One byte; the code of the error when the device did not take it. Never blocks. */
  feed(): string | null;
  /** Magic close. After it the object is of no use. */
  disarm(): string | null;
}

const moduleName = "xen_wdt";

/** Where the kernel says what it really runs with, and what it must say. */
interface Fact {
  readonly path: string;
  readonly expected: readonly string[];
}

/** /dev/watchdog is the first one of the kernel's; another driver may have it. */
const folderOf = (device: string, sys: string): string =>
  `${sys}/class/watchdog/watchdog${/\/watchdog(\d+)$/.exec(device)?.[1] ?? "0"}`;

function facts(device: string, timeoutMs: Millis, sys: string): readonly Fact[] {
  const timeout = { expected: [String(timeoutMs / 1000)] };
  const wayOut = { expected: ["0", "N"] };
  const folder = folderOf(device, sys);
  return [
    { path: `${sys}/module/${moduleName}/parameters/timeout`, ...timeout },
    { path: `${sys}/module/${moduleName}/parameters/nowayout`, ...wayOut },
    { path: `${folder}/timeout`, ...timeout },
    { path: `${folder}/nowayout`, ...wayOut },
  ];
}

function read(path: string): string | null {
  try {
    return readFileSync(path, "latin1").trim();
  } catch {
    return null;
  }
}

function present(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

function loadModule(timeoutMs: Millis): void {
  spawnSync("modprobe", [moduleName, `timeout=${timeoutMs / 1000}`, "nowayout=0"], {
    timeout: 10_000,
    stdio: "ignore",
  });
}

function timeoutIsRight(timeoutMs: Millis, sys: string): boolean {
  const found = read(`${sys}/module/${moduleName}/parameters/timeout`);
  return found === null || found === String(timeoutMs / 1000);
}

/**
 * A terminal line, a FIFO or a plain file: the stand-in of a lab or a test, whose far end keeps the time. A real
 * watchdog never is one.
 */
function isStandIn(path: string): boolean {
  const real = realpathSync(path);
  return !statSync(real).isCharacterDevice() || /^\/dev\/(tty|pts\/)/.test(real);
}

/** The sentence for the administrator, or null when the kernel's own words agree with the configuration. */
function timeoutProblem(device: string, timeoutMs: Millis, sys: string): string | null {
  const known = facts(device, timeoutMs, sys).map((fact) => ({ ...fact, found: read(fact.path) }));
  for (const { path, expected, found } of known) {
    if (found !== null && !expected.includes(found)) {
      const wrong = `Cannot arm the watchdog ${device}: found ${found} in ${path}, expected ${expected.join(" or ")}`;
      return wrong + whoseElse(device, sys);
    }
  }
  if (known.some(({ path, found }) => found !== null && path.endsWith("timeout"))) return null;
  return `Cannot arm the watchdog ${device}: found no driver that tells its timeout, expected ${moduleName} with ${timeoutMs} ms`;
}

/** A dom0 whose firmware brings a watchdog (ACPI WDAT) may have loaded that one's driver first. */
function whoseElse(device: string, sys: string): string {
  const identity = read(`${folderOf(device, sys)}/identity`);
  if (identity === null || identity === moduleName) return "";
  return `; it is ${identity}: keep that module from loading, or set WATCHDOG_DEVICE to the device of ${moduleName}`;
}

/**
 * Opens and thereby arms the device. Loads Xen's driver when there is no device, or when the driver runs with another
 * timeout and nobody uses it (Node has no ioctl, so the module's parameter is the only way to set it).
 */
export function openDevice(device: string, timeoutMs: Millis, sys = "/sys"): Result<Device, string> {
  if (!present(device) || !timeoutIsRight(timeoutMs, sys)) {
    if (!timeoutIsRight(timeoutMs, sys))
      spawnSync("modprobe", ["-r", moduleName], { timeout: 10_000, stdio: "ignore" });
    loadModule(timeoutMs);
  }
  let descriptor: number;
  try {
    const problem = isStandIn(device) ? null : timeoutProblem(device, timeoutMs, sys);
    if (problem !== null) return err(problem);
    // O_NOCTTY: the holder leads its session, and a terminal line would become its terminal and could hang it up.
    descriptor = openSync(device, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const hint = reason.startsWith("EBUSY") ? "; another program holds it (is XAPI's own HA enabled?)" : "";
    return err(`Cannot arm the watchdog ${device}: ${reason}${hint}`);
  }
  const write = (byte: string): string | null => {
    try {
      return writeSync(descriptor, byte) === 1 ? null : "EAGAIN";
    } catch (error) {
      return error instanceof Error && "code" in error ? String(error.code) : String(error);
    }
  };
  return ok({
    feed: () => write(feedByte),
    disarm() {
      const failed = write(magicByte);
      // Closing without the magic byte would leave it running with nobody to feed it: the caller keeps it open.
      if (failed === null) closeSync(descriptor);
      return failed;
    },
  });
}
