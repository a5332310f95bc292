// The private Node runtime: a dom0's glibc (2.17) is older than what Node asks for, so the package brings the loader and the
// libraries of the machine that builds it, and the executable names them itself (shared/lab.md 7 has the trial).

import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, realpathSync } from "node:fs";
import { basename, join } from "node:path";

/** Where the libraries live on the host; it is written into the executable. */
export const RUNTIME_DIR = "/opt/tandem/runtime";
const LOADER = "ld-linux-x86-64.so.2";

export interface SharedLibrary {
  readonly name: string;
  /** The real file on this machine. */
  readonly file: string;
  /** Debian's package and version, for the bill of materials. */
  readonly owner: string;
  readonly version: string;
}

const run = (file: string, args: readonly string[]): string =>
  execFileSync(file, args, { encoding: "utf8", maxBuffer: 16 * 2 ** 20, stdio: ["ignore", "pipe", "pipe"] });

/** What the loader would map for `executable` on this machine. Throws when a library is missing or belongs to no package. */
export function sharedLibraries(executable: string): readonly SharedLibrary[] {
  const lines = run("ldd", [executable]).split("\n");
  const files = lines.flatMap((line) => {
    if (/=> not found/.test(line)) throw new Error(`Cannot build the runtime: ${line.trim()}; install the library`);
    const [, file] = /(?:=>\s+|^\s+)(\/\S+) \(/.exec(line) ?? [];
    return file === undefined ? [] : [file];
  });
  return files.map(describeLibrary).toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function describeLibrary(file: string): SharedLibrary {
  const real = realpathSync(file);
  // With a merged /usr dpkg may know the file under the path without it.
  const candidates = [real, real.replace(/^\/usr\/lib/, "/lib"), file];
  for (const candidate of candidates) {
    try {
      const owner = run("dpkg-query", ["-S", candidate]).split("\n")[0]?.split(": ")[0]?.split(":")[0] ?? "";
      const version = run("dpkg-query", ["-W", "-f=${Version}", owner]);
      return { name: basename(file), file: real, owner, version };
    } catch {
      // Not under this name; the next one may be known.
    }
  }
  throw new Error(`Cannot build the runtime: no Debian package owns ${file}; build on a plain Debian 12`);
}

/**
 * Writes the executable to `bin/node` and its libraries to `runtime/` under `opt`. The order counts: a file that patchelf has
 * rewritten must not be stripped any more.
 */
export function stageRuntime(node: string, opt: string): readonly SharedLibrary[] {
  const libraries = sharedLibraries(node);
  mkdirSync(join(opt, "bin"), { recursive: true });
  mkdirSync(join(opt, "runtime"), { recursive: true });
  const executable = join(opt, "bin/node");
  run("strip", ["-s", "-o", executable, node]);
  run("patchelf", [
    "--set-interpreter",
    `${RUNTIME_DIR}/${LOADER}`,
    // RPATH, not RUNPATH: it holds for the libraries' own needs too, and no child inherits it as LD_LIBRARY_PATH.
    "--force-rpath",
    "--set-rpath",
    RUNTIME_DIR,
    executable,
  ]);
  chmodSync(executable, 0o755);
  for (const { name, file } of libraries) {
    const target = join(opt, "runtime", name);
    copyFileSync(file, target);
    chmodSync(target, 0o755);
  }
  return libraries;
}
