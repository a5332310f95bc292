// A package without files that offers what a dom0's own packages do, so that rpm judges our package's needs as there.

import { globSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { must } from "../run-command.ts";

const SPEC = `Name: dom0-stand-in
Version: 8.3
Release: 1
Summary: What a dom0 has installed
License: none
BuildArch: noarch
Provides: /bin/sh
Provides: systemd = 219
Provides: iproute
Provides: iptables
Provides: iputils

%description
The names a dom0's own packages offer.

%files
`;

/** Builds it in the folder `dir` and returns its path. */
export async function dom0Package(dir: string): Promise<string> {
  mkdirSync(dir, { recursive: true });
  const spec = join(dir, "dom0-stand-in.spec");
  writeFileSync(spec, SPEC);
  await must("rpmbuild", ["-bb", "--quiet", "--define", `_topdir ${dir}`, spec]);
  const [built] = globSync(join(dir, "RPMS/noarch/*.rpm"));
  if (built === undefined) throw new Error("rpmbuild made no package of a dom0's names");
  return built;
}
