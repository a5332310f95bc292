// tgtd's management socket, spoken directly: what tgtadm sends, without a process per request. A promotion makes about ten
// requests; as processes they would cost a third of a second on a slow host, here each costs a fraction of a millisecond.
// It must never guess: an answer that does not have the shape below is an error. Nor may it try a request out: tgtd 1.0.85
// dies of a malformed one (a new target without `targetname=` is a segmentation fault).

import { connect, type Socket } from "node:net";
import type { Millis } from "../../../core/model/time.ts";
import { err, ok, type Result } from "../../../util/result.ts";
import type { DriverError } from "../../driver-error.ts";

const modes = { system: 0, target: 1, logicalunit: 2, portal: 3, connection: 6 } as const;
const operations = { new: 0, delete: 1, show: 2, bind: 3, unbind: 4, update: 5 } as const;

export interface ManagementRequest {
  readonly mode: keyof typeof modes;
  readonly op: keyof typeof operations;
  readonly tid?: number;
  readonly lun?: number;
  readonly sid?: number;
  readonly cid?: number;
  /** The arguments as tgtadm joins them: `key=value,key=value`. */
  readonly data?: string;
}

const headerLength = 120;
const answerHeaderLength = 8;
const longestAnswer = 1_000_000;

export interface Management {
  /** The text of the answer; tgtd's own error number comes as `exit` with that code. */
  request(request: ManagementRequest): Promise<Result<string, DriverError>>;
  /** Calls back once when tgtd is gone: an idle connection that its death closes. Fails when nobody listens now. */
  watch(onGone: () => void): Promise<Result<{ close(): void }, DriverError>>;
}

export function createManagement(socketPath: string, timeoutMs: Millis): Management {
  return {
    request(request) {
      const command = describeRequest(request);
      return new Promise((resolve) => {
        const chunks: Buffer[] = [];
        let length = 0;
        const socket = connect(socketPath);
        const timer = setTimeout(() => {
          socket.destroy();
          resolve(err({ kind: "timeout", command, afterMs: timeoutMs }));
        }, timeoutMs);
        const finish = (result: Result<string, DriverError>) => {
          clearTimeout(timer);
          socket.destroy();
          resolve(result);
        };
        socket.on("connect", () => socket.write(encodeRequest(request)));
        socket.on("data", (chunk: Buffer) => {
          chunks.push(chunk);
          length += chunk.length;
          const answer = decodeAnswer(Buffer.concat(chunks, length), command);
          if (answer !== null) finish(answer);
        });
        socket.on("error", (error: NodeJS.ErrnoException) =>
          finish(
            err({ kind: "missing", command: "tgtd", reason: `its socket ${socketPath} says ${error.code ?? ""}` }),
          ),
        );
        socket.on("close", () =>
          finish(
            err({ kind: "parse", command, sample: Buffer.concat(chunks, length).toString("latin1").slice(0, 80) }),
          ),
        );
      });
    },

    watch(onGone) {
      return new Promise((resolve) => {
        let isOpen = false;
        let closedByUs = false;
        const socket: Socket = connect(socketPath, () => {
          isOpen = true;
          resolve(
            ok({
              close() {
                closedByUs = true;
                socket.destroy();
              },
            }),
          );
        });
        socket.on("error", (error: NodeJS.ErrnoException) => {
          if (isOpen) return;
          resolve(
            err({ kind: "missing", command: "tgtd", reason: `its socket ${socketPath} says ${error.code ?? ""}` }),
          );
        });
        socket.on("close", () => {
          if (isOpen && !closedByUs) onGone();
        });
        // Reading is what notices the end of the stream; tgtd sends nothing on a connection that asks nothing.
        socket.resume();
        socket.unref();
      });
    },
  };
}

/**
 * The request as tgtadm 1.0.85 was seen to send it on x86-64, native byte order: mode, op, driver name (64 bytes), total
 * length, tid, sid, lun, cid, then four words that stay 0; then the arguments with a closing zero byte. Absent tid and lun are -1.
 */
export function encodeRequest(request: ManagementRequest): Buffer {
  const data = request.data === undefined ? Buffer.alloc(0) : Buffer.from(`${request.data}\0`, "latin1");
  const header = Buffer.alloc(headerLength);
  header.writeUInt32LE(modes[request.mode], 0);
  header.writeUInt32LE(operations[request.op], 4);
  header.write("iscsi", 8, "latin1");
  header.writeUInt32LE(headerLength + data.length, 72);
  header.writeInt32LE(request.tid ?? -1, 76);
  header.writeBigUInt64LE(BigInt(request.sid ?? 0), 80);
  header.writeBigInt64LE(BigInt(request.lun ?? -1), 88);
  header.writeUInt32LE(request.cid ?? 0, 96);
  return Buffer.concat([header, data]);
}

/** Error number and total length, then the text. Null while bytes are missing. */
export function decodeAnswer(bytes: Buffer, command: string): Result<string, DriverError> | null {
  if (bytes.length < answerHeaderLength) return null;
  const code = bytes.readUInt32LE(0);
  const length = bytes.readUInt32LE(4);
  if (length < answerHeaderLength || length > longestAnswer) {
    return err({ kind: "parse", command, sample: bytes.subarray(0, 40).toString("hex") });
  }
  if (bytes.length < length) return null;
  if (code !== 0) return err({ kind: "exit", command, code, stderr: errorName(code) });
  return ok(bytes.subarray(answerHeaderLength, length).toString("latin1").replace(/\0+$/, ""));
}

/** The words tgtadm prints for the numbers we were seen to get. */
function errorName(code: number): string {
  const names: Readonly<Record<number, string>> = {
    5: "can't find the logical unit",
    9: "this target already exists",
    10: "this logical unit number already exists",
    12: "this access control rule already exists",
    13: "this access control rule does not exist",
    17: "invalid request",
  };
  return names[code] ?? `error ${code} of tgtd`;
}

function describeRequest({ mode, op, tid, lun, data }: ManagementRequest): string {
  const parts = [`tgtadm --mode ${mode} --op ${op}`];
  if (tid !== undefined) parts.push(`--tid ${tid}`);
  if (lun !== undefined) parts.push(`--lun ${lun}`);
  if (data !== undefined) parts.push(data);
  return parts.join(" ");
}
