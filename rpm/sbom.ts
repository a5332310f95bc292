// The bill of materials (CycloneDX 1.5, JSON): what the package brings that somebody else wrote. From the lockfile and the
// libraries' Debian packages; no clock and no random number, so that the same input gives the same bytes.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { bundledPackages, RUNTIME_PACKAGE } from "./bundled.ts";
import type { SharedLibrary } from "./runtime.ts";

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

function npmComponents(): readonly object[] {
  return bundledPackages().map(({ name, version, integrity, license }) => {
    const [algorithm, digest] = integrity?.split("-") ?? [];
    return {
      type: name === RUNTIME_PACKAGE ? "platform" : "library",
      name,
      version,
      purl: `pkg:npm/${name.replace("@", "%40")}@${version}`,
      ...(algorithm === "sha512" && digest !== undefined
        ? { hashes: [{ alg: "SHA-512", content: Buffer.from(digest, "base64").toString("hex") }] }
        : {}),
      ...(license === undefined ? {} : { licenses: [{ expression: license }] }),
    };
  });
}

const debianComponent = ({ name, file, owner, version }: SharedLibrary): object => ({
  type: "library",
  name,
  version,
  purl: `pkg:deb/debian/${owner}@${encodeURIComponent(version)}?arch=amd64`,
  hashes: [{ alg: "SHA-256", content: sha256(readFileSync(file)) }],
});

export function billOfMaterials(
  libraries: readonly SharedLibrary[],
  { version, epoch }: { readonly version: string; readonly epoch: number },
): string {
  const bill = {
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: {
      timestamp: new Date(epoch * 1000).toISOString(),
      component: { type: "application", name: "tandem", version, licenses: [{ expression: "Apache-2.0" }] },
    },
    components: [...npmComponents(), ...libraries.map(debianComponent)],
  };
  return `${JSON.stringify(bill, undefined, 2)}\n`;
}
