// An ssh server on loopback that answers like the command line of an iLO, or misbehaves like one.

import { createHash, generateKeyPairSync } from "node:crypto";
import ssh2 from "ssh2";
import type { Connection, ServerChannel } from "ssh2";

export const USER = "root";
export const PASSWORD = "hunter2 $(touch pwned)";

export type Mood =
  | "honest"
  /** Accepts the order and stays on. */
  | "lies"
  | "silent-at-connect"
  | "silent-at-command"
  | "garbage"
  | "both"
  | "floods"
  /** Ends the connection in the middle of an answer. */
  | "cut"
  /** Says "off" while it still says that the command failed. */
  | "error-status"
  | "question";

export interface SshPeer {
  readonly port: number;
  readonly pin: string;
  power: "On" | "Off";
  mood: Mood;
  /** Passwords and commands in the order they came. */
  readonly seen: string[];
  stop(): Promise<void>;
}

const HEAD = "\r\nstatus=0\r\nstatus_tag=COMMAND COMPLETED\r\nSat Nov 21 09:31:57 2026\r\n\r\n\r\n";

export async function startIlo(): Promise<SshPeer> {
  // Node's generator: ssh2's own makes one ed25519 key in 256 that its parser refuses (mscdex/ssh2#1513).
  const key = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    privateKeyEncoding: { type: "sec1", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  }).privateKey;
  const parsed = ssh2.utils.parseKey(key);
  if (parsed instanceof Error) throw parsed;
  const pin = `SHA256:${createHash("sha256").update(parsed.getPublicSSH()).digest("base64").replaceAll("=", "")}`;
  const open = new Set<Connection>();
  const server = new ssh2.Server({ hostKeys: [key] }, (client) => {
    open.add(client);
    // @types/ssh2 knows it of the client only.
    (client as Connection & { setNoDelay(on: boolean): void }).setNoDelay(true);
    client.on("close", () => open.delete(client));
    client.on("error", () => undefined);
    client.on("authentication", (context) => {
      if (peer.mood === "silent-at-connect") return;
      if (context.method === "password" && peer.mood !== "question") {
        peer.seen.push(`password ${context.password}`);
        return context.username === USER && context.password === PASSWORD ? context.accept() : context.reject();
      }
      if (context.method === "keyboard-interactive" && peer.mood === "question") {
        return context.prompt([{ prompt: "Password: ", echo: false }], (answers) =>
          answers[0] === PASSWORD ? context.accept() : context.reject(),
        );
      }
      context.reject(peer.mood === "question" ? ["keyboard-interactive"] : ["password"]);
    });
    client.on("session", (accept) => {
      accept().on("exec", (accepted, _reject, { command }) => {
        peer.seen.push(command);
        answer(client, accepted(), command);
      });
    });
  });

  function answer(client: Connection, channel: ServerChannel, command: string): void {
    switch (peer.mood) {
      case "silent-at-command":
        return;
      case "garbage":
        channel.write("\u0000\u001b[2J login: off off off\r\npower: server power is maybe: Off\r\n");
        return channel.close();
      case "both":
        channel.write(`${HEAD}power: server power is currently: On\r\npower: server power is currently: Off\r\n`);
        return channel.close();
      case "floods": {
        const more = (): void => {
          while (!channel.destroyed && channel.write("power: server power is currently: Off\r\n".repeat(100)));
          if (!channel.destroyed) channel.once("drain", more);
        };
        return more();
      }
      case "cut":
        channel.write(`${HEAD}power: server power is currently: Off\r\n`);
        setTimeout(() => client.end(), 30);
        return;
      case "error-status":
        channel.write(
          "status=2\r\nstatus_tag=COMMAND PROCESSING FAILED\r\nerror_tag=COMMAND ERROR-UNSPECIFIED\r\n\r\npower: server power is currently: Off\r\n",
        );
        return channel.close();
      case "honest":
      case "lies":
      case "question":
      case "silent-at-connect":
        channel.write(HEAD + obey(command));
        // An iLO sends no exit status.
        return channel.close();
    }
  }

  function obey(command: string): string {
    switch (command) {
      case "power":
        return `power: server power is currently: ${peer.power}\r\n`;
      case "power off hard":
        if (peer.mood !== "lies") peer.power = "Off";
        return "Forcing server power off .......\r\nPlease wait 6 seconds for this operation to complete.\r\n";
      case "power on":
        peer.power = "On";
        return "Server powering on .......\r\n";
      default:
        return "Invalid command\r\n";
    }
  }

  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const peer: SshPeer = {
    port: typeof address === "object" && address !== null ? address.port : 0,
    pin,
    power: "On",
    mood: "honest",
    seen: [],
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const client of open) client.end();
      }),
  };
  return peer;
}
