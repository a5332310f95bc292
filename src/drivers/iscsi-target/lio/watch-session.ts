// A session of our own on the loopback portal that does nothing: the kernel's target has no process whose death tells that it
// is gone, but it ends its sessions. It must answer the target's pings, or the target ends it for that.

import { connect } from "node:net";
import type { Millis } from "../../../core/model/time.ts";
import { err, ok, type Result } from "../../../util/result.ts";
import type { DriverError } from "../../driver-error.ts";
import { cutPdu, headerLength, LOGIN_ROUNDS, loginKeys, loginRequest } from "../pdu.ts";

/** Not the self-check's name: that one's sessions would end this one. */
export const WATCH_NAME = "iqn.2026-11.local.tandem:watch";
/** A new one ends the one before, which may be half dead. */
const SESSION = 0;
const NO_TAG = 0xffff_ffff;

/** Logs in and stays; `onGone` comes once when the target ends the session, not after `close`. */
export function stayLoggedIn(
  portal: { readonly host: string; readonly port: number },
  iqn: string,
  timeoutMs: Millis,
  onGone: () => void,
): Promise<Result<{ close(): void }, DriverError>> {
  const command = `log in to ${iqn}`;
  return new Promise((resolve) => {
    const socket = connect(portal);
    let buffered: Buffer = Buffer.alloc(0);
    let state: "login" | "in" | "closed" = "login";
    let expected = 0;
    let rounds = 0;
    const fail = (error: DriverError) => {
      if (state !== "login") return;
      state = "closed";
      clearTimeout(timer);
      socket.destroy();
      resolve(err(error));
    };
    const timer = setTimeout(() => fail({ kind: "timeout", command, afterMs: timeoutMs }), timeoutMs);
    const onLogin = (header: Buffer) => {
      const status = header.readUInt16BE(36);
      if (status !== 0)
        return fail({ kind: "exit", command, code: status, stderr: `login refused with 0x${status.toString(16)}` });
      if (((header[1] ?? 0) & 0x80) === 0) {
        rounds += 1;
        if (rounds < LOGIN_ROUNDS) return void socket.write(loginRequest([], SESSION, expected));
        return fail({ kind: "parse", command, sample: `login answer ${header.subarray(0, 2).toString("hex")}` });
      }
      state = "in";
      clearTimeout(timer);
      // It waits for months and must not keep this process alive.
      socket.unref();
      resolve(
        ok({
          close() {
            state = "closed";
            socket.destroy();
          },
        }),
      );
    };
    const receive = (header: Buffer) => {
      const opcode = (header[0] ?? 0) & 0x3f;
      if (opcode === 0x23) {
        expected = header.readUInt32BE(24) + 1;
        if (state === "login") onLogin(header);
      } else if (opcode === 0x20 && header.readUInt32BE(20) !== NO_TAG) socket.write(pingAnswer(header));
    };
    socket.on("connect", () => socket.write(loginRequest(loginKeys(WATCH_NAME, iqn), SESSION, 0)));
    socket.on("data", (chunk: Buffer) => {
      buffered = Buffer.concat([buffered, chunk]);
      for (let pdu = cutPdu(buffered); pdu !== null; pdu = cutPdu(buffered)) {
        buffered = buffered.subarray(pdu.length);
        receive(pdu.header);
      }
    });
    socket.on("error", (error) => fail({ kind: "missing", command, reason: error.message }));
    socket.on("close", () => {
      fail({ kind: "missing", command, reason: "the target closed the connection" });
      if (state !== "in") return;
      state = "closed";
      onGone();
    });
  });
}

/** RFC 7143 11.18: a NOP-Out for a NOP-In that wants one. Immediate, so it takes no command number; its ping has none to spare. */
function pingAnswer(ping: Buffer): Buffer {
  const header = Buffer.alloc(headerLength);
  header[0] = 0x40;
  header[1] = 0x80;
  ping.copy(header, 8, 8, 16);
  header.writeUInt32BE(NO_TAG, 16);
  ping.copy(header, 20, 20, 24);
  // CmdSN is what the target expects next, ExpStatSN what the ping announced.
  ping.copy(header, 24, 28, 32);
  ping.copy(header, 28, 24, 28);
  return header;
}
