/**
 * A hypervisor of the lab: one VM is one process in its own process group. Each domain is a small file that outlives
 * xapi, so a restarted xapi (and the xl shim) find what runs. The kernel's process state is the truth about pauses.
 *
 * File <folder>/<domid>, lines key=value: uuid, name, pid, start (kernel start time, against reused pids), mem, vcpus.
 */
import { type ChildProcess, spawn } from "node:child_process";
import {
  mkdirSync,
  openSync,
  closeSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  existsSync,
} from "node:fs";
import { join } from "node:path";
import type { Domain, DomainSpec, Hypervisor } from "./hypervisor.ts";
import { sleep } from "./types.ts";

interface Entry {
  readonly domid: number;
  readonly uuid: string;
  readonly pid: number;
  readonly start: string;
}

export interface ProcessHypervisorOptions {
  /** Where the domain files live; emptied by a reboot of the node. */
  readonly folder: string;
  /** Program and first arguments of a VM, before those of the VM itself. */
  readonly command: readonly string[];
  /** Where the output of VM processes goes. */
  readonly logFolder: string;
  readonly pollMs?: number;
}

const SAVE_MS = 30_000;
const MIB = 1048576;

/** State letter and start time of a process, or undefined when it is gone (a zombie is gone). */
const processState = (pid: number): { letter: string; start: string } | undefined => {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined;
  }
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const letter = fields[0] ?? "X";
  return letter === "Z" || letter === "X" ? undefined : { letter, start: fields[19] ?? "" };
};

