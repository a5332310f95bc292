// One lab node: a user-mode Linux kernel as an own process group. Power loss is SIGKILL of the group, a hang is SIGSTOP of
// its main process; the watchdog's far end is here, outside the node (A25).

import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { macOf, MTU, NETWORKS, tap, type NodeName } from "./names.ts";
import type { Images } from "./packages.ts";
import { must } from "./run-command.ts";

const UPPER_BYTES = "1G";
const DATA_BYTES = "192M";

export interface UmlNode {
  readonly name: NodeName;
  powered(): boolean;
  /** Resolves when the node's process is there; readiness is the agent's to say. */
  powerOn(): Promise<void>;
  /** The whole process group, at once; resolves when all of it is gone. */
  powerOff(why: string): Promise<void>;
  freeze(): void;
  thaw(): void;
  /** A new first disk under DRBD, all zero; only while off. */
  replaceDataDisk(): Promise<void>;
  /** Fresh disks with these files; only while off. */
  format(files: ReadonlyMap<string, { readonly content: string; readonly mode: number }>): Promise<void>;
  readonly upperImage: string;
  readonly console: string;
}

export interface UmlNodeOptions {
  readonly name: NodeName;
  readonly dir: string;
  readonly images: Images;
  /** Disks for data: ubdb and those after it. */
  readonly dataDisks: number;
  readonly umid: string;
  readonly cpu: number;
  readonly memoryMiB: number;
  /** Milliseconds without a byte after which an armed watchdog kills the node. */
  readonly watchdogMs: number;
  readonly onEvent: (event: string, detail: string) => void;
}

export function createUmlNode(options: UmlNodeOptions): UmlNode {
  const { name, dir, images, umid } = options;
  const upperImage = join(dir, "upper.img");
  const dataImages = Array.from({ length: options.dataDisks }, (_, i) => join(dir, `data${i + 1}.img`));
  const consoleLog = join(dir, "console.log");
  mkdirSync(dir, { recursive: true });
  let child: ChildProcess | null = null;
  let stopWatchdog: () => void = () => undefined;
  /** A power-off that is under way: the next kernel must not find the taps and disks still held. */
  let ending: Promise<void> = Promise.resolve();

  function watch(line: Duplex): () => void {
    let timer: NodeJS.Timeout | null = null;
    let fedAt = Infinity;
    line.on("error", () => undefined);
    line.on("data", (chunk: Buffer) => {
      if (timer !== null) clearTimeout(timer);
      timer = null;
      const pause = Date.now() - fedAt;
      if (pause > 0.3 * options.watchdogMs) options.onEvent("watchdog.fed", `again after a pause of ${pause} ms`);
      fedAt = Date.now();
      // The magic character as the last byte disarms, as the kernel's watchdog devices do.
      if (chunk.at(-1) === 0x56) {
        fedAt = Infinity;
        return;
      }
      timer = setTimeout(() => {
        options.onEvent("watchdog.fired", `not fed for ${options.watchdogMs} ms`);
        void node.powerOff("watchdog");
      }, options.watchdogMs);
    });
    return () => {
      if (timer !== null) clearTimeout(timer);
    };
  }

  const node: UmlNode = {
    name,
    upperImage,
    console: consoleLog,
    powered: () => child !== null,
    async powerOn() {
      await ending;
      if (child !== null) return;
      const vectors = NETWORKS.map((network, i) => {
        const mac = macOf(network, name);
        return `vec${i}:transport=tap,ifname=${tap(network, name)},depth=128,gro=1,mtu=${MTU[network]},mac=${mac}`;
      });
      const log = openSync(consoleLog, "a");
      const started = spawn(
        "setpriv",
        [
          // Nobody keeps a node whose lab is gone.
          "--pdeathsig",
          "KILL",
          "taskset",
          "-c",
          String(options.cpu),
          images.uml,
          `mem=${options.memoryMiB}M`,
          `umid=${umid}`,
          `uml_dir=${dirname(dir)}/uml`,
          "noreboot",
          "panic=1",
          "root=/dev/root",
          "rootfstype=hostfs",
          "rootflags=/",
          "ro",
          `init=${images.layer}/lab/preinit`,
          `LABLAYER=${images.layer}`,
          ...(images.hostLayer === undefined ? [] : [`LABHOST=${images.hostLayer}`]),
          `ubda=${upperImage}`,
          ...dataImages.map((image, i) => `ubd${"bcd"[i] ?? ""}=${image}`),
          ...vectors,
          "con=null",
          "con0=null,fd:1",
          "ssl=null",
          "ssl0=fd:3,fd:3",
          "quiet",
        ],
        { detached: true, stdio: ["ignore", log, log, "pipe"] },
      );
      child = started;
      options.onEvent("power.on", "");
      closeSync(log);
      const line = started.stdio[3];
      if (line !== null && line !== undefined && "write" in line) stopWatchdog = watch(line as Duplex);
      started.on("exit", () => {
        if (child !== started) return;
        options.onEvent("power.lost", "the node's kernel ended by itself");
        child = null;
        stopWatchdog();
        // What its processes left would hold the taps.
        if (started.pid !== undefined) killGroup(started.pid);
      });
    },
    async powerOff(why) {
      const victim = child;
      if (victim?.pid === undefined) return ending;
      child = null;
      stopWatchdog();
      killGroup(victim.pid);
      options.onEvent("power.off", why);
      ending = groupGone(victim.pid);
      await ending;
    },
    freeze() {
      if (child?.pid !== undefined) process.kill(child.pid, "SIGSTOP");
    },
    thaw() {
      if (child?.pid !== undefined) process.kill(child.pid, "SIGCONT");
    },
    async format(files) {
      const seed = join(dir, "seed");
      await must("rm", ["-rf", seed, upperImage]);
      for (const [path, { content, mode }] of files) {
        const at = join(seed, "upper", path);
        mkdirSync(dirname(at), { recursive: true });
        writeFileSync(at, content, { mode });
      }
      mkdirSync(join(seed, "work"), { recursive: true });
      await must("truncate", ["-s", UPPER_BYTES, upperImage]);
      await must("mkfs.ext4", ["-q", "-E", "lazy_itable_init=1,lazy_journal_init=1", "-d", seed, upperImage]);
      for (const image of dataImages) await blank(image);
      await must("rm", ["-rf", seed]);
    },
    replaceDataDisk: () => blank(join(dir, "data1.img")),
  };
  return node;
}

async function blank(image: string): Promise<void> {
  await must("rm", ["-f", image]);
  await must("truncate", ["-s", DATA_BYTES, image]);
}

function killGroup(pgid: number): void {
  try {
    process.kill(-pgid, "SIGKILL");
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ESRCH") throw thrown;
  }
}

async function groupGone(pgid: number): Promise<void> {
  for (let waited = 0; waited < 5_000 && groupLives(pgid); waited += 10) await delay(10);
}

/**
 * Whether a process of the group still runs. A zombie does not count: it holds no tap and no disk, and how soon the
 * machine's init reaps it (seen: 2 s) is not part of a power-off.
 */
function groupLives(pgid: number): boolean {
  return readdirSync("/proc").some((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    let stat: string;
    try {
      stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    } catch {
      // It ended between the two looks.
      return false;
    }
    // proc(5): the name stands in parentheses and may hold spaces; after it come state, parent and group.
    const [state, , group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return Number(group) === pgid && state !== "Z" && state !== "X";
  });
}
