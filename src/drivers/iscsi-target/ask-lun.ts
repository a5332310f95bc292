// Puts one question to a LUN as an initiator would: log in, one command that reads, hang up. No target tells these things
// otherwise. It must never send a command that changes anything.

import { connect } from "node:net";
import type { Millis } from "../../core/model/time.ts";
import { err, ok, type Result } from "../../util/result.ts";
import type { DriverError } from "../driver-error.ts";
import { cutPdu, headerLength, LOGIN_ROUNDS, loginKeys, loginRequest, type Pdu } from "./pdu.ts";

/** Its sessions last for a moment and are none of an initiator's. */
export const SELF_CHECK_NAME = "iqn.2026-11.local.tandem:self-check";
/** A fresh session gets "power on" and "mode parameters changed" as unit attentions before its first answer. */
const attempts = 4;

export interface Portal {
  readonly host: string;
  readonly port: number;
  /** Where the connection comes from; absent: as the routes say. */
  readonly localAddress?: string;
}

export interface Question {
  /** For the error message. */
  readonly name: string;
  /** SCSI command, up to 16 bytes; it must read only. */
  readonly command: readonly number[];
  /** The most that may come back, in bytes. */
  readonly length: number;
}

/**
 * What came back. Errors: "timeout" is silence, "missing" no connection, "exit" a refused login, "parse" an answer with a bad
 * status or of no known kind.
 */
export function askLun(
  portal: Portal,
  iqn: string,
  lun: number,
  question: Question,
  timeoutMs: Millis,
): Promise<Result<Buffer, DriverError>> {
  const command = `${question.name} of ${iqn} LUN ${lun}`;
  const session = newSession();
  return new Promise((resolve) => {
    const socket = connect(portal);
    let buffered: Buffer = Buffer.alloc(0);
    let rounds = 0;
    let commandNumber = 0;
    /** The next status number that we expect, which acknowledges the last one. */
    let expected = 0;
    let answer: Buffer = Buffer.alloc(0);
    const finish = (result: Result<Buffer, DriverError>) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(result);
    };
    const timer = setTimeout(() => finish(err({ kind: "timeout", command, afterMs: timeoutMs })), timeoutMs);
    const strange = (what: string) => finish(err({ kind: "parse", command, sample: what }));

    const ask = () => {
      commandNumber += 1;
      answer = Buffer.alloc(0);
      if (commandNumber > attempts) strange("a unit attention for every attempt");
      else socket.write(request(lun, question, commandNumber, expected));
    };
    const onLogin = (header: Buffer) => {
      const status = header.readUInt16BE(36);
      rounds += 1;
      if (status !== 0) {
        finish(err({ kind: "exit", command, code: status, stderr: `login refused with 0x${status.toString(16)}` }));
      } else if (((header[1] ?? 0) & 0x80) !== 0) ask();
      // The target has keys of its own to declare before it goes on; we have none to answer with.
      else if (rounds < LOGIN_ROUNDS) socket.write(loginRequest([], session, expected));
      else strange(`login answer ${header.subarray(0, 2).toString("hex")}`);
    };
    /** With a unit attention tgtd sends a full length of zeros first: data counts only with the status that follows. */
    const onStatus = (status: number, senseData: Buffer) => {
      if (status === 2 && senseKey(senseData) === 6) ask();
      else if (status !== 0) strange(`SCSI status ${status}, sense key ${senseKey(senseData)}`);
      else finish(ok(answer));
    };
    const receive = ({ header, data }: Pdu) => {
      const opcode = (header[0] ?? 0) & 0x3f;
      const hasStatus = opcode !== 0x25 || ((header[1] ?? 0) & 1) === 1;
      if (hasStatus) expected = header.readUInt32BE(24) + 1;
      if (opcode === 0x23) onLogin(header);
      else if (opcode === 0x25) {
        answer = Buffer.concat([answer, data]);
        if (hasStatus) onStatus(header[3] ?? -1, Buffer.alloc(0));
      } else if (opcode === 0x21) onStatus(header[3] ?? -1, data);
      // A ping of the target (0x20) needs no answer in the moment that this takes.
      else if (opcode !== 0x20) strange(`PDU 0x${opcode.toString(16)}`);
    };
    socket.on("connect", () => socket.write(loginRequest(loginKeys(SELF_CHECK_NAME, iqn), session, 0)));
    socket.on("data", (chunk: Buffer) => {
      buffered = Buffer.concat([buffered, chunk]);
      for (;;) {
        const pdu = cutPdu(buffered);
        if (pdu === null) return;
        buffered = buffered.subarray(pdu.length);
        receive(pdu);
      }
    });
    socket.on("error", (error) => finish(err({ kind: "missing", command, reason: error.message })));
    socket.on("close", () => finish(err({ kind: "missing", command, reason: "the target closed the connection" })));
  });
}

let sessions = 0;

/** Each its own: a login with the number of a session that hangs would wait for the end of that one. */
function newSession(): number {
  sessions = (sessions + 1) & 0xffff;
  return sessions;
}

function request(lun: number, { command, length }: Question, sequence: number, expected: number): Buffer {
  const header = Buffer.alloc(headerLength);
  header[0] = 0x01;
  header[1] = 0xc1;
  header[9] = lun;
  header.writeUInt32BE(sequence + 1, 16);
  header.writeUInt32BE(length, 20);
  header.writeUInt32BE(sequence, 24);
  header.writeUInt32BE(expected, 28);
  header.set(command, 32);
  return header;
}

/** Sense data in a SCSI response comes after its two-byte length; fixed format. */
function senseKey(data: Buffer): number {
  return (data[4] ?? 0xff) & 0x0f;
}
