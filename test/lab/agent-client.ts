// Talks to the agent in a node over the control network. Every call has its own deadline.

import { connect } from "node:net";
import { AGENT_PORT, FACTS, type NodeName } from "./names.ts";

export interface GuestResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const GONE: GuestResult = { code: 125, stdout: "", stderr: "the node did not answer on the control network" };

export function askAgent(
  node: NodeName,
  ask: unknown,
  timeoutMs: number,
): Promise<GuestResult & { readonly wallMs?: number }> {
  return new Promise((resolve) => {
    const socket = connect({ host: FACTS[node].control, port: AGENT_PORT });
    let text = "";
    let settled = false;
    const end = (result: GuestResult): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      socket.destroy();
      resolve(result);
    };
    const timer = setTimeout(() => end(GONE), timeoutMs);
    socket.on("error", () => end(GONE));
    socket.on("close", () => end(GONE));
    socket.on("connect", () => socket.write(`${JSON.stringify(ask)}\n`));
    socket.on("data", (chunk) => {
      text += chunk.toString("utf8");
      if (text.endsWith("\n")) end(JSON.parse(text) as GuestResult);
    });
  });
}
