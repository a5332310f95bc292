// The daemon's side of the conversation with the watchdog holder. Never queues a token and never blocks.

import { connect, type Socket } from "node:net";
import type { Millis } from "../../core/model/time.ts";
import { createLineReader, disarmProof, machineMs, parseGreeting } from "./protocol.ts";

/** A token without an answer for this long: the holder is not working. */
const answerMs: Millis = 1000;

export interface HolderConnection {
  token(): void;
  /** True while the holder answers and the device takes the bytes. */
  working(): boolean;
  /** Resolves with null when disarmed, else with the reason. */
  disarm(key: Uint8Array, timeoutMs: Millis): Promise<string | null>;
  close(): void;
}

export type Connected =
  | { readonly kind: "connected"; readonly connection: HolderConnection }
  | { readonly kind: "nobody" }
  | { readonly kind: "failed"; readonly reason: string };

/** Connects and waits for the greeting. `onClosed` is called once when the connection ends later. */
export function connectToHolder(socketPath: string, timeoutMs: Millis, onClosed: () => void): Promise<Connected> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    const lines = createLineReader();
    let talk: ReturnType<typeof conversation> | null = null;
    const timer = setTimeout(() => fail(`no greeting within ${timeoutMs} ms`), timeoutMs);
    function fail(reason: string): void {
      clearTimeout(timer);
      socket.destroy();
      resolve({ kind: "failed", reason });
    }
    socket.on("error", (error) => {
      clearTimeout(timer);
      const code = "code" in error ? String(error.code) : error.message;
      if (talk === null)
        resolve(code === "ENOENT" || code === "ECONNREFUSED" ? { kind: "nobody" } : { kind: "failed", reason: code });
    });
    socket.on("close", () => {
      if (talk === null) return fail("the holder closed the connection");
      talk.closed();
      onClosed();
    });
    socket.on("data", (chunk: Buffer) => {
      const whole = lines(chunk);
      if (whole === null) return void socket.destroy();
      for (const line of whole) {
        if (talk !== null) {
          talk.hear(line);
          continue;
        }
        if (line === "busy") return fail("another daemon feeds it");
        const greeting = parseGreeting(line);
        if (greeting === null) return fail(`not a watchdog holder: it said "${line.slice(0, 40)}"`);
        clearTimeout(timer);
        talk = conversation(socket, greeting.nonce);
        resolve({ kind: "connected", connection: talk.connection });
      }
    });
  });
}

function conversation(
  socket: Socket,
  nonce: string,
): { readonly connection: HolderConnection; hear(line: string): void; closed(): void } {
  let open = true;
  let refused = false;
  let unansweredSince: Millis | null = null;
  let disarmed: ((failure: string | null) => void) | null = null;
  return {
    hear(line) {
      if (line === "D" || line.startsWith("R ")) return disarmed?.(line === "D" ? null : line.slice(2));
      unansweredSince = null;
      // A token that came too late says nothing about the device.
      if (line !== "S") refused = line !== "F";
    },
    closed() {
      open = false;
      disarmed?.("the holder closed the connection");
    },
    connection: {
      token() {
        // Something is still on its way: this token would only be read late. The next one will be newer.
        if (!open || socket.writableLength > 0) return;
        const at = machineMs();
        unansweredSince ??= at;
        socket.write(`T ${at}\n`);
      },
      working: () => open && !refused && (unansweredSince === null || machineMs() - unansweredSince < answerMs),
      disarm(key, timeoutMs) {
        return new Promise((resolve) => {
          const timer = setTimeout(() => disarmed?.(`no answer within ${timeoutMs} ms`), timeoutMs);
          disarmed = (failure) => {
            clearTimeout(timer);
            disarmed = null;
            resolve(failure);
          };
          if (!open) disarmed("the holder closed the connection");
          else socket.write(`D ${disarmProof(key, nonce)}\n`);
        });
      },
      close: () => void socket.destroy(),
    },
  };
}
