// The packages of a node that has systemd, and rpm run on it as an administrator would.

import type { Lab } from "../lab.ts";
import type { NodeName } from "../names.ts";

/** Paths on this machine, which the nodes see. */
export interface Packages {
  /** Offers the names of a dom0's own packages. */
  readonly dom0: string;
  readonly tandem: string;
  /** The same with a higher release number, where a scenario updates to it. */
  readonly newer?: string;
}

export function newerPackage({ packages }: Lab): string {
  if (packages?.newer === undefined)
    throw new Error('Cannot update the package: expect.json of the scenario must say "rpm": "upgraded"');
  return packages.newer;
}

/** On a host that was just installed: what a dom0 has by its own packages, then ours. */
export async function installPackage(lab: Lab, node: NodeName): Promise<void> {
  if (lab.packages === undefined) throw new Error("Cannot install the package: this lab runs the checkout's bundles");
  await rpm(lab, node, `-i ${lab.packages.dom0}`);
  lab.note(node, "rpm -i", (await rpm(lab, node, `-i ${lab.packages.tandem}`)).trim());
}

/** Minutes of a node's single processor: unpacking 120 MB while the other node does the same. */
const RPM_MS = 180_000;

/**
 * `rpm` with these words, its answer. Throws when rpm refuses. Debian's rpm says first that it is none of Debian's tools.
 * What it wrote is on the disk afterwards: 120 MB in the way of a daemon's first durable record cost 17 s (seen).
 */
export async function rpm(lab: Lab, node: NodeName, words: string): Promise<string> {
  const said = await lab.must(node, `rpm ${words} 2>&1 && sync`, RPM_MS);
  return said.replaceAll(/^rpm: (RPM should not|However assuming).*\n/gm, "");
}
