// A person at a terminal of a node: types a command, waits for what it asks, types the answer. The terminal is a real one
// (a pty in the node, 80 columns), so a program asks there as it would ask a person.

import { connect } from "node:net";
import { stripVTControlCharacters } from "node:util";
import { AGENT_PORT, FACTS, type NodeName } from "./names.ts";

export interface Reply {
  /** What the screen says when it is the turn to type. */
  readonly to: RegExp;
  readonly type: string;
}

export interface Dialogue {
  readonly code: number;
  /** All that was on the screen, without colours and cursor movements. */
  readonly screen: string;
}

const SIZE = { columns: 80, rows: 24 } as const;
const ENDED = /^ended with (\d+)$/m;

/** Throws with the screen when the command asks anything else, nothing, or goes on for longer than `limitMs`. */
export function converse(
  node: NodeName,
  command: string,
  replies: readonly Reply[],
  limitMs = 180_000,
): Promise<Dialogue> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: FACTS[node].control, port: AGENT_PORT });
    const waiting = [...replies];
    let screen = "";
    /** Where the part begins that nobody has answered yet. */
    let seen = 0;
    const end = (why: string): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(new Error(`${node}: "${command}" at a terminal: ${why}. The screen:\n${screen}`));
    };
    const timer = setTimeout(() => end(`nothing more after ${limitMs / 1000} s`), limitMs);
    socket.on("error", () => end("the node does not answer on the control network"));
    socket.on("close", () => end("the terminal was closed"));
    socket.on("connect", () => {
      socket.write(`${JSON.stringify({ op: "shell", ...SIZE })}\n`);
      // The word is put together by the shell: what is typed is on the screen too.
      socket.write(`${command}; echo "ended" "with" $?; exit\n`);
    });
    const raw: Buffer[] = [];
    socket.on("data", (bytes: Buffer) => {
      raw.push(bytes);
      screen = stripVTControlCharacters(Buffer.concat(raw).toString("utf8")).replaceAll("\r", "");
      const reply = waiting[0];
      const found = reply === undefined ? null : reply.to.exec(screen.slice(seen));
      if (reply !== undefined && found !== null) {
        waiting.shift();
        seen += found.index + found[0].length;
        socket.write(`${reply.type}\r`);
        return;
      }
      const code = ENDED.exec(screen)?.[1];
      if (code === undefined) return;
      if (reply !== undefined) return end(`it did not ask for ${String(reply.to)}`);
      clearTimeout(timer);
      socket.removeAllListeners("close").destroy();
      resolve({ code: Number(code), screen });
    });
  });
}
