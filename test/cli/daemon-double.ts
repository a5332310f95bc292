// A daemon that answers from a script over a real control socket, and a way to run the real tools against it.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ControlReply, ControlRequest, ControlServer } from "../../src/drivers/control/port.ts";
import { startControlServer } from "../../src/drivers/control/server.ts";

export interface Double {
  readonly directory: string;
  readonly path: string;
  readonly requests: ControlRequest[];
  /** What each kind of request is answered with, in order of sending. */
  readonly script: Partial<Record<ControlRequest["kind"], readonly ControlReply[]>>;
  publish: ControlServer["publish"];
  /** Somebody watches. */
  connected: ControlServer["connected"];
  stop(): Promise<void>;
}

export async function startDouble(): Promise<Double> {
  const directory = await mkdtemp(join(tmpdir(), "tandem-cli-"));
  const path = join(directory, "run", "tandemd.sock");
  const requests: ControlRequest[] = [];
  const script: Double["script"] = {};
  const server = await startControlServer({
    path,
    handler: async (request, reply) => {
      requests.push(request);
      for (const answer of script[request.kind] ?? [{ kind: "done", text: `did ${request.kind}` }]) reply(answer);
    },
    onProblem: () => undefined,
  });
  if (!server.ok) throw new Error(`the double cannot start: ${JSON.stringify(server.error)}`);
  return {
    directory,
    path,
    requests,
    script,
    publish: (status) => server.value.publish(status),
    connected: () => server.value.connected(),
    stop: async () => {
      await server.value.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the program as an administrator does, without a terminal. */
export async function runTool(
  tool: "ha-cfg" | "iscsi-cfg",
  args: readonly string[],
  { socket, log, input }: { readonly socket: string; readonly log?: string; readonly input?: string },
): Promise<Ran> {
  const child = spawn(process.execPath, [new URL(`../../src/bin/${tool}.ts`, import.meta.url).pathname, ...args], {
    env: { PATH: process.env["PATH"], TZ: "UTC", TANDEM_SOCKET: socket, TANDEM_LOG: log ?? "/nonexistent" },
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.end(input ?? "");
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk) => (out += String(chunk)));
  child.stderr.on("data", (chunk) => (err += String(chunk)));
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, out, err };
}
