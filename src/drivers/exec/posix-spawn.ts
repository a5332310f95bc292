// Starts children by posix_spawn of the C library. Node's own spawn forks: until the daemon has touched all of its memory
// again, each first touch of a page is a fault (some 300 a child), in the middle of a switch. posix_spawn copies nothing.
// What this way cannot do as Node does it, Node does.

import { EventEmitter } from "node:events";
import { closeSync, constants, openSync, statSync, type Stats } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { nodeSpawn, signalName, type Child, type ChildEvents, type ChildOptions, type SpawnChild } from "./child.ts";

// <fcntl.h>, <spawn.h> and <sys/wait.h> of Linux and glibc.
const O_CLOEXEC = 0o2_000_000;
const POSIX_SPAWN_SETSIGDEF = 0x04;
const POSIX_SPAWN_SETSIGMASK = 0x08;
const POSIX_SPAWN_SETSID = 0x80;
const WNOHANG = 1;
/** More than posix_spawnattr_t (336), posix_spawn_file_actions_t (80) and sigset_t (128) need. */
const OPAQUE_BYTES = 512;

const signatures = {
  pipe2: { return: "i32", arguments: ["pointer", "i32"] },
  posix_spawn: { return: "i32", arguments: ["pointer", "string", "pointer", "pointer", "pointer", "pointer"] },
  posix_spawn_file_actions_init: { return: "i32", arguments: ["pointer"] },
  posix_spawn_file_actions_adddup2: { return: "i32", arguments: ["pointer", "i32", "i32"] },
  posix_spawn_file_actions_addchdir_np: { return: "i32", arguments: ["pointer", "string"] },
  posix_spawn_file_actions_destroy: { return: "i32", arguments: ["pointer"] },
  posix_spawnattr_init: { return: "i32", arguments: ["pointer"] },
  posix_spawnattr_setflags: { return: "i32", arguments: ["pointer", "i16"] },
  posix_spawnattr_setsigdefault: { return: "i32", arguments: ["pointer", "pointer"] },
  posix_spawnattr_setsigmask: { return: "i32", arguments: ["pointer", "pointer"] },
  sigemptyset: { return: "i32", arguments: ["pointer"] },
  sigfillset: { return: "i32", arguments: ["pointer"] },
  waitpid: { return: "i32", arguments: ["i32", "pointer", "i32"] },
} as const;

/**
 * posix_spawn, or Node's own spawn where this runtime cannot call the C library; `onMissing` hears why. Which one it is the
 * first child decides: nothing is loaded before one is wanted.
 */
export function quickSpawn(onMissing: (reason: string) => void): SpawnChild {
  let chosen: SpawnChild | null = null;
  function choose(): SpawnChild {
    try {
      return posixSpawn();
    } catch (thrown) {
      onMissing(thrown instanceof Error ? thrown.message : String(thrown));
      return nodeSpawn;
    }
  }
  return (file, args, options) => (chosen ??= choose())(file, args, options);
}

/**
 * `otherwise` starts what this way cannot. Throws where the C library cannot be called. For the main thread: no other one
 * is told of SIGCHLD.
 */
