// The lab's own process, inside its network namespace: `serve` keeps one lab for the command line, `run` runs scenarios.
// Started by main.ts only; its one argument is a JSON order.

import { setTimeout as delay } from "node:timers/promises";
import { createServer, type Socket } from "node:net";
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Packages } from "./installed/install.ts";
import { runChaos, type Chaos } from "./chaos/run.ts";
import { bootLab, daemonLog, startLab, type Lab } from "./lab.ts";
import { NODES, type NodeName, type TargetName } from "./names.ts";
import type { Images } from "./packages.ts";
import { runScenario, type Order } from "./run-scenario.ts";
import { servingPool } from "./serving.ts";
import { measureThroughput } from "./throughput.ts";
import { joinShell, type ShellSize } from "./shell.ts";

export interface Serve {
  readonly kind: "serve";
  readonly name: string;
  readonly dir: string;
  readonly images: Images;
  readonly packages?: Packages;
  readonly target: TargetName;
  readonly parameters: Readonly<Record<string, string>>;
}

export interface Bench {
  readonly kind: "bench";
  readonly name: string;
  readonly dir: string;
  readonly images: Images;
  readonly rounds: number;
}

const order = JSON.parse(process.argv[2] ?? "{}") as Serve | Order | Bench | Chaos;
const progress = (text: string): void => void process.stderr.write(`${text}\n`);

let lab: Lab | null = null;
let ending: Promise<never> | null = null;
/** Once: Ctrl-C comes from the terminal and from the parent, and a run may be ending by itself already. */
function end(code: number): Promise<never> {
  ending ??= (async () => {
    await lab?.stop();
    process.exit(code);
  })();
  return ending;
}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void end(130));

try {
  if (order.kind === "run") {
    process.exitCode = await runScenario(order, progress, (made) => (lab = made));
    await end(Number(process.exitCode));
  } else if (order.kind === "bench") {
    const options = { ...order, target: "tgtd", parameters: {}, kernelInitiator: false } as const;
    lab = await startLab({ ...options, progress, dir: join(order.dir, "nodes") });
    process.stdout.write(await measureThroughput(lab, order.rounds, progress));
    await end(0);
  } else if (order.kind === "chaos") {
    await end(await runChaos(order, progress, (made) => (lab = made)));
  } else await serve(order);
} catch (error) {
  progress(error instanceof Error ? (error.stack ?? error.message) : String(error));
  await end(1);
}

async function serve(options: Serve): Promise<void> {
  const socketPath = join(options.dir, "lab.sock");
  lab = await startLab({ ...options, kernelInitiator: false, progress, dir: join(options.dir, "nodes") });
  await bootLab(lab, progress);
  const here = lab;
  await servingPool(lab, progress, {}).catch((error: unknown) => {
    // A lab that does not come up whole is still worth looking into.
    progress(`Not everything came up: ${error instanceof Error ? error.message : String(error)}`);
  });
  rmSync(socketPath, { force: true });
  createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => socket.destroy());
    let held = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      held = Buffer.concat([held, chunk]);
      const at = held.indexOf("\n");
      if (at < 0) return;
      const words = JSON.parse(held.subarray(0, at).toString("utf8")) as readonly string[];
      const rest = held.subarray(at + 1);
      held = Buffer.alloc(0);
      if (words[0] === "shell") {
        socket.off("data", onData);
        return shell(socket, words, rest);
      }
      void answer(here, words)
        .catch((error: unknown) => ({
          code: 1,
          stdout: "",
          stderr: error instanceof Error ? error.message : String(error),
        }))
        .then((reply) => socket.end(`${JSON.stringify(reply)}\n`));
    };
    socket.on("data", onData);
  }).listen(socketPath, () => progress(`The lab "${options.name}" serves. End it with: npm run lab -- down`));
}

function shell(socket: Socket, [, name = "", size = "{}"]: readonly string[], early: Buffer): void {
  const node = NODES.find((one) => one === name);
  if (node === undefined) socket.end(`Cannot find the node "${name}": expected ${NODES.join(" or ")}\r\n`);
  else joinShell(socket, node, JSON.parse(size) as ShellSize, early);
}

/** A node that loses its power closes no connection: whoever waits for a command in it would wait for long. */
async function execUnlessPowerLost(
  here: Lab,
  node: NodeName,
  command: string,
): Promise<{ code: number; stdout: string; stderr: string }> {
  let over = false;
  const powerLost = async () => {
    while (here.nodes[node].powered() && !over) await delay(500);
    return { code: 125, stdout: "", stderr: `${node} has no power\n` };
  };
  try {
    return await Promise.race([here.exec(node, command, 600_000), powerLost()]);
  } finally {
    over = true;
  }
}

async function answer(
  here: Lab,
  [op, ...args]: readonly string[],
): Promise<{ code: number; stdout: string; stderr: string }> {
  const done = (stdout = ""): { code: number; stdout: string; stderr: string } => ({ code: 0, stdout, stderr: "" });
  const node = NODES.find((n) => n === args[0]);
  switch (op) {
    case "exec":
      if (node === undefined)
        throw new Error(`Cannot find the node "${args[0] ?? ""}": expected ${NODES.join(" or ")}`);
      return execUnlessPowerLost(here, node, args.slice(1).join(" "));
    case "fault":
      await here.fault(args[0] ?? "");
      return done();
    case "heal":
      await here.heal(args[0] ?? "");
      return done();
    case "log":
      return done(
        (await Promise.all(NODES.map((n: NodeName) => daemonLog(here, n))))
          .flat()
          .map((e) => JSON.stringify(e))
          .join("\n"),
      );
    case "status": {
      const power = NODES.map((n) => `${n} ${here.nodes[n].powered() ? "on" : "off"}`).join("\n");
      const writes = here.vms
        .map((vm) => `${vm.name} ${here.collector.ackedCount(vm.uuid)} acknowledged writes`)
        .join("\n");
      return done(`${power}\n${writes}\n`);
    }
    case "down":
      setTimeout(() => void end(0), 50);
      return done("The lab ends.\n");
    default:
      throw new Error(`Cannot do "${op ?? ""}": unknown order`);
  }
}
