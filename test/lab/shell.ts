// An interactive shell in a node: a terminal there, and every key and every byte passed through as it is. Goes from this
// terminal over the lab's socket into its namespace, and from there over the control network to the node's agent.

import { connect, type Socket } from "node:net";
import type { ReadStream, WriteStream } from "node:tty";
import { AGENT_PORT, FACTS, type NodeName } from "./names.ts";

/** Ends the connection whatever the node does: Ctrl-] as in telnet. */
const ESCAPE = 0x1d;

export interface ShellSize {
  readonly columns: number;
  readonly rows: number;
}

/** Runs until the shell ends, or Ctrl-] is pressed. Resolves with 0, or with 1 when there is no such lab. */
export function interactiveShell(
  socketPath: string,
  node: string,
  stdin: ReadStream,
  stdout: Pick<WriteStream, "write" | "columns" | "rows">,
): Promise<number> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    const raw = (on: boolean): void => {
      if (stdin.isTTY) stdin.setRawMode(on);
    };
    let code = 1;
    const onKeys = (keys: Buffer): void => {
      if (stdin.isTTY && keys.includes(ESCAPE)) socket.destroy();
      else socket.write(keys);
    };
    socket.on("error", () => undefined);
    socket.on("connect", () => {
      code = 0;
      const size = { columns: stdout.columns ?? 80, rows: stdout.rows ?? 24 };
      socket.write(`${JSON.stringify(["shell", node, JSON.stringify(size)])}\n`);
      raw(true);
      stdin.on("data", onKeys);
      // A script on standard input: the shell reads to its end, says the rest, and goes.
      stdin.on("end", () => socket.end());
    });
    socket.on("data", (bytes: Buffer) => stdout.write(bytes));
    socket.on("close", () => {
      raw(false);
      stdin.off("data", onKeys);
      stdin.pause();
      resolve(code);
    });
  });
}

/** In the lab's namespace: joins the asking socket with a shell in the node. `early` is what was typed already. */
export function joinShell(client: Socket, node: NodeName, size: ShellSize, early: Buffer): void {
  const agent = connect({ host: FACTS[node].control, port: AGENT_PORT, allowHalfOpen: true });
  const end = (why: string): void => {
    if (client.writable && why !== "") client.write(`\r\n${why}\r\n`);
    agent.destroy();
    client.end();
  };
  agent.on("error", () => end(`${node} does not answer on the control network`));
  agent.on("close", () => end(""));
  agent.on("connect", () => {
    agent.write(`${JSON.stringify({ op: "shell", ...size })}\n`);
    agent.write(early);
    client.pipe(agent);
    agent.pipe(client, { end: false });
  });
  client.on("close", () => agent.destroy());
}