export function posixSpawn(otherwise: SpawnChild = nodeSpawn): SpawnChild {
  // Not imported: a runtime may be without it.
  const ffi = process.getBuiltinModule("node:ffi");
  const { functions: libc } = ffi.dlopen(null, signatures);
  const nothing = openSync("/dev/null", constants.O_RDWR | O_CLOEXEC);
  const attributes = new ArrayBuffer(OPAQUE_BYTES);
  const signals = new ArrayBuffer(OPAQUE_BYTES);
  libc.posix_spawnattr_init(attributes);
  libc.posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  // What Node ignores (SIGPIPE) or blocks is not the child's business. Both calls copy the set.
  libc.sigfillset(signals);
  libc.posix_spawnattr_setsigdefault(attributes, signals);
  libc.sigemptyset(signals);
  libc.posix_spawnattr_setsigmask(attributes, signals);

  const running = new Map<number, QuickChild>();
  const status = new Int32Array(new ArrayBuffer(4));
  process.on("SIGCHLD", () => {
    // By pid: another's child is not ours to reap, and signals that come together are one.
    for (const [pid, child] of running) {
      if (libc.waitpid(pid, status, WNOHANG) === 0) continue;
      running.delete(pid);
      child.ended(status[0] ?? 0);
    }
  });

  /** `read` and `write`, or null when no descriptors are left. */
  function pipe(): readonly [read: number, write: number] | null {
    const ends = new Int32Array(new ArrayBuffer(8));
    if (libc.pipe2(ends, O_CLOEXEC) !== 0) return null;
    const [read = -1, write = -1] = ends;
    return [read, write];
  }

  const table = (texts: readonly string[]): ArrayBuffer => stringTable(texts, ffi.getRawPointer);

  /** The pid of a child that has these three descriptors; null when it did not start. */
  function start(path: string, words: readonly string[], options: ChildOptions, fds: readonly number[]): number | null {
    const actions = new ArrayBuffer(OPAQUE_BYTES);
    const pid = new Int32Array(new ArrayBuffer(4));
    const env = Object.entries(options.env).map(([name, value]) => `${name}=${value}`);
    libc.posix_spawn_file_actions_init(actions);
    if (options.cwd !== undefined) libc.posix_spawn_file_actions_addchdir_np(actions, options.cwd);
    for (const [index, fd] of fds.entries()) libc.posix_spawn_file_actions_adddup2(actions, fd, index);
    const errno = libc.posix_spawn(pid, path, actions, attributes, table(words), table(env));
    libc.posix_spawn_file_actions_destroy(actions);
    return errno === 0 ? (pid[0] ?? null) : null;
  }

  function spawnQuickly(file: string, args: readonly string[], options: ChildOptions): Child | null {
    const path = whereIs(file, options.env["PATH"] ?? "");
    const texts = [file, ...args, options.cwd ?? "", ...Object.entries(options.env).flat()];
    if (path === null || texts.some((text) => text.includes("\0"))) return null;
    const theirs: number[] = [];
    const ours: (number | null)[] = [];
    for (const [index, joined] of options.stdio.entries()) {
      const ends = joined === "pipe" ? pipe() : null;
      if (ends === null && joined === "pipe") break;
      const [read, write] = ends ?? [nothing, nothing];
      theirs.push(index === 0 ? read : write);
      ours.push(ends === null ? null : index === 0 ? write : read);
    }
    const pid = theirs.length === options.stdio.length ? start(path, [file, ...args], options, theirs) : null;
    for (const fd of theirs) if (fd !== nothing) closeSync(fd);
    if (pid === null) {
      for (const fd of ours) if (fd !== null) closeSync(fd);
      return null;
    }
    const child = new QuickChild(pid, ours);
    running.set(pid, child);
    return child;
  }

  // No such program, no descriptors, a script without its first line, a folder that is gone: Node knows how, or says why not.
  return (file, args, options) => spawnQuickly(file, args, options) ?? otherwise(file, args, options);
}

/** As the shell looks for it; null when it is nowhere, or when where it is depends on the child's folder. */
function whereIs(file: string, path: string): string | null {
  if (file.startsWith("/")) return file;
  if (file.includes("/")) return null;
  const candidates = path
    .split(":")
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, file));
  return candidates.find((candidate) => isProgram(statSync(candidate, { throwIfNoEntry: false }))) ?? null;
}

const isProgram = (found: Stats | undefined): boolean => found?.isFile() === true && (found.mode & 0o111) !== 0;

/** `char *const []`: the pointers, a null pointer, then the texts that they point to, each with its NUL. */
function stringTable(texts: readonly string[], addressOf: (memory: ArrayBuffer) => bigint): ArrayBuffer {
  const bytes = texts.map((text) => Buffer.from(`${text}\0`));
  const pointers = 8 * (texts.length + 1);
  const table = new ArrayBuffer(bytes.reduce((sum, { length }) => sum + length, pointers));
  const view = new DataView(table);
  const start = addressOf(table);
  let at = pointers;
  for (const [index, text] of bytes.entries()) {
    view.setBigUint64(8 * index, start + BigInt(at), true);
    new Uint8Array(table).set(text, at);
    at += text.length;
  }
  return table;
}

class QuickChild extends EventEmitter<ChildEvents> implements Child {
  readonly pid: number;
  readonly stdin: Socket | null;
  readonly stdout: Socket | null;
  readonly stderr: Socket | null;
  exitCode: number | null = null;
  signalCode: NodeJS.Signals | null = null;
  #open = 1;

  constructor(pid: number, [stdin = null, stdout = null, stderr = null]: readonly (number | null)[]) {
    super();
    this.pid = pid;
    this.stdin = stdin === null ? null : new Socket({ fd: stdin, readable: false, writable: true });
    this.stdout = this.#output(stdout);
    this.stderr = this.#output(stderr);
  }

  #output(fd: number | null): Socket | null {
    if (fd === null) return null;
    const socket = new Socket({ fd, readable: true, writable: false });
    this.#open++;
    socket.on("close", () => this.#closed());
    return socket;
  }

  #closed(): void {
    if (--this.#open === 0) this.emit("close", this.exitCode, this.signalCode);
  }

  /** It was reaped; `status` is what waitpid says of it. */
  ended(status: number): void {
    const signal = status & 0x7f;
    if (signal === 0) this.exitCode = (status >> 8) & 0xff;
    else this.signalCode = signalName(signal);
    this.emit("exit", this.exitCode, this.signalCode);
    this.stdin?.destroy();
    this.#closed();
  }

  kill(signal: NodeJS.Signals): boolean {
    // Not reaped yet, so the number is still its own.
    return this.exitCode === null && this.signalCode === null && process.kill(this.pid, signal);
  }

  unref(): void {
    // A signal that is waited for keeps no process alive; what it prints does, as long as somebody reads.
  }
}
