// The lab's witness: the real program in the namespace of the wires, on an address of the management network.

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { distDir } from "../build.ts";
import { POOL_UUID, WITNESS, WITNESS_PORT } from "./names.ts";

/** Shared by the nodes and the witness; a lab's, so it may stand here. */
export const LAB_WITNESS_KEY = "7e57".repeat(16);

export interface LabWitness {
  start(): Promise<void>;
  /** SIGKILL: its grants are on the disk, or were never given. */
  stop(): Promise<void>;
}

export function labWitness(dir: string, onEvent: (event: string, detail: string) => void): LabWitness {
  const folder = join(dir, "witness");
  const config = join(folder, "witness.yaml");
  let child: ChildProcess | null = null;
  mkdirSync(folder, { recursive: true });
  const listen = `listen: ${WITNESS}:${WITNESS_PORT}\nstate: ${join(folder, "grants.json")}\n`;
  writeFileSync(config, `${listen}pools:\n  - { uuid: ${POOL_UUID}, keys: "${LAB_WITNESS_KEY}" }\n`, { mode: 0o600 });
  return {
    start() {
      if (child !== null) return Promise.resolve();
      const log = openSync(join(folder, "witness.log"), "a");
      const program = join(distDir, "tandem.mjs");
      child = spawn(process.execPath, [program, "witness", "--config", config], { stdio: ["ignore", log, log] });
      closeSync(log);
      child.on("error", (error) => onEvent("witness.failed", error.message));
      child.on("exit", (code, signal) => onEvent("witness.ended", `${code ?? signal}`));
      onEvent("witness.started", "");
      return Promise.resolve();
    },
    async stop() {
      const running = child;
      child = null;
      if (running === null || running.exitCode !== null || running.signalCode !== null) return;
      running.kill("SIGKILL");
      await once(running, "exit");
    },
  };
}
