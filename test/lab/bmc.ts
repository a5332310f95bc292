// The lab's BMCs: one line of text in, one word out, on an address of the management network. They act on the node's real
// power and can be told to be dead, slow, or to lie.

import { createServer, type Server, type Socket } from "node:net";
import { BMC_PORT, FACTS, type NodeName } from "./names.ts";
import type { UmlNode } from "./uml-node.ts";

export type BmcMood = "ok" | "dead" | "slow" | "lies";

export interface Bmc {
  setMood(mood: BmcMood): void;
  stop(): Promise<void>;
}

const SLOW_MS = 30_000;

export async function startBmc(node: UmlNode, onEvent: (event: string, detail: string) => void): Promise<Bmc> {
  let mood: BmcMood = "ok";
  const name: NodeName = node.name;
  const open = new Set<Socket>();
  const server: Server = createServer((socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    socket.on("error", () => socket.destroy());
    // A dead BMC says nothing: whoever asks has only his own deadline.
    if (mood === "dead") return;
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      const end = text.indexOf("\n");
      if (end < 0) return;
      const word = text.slice(0, end).trim();
      text = "";
      void answer(word).then((said) => setTimeout(() => socket.end(`${said}\n`), mood === "slow" ? SLOW_MS : 0));
    });
  });

  async function answer(word: string): Promise<string> {
    onEvent("bmc.asked", word);
    switch (word) {
      case "status":
        return node.powered() ? "on" : "off";
      case "stop":
        if (mood !== "lies") await node.powerOff("BMC");
        return "ok";
      case "start":
        await node.powerOn();
        return "ok";
      case "reset":
        await node.powerOff("BMC reset");
        await node.powerOn();
        return "ok";
      default:
        return `unknown word ${word.slice(0, 20)}`;
    }
  }

  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(BMC_PORT, FACTS[name].bmc, resolve);
  });
  return {
    setMood(next) {
      mood = next;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}
