// The licences of what the package carries, as their authors demand: the text of each, once.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { bundledPackages } from "./bundled.ts";

const licenceFile = (folder: string): string | undefined =>
  readdirSync(folder)
    .toSorted()
    .find((name) => /^(licen[cs]e|copying)/i.test(name));

export function thirdPartyNotices(): string {
  const parts = bundledPackages().map(({ name, version, folder, license }) => {
    const file = licenceFile(folder);
    const text =
      file === undefined ? `Licence: ${license ?? "see the package"}` : readFileSync(join(folder, file), "utf8");
    return `${"=".repeat(78)}\n${name} ${version}\n${"=".repeat(78)}\n\n${text.trim()}\n`;
  });
  const libraries =
    "The C and C++ runtime libraries in /opt/tandem/runtime are Debian's packages libc6 (LGPL-2.1-or-later), libstdc++6,\n" +
    "libgcc-s1 and libatomic1 (GPL-3.0-or-later with the GCC Runtime Library Exception), unchanged; sbom.cdx.json names\n" +
    "their versions, and their sources are in Debian's archive.\n";
  return [libraries, ...parts].join("\n");
}
