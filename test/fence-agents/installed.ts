// The agents as they are installed: the scripts of agents/, the bundle they start, and the daemon's driver that calls them.

import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/drivers/clock/system.ts";
import { createExec } from "../../src/drivers/exec/run.ts";
import { createFence, type FenceAgents, type FenceSettings } from "../../src/drivers/fence/agent.ts";
import { buildAll, distDir, root } from "../build.ts";
import { HOST } from "./call.ts";

export const OWN = "11111111-1111-4111-8111-111111111111";

export interface Installed {
  readonly folder: string;
  fence(change?: Partial<FenceSettings["fence"]>): FenceAgents;
  /** Replaces the hosts file; `line` is what stands after the UUID of the peer. */
  hosts(line: string): void;
  remove(): void;
}

export interface InstallOptions {
  readonly password: string;
  /** Folder with the tools that the agent calls. */
  readonly path?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

export async function install(method: string, line: string, options: InstallOptions): Promise<Installed> {
  await buildAll(["fence-agent"]);
  const folder = mkdtempSync(join(tmpdir(), "tandem-agents-"));
  const home = join(folder, method);
  mkdirSync(home, { mode: 0o755 });
  const script = join(home, `${method}.sh`);
  const shipped = readFileSync(join(root, "agents", method, `${method}.sh`), "utf8");
  const text = shipped
    .replace("/opt/tandem/bin/node", process.execPath)
    .replace("/opt/tandem/lib", distDir)
    .replace("/var/cache/tandem", join(folder, "cache"));
  writeFileSync(script, text);
  chmodSync(script, 0o755);
  const hosts = (rest: string): void =>
    writeFileSync(join(home, `${method}.hosts`), `${HOST}:${rest}\n`, { mode: 0o600 });
  hosts(line);
  const path = `${options.path === undefined ? "" : `${options.path}:`}/usr/bin:/bin`;
  return {
    folder,
    hosts,
    fence: (change = {}) =>
      createFence({
        exec: createExec({ path, env: options.env ?? {} }),
        clock: systemClock(),
        config: () => ({
          self: { uuid: OWN },
          hosts: [{ uuid: OWN }, { uuid: HOST }],
          fence: {
            method,
            action: "stop",
            folder,
            ipAddress: "127.0.0.1",
            password: { reveal: () => options.password },
            timeoutMs: options.timeoutMs ?? 10_000,
            ...change,
          },
        }),
        locate: { ascendTo: folder, owner: process.getuid?.() ?? 0 },
        pollMs: 50,
      }),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
