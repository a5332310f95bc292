// Real tools for tests that want them: from the machine, or from Debian packages unpacked under .build/cache (never
// installed). Says why not, in words for a skip, where neither is possible.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const cache = join(dirname(fileURLToPath(import.meta.url)), "../../../.build/cache/packages");
const system = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

export interface RealTools {
  /** Null when the tools are there. */
  readonly skip: string | null;
  readonly path: string;
  readonly env: Readonly<Record<string, string>>;
}

/** `packages` are unpacked only when one of `programs` is not on the machine. */
export function realTools(programs: readonly string[], packages: readonly string[]): RealTools {
  const none = { path: system.join(":"), env: {} };
  const has = (folders: readonly string[]) =>
    programs.every((program) => folders.some((folder) => existsSync(join(folder, program))));
  if (process.getuid?.() !== 0) return { ...none, skip: "needs root for a network namespace" };
  if (has(system)) return { ...none, skip: null };
  const roots: string[] = [];
  for (const name of packages) {
    const root = unpacked(name);
    if (root === null) return { ...none, skip: `${programs.join(", ")} missing and ${name} cannot be downloaded` };
    roots.push(root);
  }
  const folders = [...roots.flatMap((root) => system.map((folder) => join(root, folder))), ...system];
  if (!has(folders)) return { ...none, skip: `${programs.join(", ")} not in ${packages.join(", ")}` };
  const libraries = roots.flatMap((root) => [
    join(root, "usr/lib/x86_64-linux-gnu"),
    join(root, "lib/x86_64-linux-gnu"),
  ]);
  const xtables = libraries.map((folder) => join(folder, "xtables")).find((folder) => existsSync(folder));
  return {
    skip: null,
    path: folders.join(":"),
    env: { LD_LIBRARY_PATH: libraries.join(":"), ...(xtables === undefined ? {} : { XTABLES_LIBDIR: xtables }) },
  };
}

/** Test files run side by side: each unpacks in a folder of its own and the first rename wins. */
function unpacked(name: string): string | null {
  const root = join(cache, name);
  if (existsSync(root)) return root;
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, ".new-"));
  try {
    const options = { cwd: work, stdio: "ignore", timeout: 60_000 } as const;
    execFileSync("apt-get", ["-qq", "download", name], options);
    const file = readdirSync(work).find((one) => one.endsWith(".deb"));
    if (file === undefined) return null;
    execFileSync("dpkg-deb", ["-x", file, "root"], options);
    if (!existsSync(root)) renameSync(join(work, "root"), root);
    return root;
  } catch (thrown) {
    if (existsSync(root)) return root;
    if (thrown instanceof Error) return null;
    throw thrown;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
