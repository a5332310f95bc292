// Packages without files, for their names: what a dom0 has installed, so that rpm judges our package's needs as there.

import { globSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { must } from "../run-command.ts";

const DOM0 = { name: "dom0-stand-in", provides: ["/bin/sh", "systemd = 219", "iproute", "iptables", "iputils"] };

/** Builds the stand-in for a dom0's own packages in the folder `dir` and returns its path. */
export const dom0Package = (dir: string): Promise<string> => emptyPackage(dir, DOM0.name, DOM0.provides);

/** Builds a package of this name in the folder `dir` and returns its path. */
export async function emptyPackage(dir: string, name: string, provides: readonly string[] = []): Promise<string> {
  mkdirSync(dir, { recursive: true });
  const spec = join(dir, `${name}.spec`);
  const head = [`Name: ${name}`, "Version: 1", "Release: 1", "License: none", "BuildArch: noarch", `Summary: ${name}`];
  const lines = [...head, ...provides.map((one) => `Provides: ${one}`), "%description", `${name}.`, "%files", ""];
  writeFileSync(spec, lines.join("\n"));
  await must("rpmbuild", ["-bb", "--quiet", "--define", `_topdir ${dir}`, spec]);
  const [built] = globSync(join(dir, `RPMS/noarch/${name}-1-1.*.rpm`));
  if (built === undefined) throw new Error(`rpmbuild made no package ${name}`);
  return built;
}