const signalGroup = (entry: Entry, signal: NodeJS.Signals): void => {
  if (processState(entry.pid)?.start !== entry.start) return;
  try {
    process.kill(-entry.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
};

export const createProcessHypervisor = (options: ProcessHypervisorOptions): Hypervisor => {
  const { folder, command, logFolder } = options;
  mkdirSync(folder, { recursive: true });
  mkdirSync(logFolder, { recursive: true });
  const listeners = new Set<() => void>();
  const children = new Map<number, ChildProcess>();
  let timer: NodeJS.Timeout | undefined;
  let lastSeen = "";

  const notify = (): void => {
    for (const listener of listeners) listener();
  };

  const readEntry = (name: string): Entry | undefined => {
    if (!/^\d+$/.test(name)) return undefined;
    let text: string;
    try {
      text = readFileSync(join(folder, name), "utf8");
    } catch {
      return undefined;
    }
    const values = new Map(
      text.split("\n").map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
    );
    return {
      domid: Number(name),
      uuid: values.get("uuid") ?? "",
      pid: Number(values.get("pid")),
      start: values.get("start") ?? "",
    };
  };

  /** Living domains; the files of dead ones are removed. */
  const scan = (): { entry: Entry; paused: boolean }[] =>
    (existsSync(folder) ? readdirSync(folder) : []).flatMap((name) => {
      const entry = readEntry(name);
      if (!entry) return [];
      const state = processState(entry.pid);
      if (state?.start === entry.start) return [{ entry, paused: state.letter === "T" }];
      rmSync(join(folder, name), { force: true });
      return [];
    });

  const find = (vmUuid: string): Entry | undefined => scan().find(({ entry }) => entry.uuid === vmUuid)?.entry;

  const need = (vmUuid: string): Entry => {
    const entry = find(vmUuid);
    if (!entry) throw new Error(`Cannot find domain of VM ${vmUuid}: it is not on this host`);
    return entry;
  };

  const poll = (): void => {
    const seen = JSON.stringify(scan().map(({ entry, paused }) => [entry.domid, paused]));
    if (seen === lastSeen) return;
    lastSeen = seen;
    notify();
  };

  const nextDomid = (): number => {
    const path = join(folder, "next-domid");
    const domid = existsSync(path) ? Number(readFileSync(path, "utf8")) : 1;
    writeFileSync(path, String(domid + 1));
    return domid;
  };

  const waitGone = async (entry: Entry, timeoutMs: number): Promise<boolean> => {
    const deadline = performance.now() + timeoutMs;
    while (processState(entry.pid)?.start === entry.start) {
      if (performance.now() >= deadline) return false;
      await sleep(20);
    }
    rmSync(join(folder, String(entry.domid)), { force: true });
    return true;
  };

  const imagePath = (vmUuid: string): string => join(logFolder, `${vmUuid}.image`);

  const start = async (spec: DomainSpec, how: { paused: boolean; image?: string }): Promise<number> => {
    if (find(spec.vmUuid)) throw new Error(`Cannot start domain of VM ${spec.vmUuid}: it already runs here`);
    const [program = "", ...first] = command;
    const args = [...first, ...spec.args, "--state-file", `${imagePath(spec.vmUuid)}.out`];
    if (how.image !== undefined) {
      writeFileSync(imagePath(spec.vmUuid), Buffer.from(how.image, "base64"));
      args.push("--resume-from", imagePath(spec.vmUuid));
    }
    const log = openSync(join(logFolder, `${spec.vmUuid}.log`), "a");
    const child = spawn(program, args, { detached: true, stdio: ["ignore", log, log] });
    closeSync(log);
    const { pid } = child;
    if (pid === undefined) {
      const reason = await new Promise<string>((resolve) => child.once("error", (error) => resolve(error.message)));
      throw new Error(`Cannot start domain of VM ${spec.vmUuid}: ${reason}`);
    }
    const state = processState(pid);
    const domid = nextDomid();
    const lines = {
      uuid: spec.vmUuid,
      name: spec.name.replaceAll("\n", " "),
      pid,
      start: state?.start ?? "",
      mem: Math.round(spec.memoryBytes / MIB),
      vcpus: spec.vcpus,
    };
    const text = Object.entries(lines).map(([key, value]) => `${key}=${value}\n`);
    writeFileSync(join(folder, "new"), text.join(""));
    renameSync(join(folder, "new"), join(folder, String(domid)));
    children.set(domid, child);
    child.once("exit", () => {
      children.delete(domid);
      poll();
    });
    child.unref();
    if (how.paused) process.kill(-pid, "SIGSTOP");
    poll();
    return domid;
  };

  return {
    start,
    destroy: async (vmUuid) => {
      const entry = find(vmUuid);
      if (!entry) return;
      signalGroup(entry, "SIGKILL");
      if (!(await waitGone(entry, SAVE_MS)))
        throw new Error(`Cannot destroy domain of VM ${vmUuid}: its process stays`);
      poll();
    },
    shutdown: async (vmUuid, timeoutMs) => {
      const entry = find(vmUuid);
      if (!entry) return true;
      signalGroup(entry, "SIGTERM");
      const ended = await waitGone(entry, timeoutMs);
      poll();
      return ended;
    },
    pause: async (vmUuid) => {
      signalGroup(need(vmUuid), "SIGSTOP");
      poll();
    },
    unpause: async (vmUuid) => {
      signalGroup(need(vmUuid), "SIGCONT");
      poll();
    },
    save: async (vmUuid) => {
      const entry = need(vmUuid);
      const path = `${imagePath(vmUuid)}.out`;
      rmSync(path, { force: true });
      signalGroup(entry, "SIGCONT");
      process.kill(entry.pid, "SIGUSR2");
      const ended = await waitGone(entry, SAVE_MS);
      poll();
      if (!ended) throw new Error(`Cannot save domain of VM ${vmUuid}: it did not end within ${SAVE_MS} ms`);
      if (!existsSync(path)) throw new Error(`Cannot save domain of VM ${vmUuid}: it ended without writing ${path}`);
      return readFileSync(path).toString("base64");
    },
    list: async () =>
      scan().map(({ entry, paused }): Domain => {
        return { vmUuid: entry.uuid, domid: entry.domid, state: paused ? "paused" : "running" };
      }),
    watch: (listener) => {
      listeners.add(listener);
      timer ??= setInterval(poll, options.pollMs ?? 1000);
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        clearInterval(timer);
        timer = undefined;
      };
    },
  };
};
