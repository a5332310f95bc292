// One iSCSI session over one TCP connection: login, commands, the target's own questions, logout.
// Must never reconnect or repeat a command by itself (initiator.ts does), so that an answer belongs to one attempt.
//
//   connecting --TCP up--> security --T--> operational --T--> ready --logout--> closed
//        \________________________\_______________\__________any loss, deadline__^
import { connect, type Socket } from "node:net";
import {
  HEADER_BYTES,
  NO_TAG,
  createPduReader,
  dataLength,
  formatKeys,
  opcode,
  padded,
  parseKeys,
  putDataLength,
  putLun,
  serialAtMost,
  type LoginKeys,
} from "./pdu.ts";
import { parseStatus, type Direction, type ScsiOutcome } from "./scsi.ts";

/** Biggest data segment we take; also the receive buffer of a connection. */
export const MAX_RECEIVE_BYTES = 65_536;
const MAX_LOGIN_ROUNDS = 8;

export interface SessionOptions {
  readonly host: string;
  readonly port: number;
  readonly targetIqn: string;
  readonly initiatorIqn: string;
  readonly lun: number;
  /** 6 bytes; a second login with the same name and ISID takes the session over (RFC 7143 §6.3.5). */
  readonly isid: Buffer;
  /** For the TCP connection. */
  readonly connectTimeoutMs: number;
  /** For each answer of the target, login included: without any for so long the session is given up. */
  readonly commandTimeoutMs: number;
  /** Lent for as long as the session lives; MAX_RECEIVE_BYTES long. */
  readonly receiveBuffer: Buffer;
}

/** One command on its way. `pdu` is header and written data in one piece, so that a small write is one system call. */
export interface Task {
  readonly cdb: Buffer;
  readonly direction: Direction;
  readonly pdu: Buffer;
  readonly data: Buffer;
  tag: number;
  received: number;
}

export interface SessionParameters {
  readonly immediateData: boolean;
  readonly initialR2T: boolean;
  readonly firstBurstBytes: number;
  readonly maxSendBytes: number;
}

export interface SessionEvents {
  ready(parameters: SessionParameters): void;
  answered(task: Task, outcome: ScsiOutcome): void;
  /** Once; every unanswered task is unanswered for good, whether it took effect is unknown. */
  closed(why: string): void;
}

export interface Session {
  submit(task: Task): void;
  /** Asks the target for an orderly end; `closed` follows within the command time-out. */
  logout(): void;
  destroy(why: string): void;
}

type Phase = "connecting" | "security" | "operational" | "ready" | "closed";

const operationalKeys: LoginKeys = {
  HeaderDigest: "None",
  DataDigest: "None",
  MaxRecvDataSegmentLength: String(MAX_RECEIVE_BYTES),
  InitialR2T: "No",
  ImmediateData: "Yes",
  FirstBurstLength: "65536",
  MaxBurstLength: "262144",
  MaxConnections: "1",
  MaxOutstandingR2T: "1",
  DataPDUInOrder: "Yes",
  DataSequenceInOrder: "Yes",
  ErrorRecoveryLevel: "0",
  DefaultTime2Wait: "0",
  DefaultTime2Retain: "0",
};

/** What the target settled on; a key it did not answer has the default of RFC 7143 §13. */
export function settleParameters(answers: ReadonlyMap<string, string>): SessionParameters {
  const bytes = (key: string, fallback: number): number => {
    const value = Number(answers.get(key));
    return Number.isInteger(value) && value >= 512 ? value : fallback;
  };
  return {
    immediateData: answers.get("ImmediateData") !== "No",
    initialR2T: answers.get("InitialR2T") !== "No",
    firstBurstBytes: Math.min(65_536, bytes("FirstBurstLength", 65_536)),
    maxSendBytes: bytes("MaxRecvDataSegmentLength", 8192),
  };
}

export function openSession(options: SessionOptions, events: SessionEvents): Session {
  let phase: Phase = "connecting";
  let rounds = 0;
  let cmdSn = 1;
  let maxCmdSn = 1;
  let expStatSn = 0;
  let nextTag = 1;
  let parameters = settleParameters(new Map());
  const answers = new Map<string, string>();
  const outstanding = new Map<number, Task>();
  const waiting: Task[] = [];
  const small = Buffer.alloc(HEADER_BYTES);

  const reader = createPduReader(MAX_RECEIVE_BYTES, onPdu);
  const socket: Socket = connect({
    host: options.host,
    port: options.port,
    noDelay: true,
    onread: {
      buffer: options.receiveBuffer,
      callback: (bytes, buffer) => {
        const chunk = Buffer.from(buffer.buffer, buffer.byteOffset, bytes);
        if (phase !== "closed" && !reader.feed(chunk)) close("the target sent something that is not iSCSI");
        return true;
      },
    },
  });
  // One timer object per phase, pushed ahead by each command: a timer per command costs more than the command.
  let deadline = setTimeout(onDeadline, options.connectTimeoutMs);

  socket.on("connect", () => {
    if (phase !== "connecting") return;
    clearTimeout(deadline);
    deadline = setTimeout(onDeadline, options.commandTimeoutMs);
    phase = "security";
    sendLogin(0, 1, {
      InitiatorName: options.initiatorIqn,
      TargetName: options.targetIqn,
      SessionType: "Normal",
      AuthMethod: "None",
    });
  });
  socket.on("error", (error) => close(error.message));
  socket.on("end", () => close("the target closed the connection"));
  socket.on("close", () => close("the connection is gone"));

  function onDeadline(): void {
    if (phase === "connecting") close(`no TCP connection within ${options.connectTimeoutMs} ms`);
    else if (phase !== "ready") close(`no login answer within ${options.commandTimeoutMs} ms`);
    else if (outstanding.size + waiting.length > 0) close(`no answer within ${options.commandTimeoutMs} ms`);
  }

  function close(why: string): void {
    if (phase === "closed") return;
    phase = "closed";
    clearTimeout(deadline);
    socket.destroy();
    events.closed(why);
  }

  function sendLogin(stage: number, next: number, keys: LoginKeys): void {
    if (++rounds > MAX_LOGIN_ROUNDS) return close(`the login did not end after ${MAX_LOGIN_ROUNDS} rounds`);
    const text = formatKeys(keys);
    const pdu = Buffer.alloc(HEADER_BYTES + padded(text.length));
    pdu[0] = opcode.login;
    pdu[1] = 0x80 | (stage << 2) | next;
    putDataLength(pdu, text.length);
    options.isid.copy(pdu, 8, 0, 6);
    pdu.writeUInt32BE(0, 16);
    pdu.writeUInt32BE(cmdSn, 24);
    pdu.writeUInt32BE(expStatSn, 28);
    text.copy(pdu, HEADER_BYTES);
    socket.write(pdu);
  }

  function onLoginResponse(header: Buffer, data: Buffer): void {
    const status = header.readUInt16BE(36);
    if (status !== 0) return close(`login refused with status 0x${status.toString(16).padStart(4, "0")}`);
    expStatSn = (header.readUInt32BE(24) + 1) >>> 0;
    maxCmdSn = header.readUInt32BE(32);
    for (const [key, value] of parseKeys(data)) answers.set(key, value);
    const isTransit = ((header[1] ?? 0) & 0x80) !== 0;
    if (phase === "security") {
      if (!isTransit) return sendLogin(0, 1, {});
      phase = "operational";
      return sendLogin(1, 3, operationalKeys);
    }
    if (!isTransit) return sendLogin(1, 3, {});
    parameters = settleParameters(answers);
    phase = "ready";
    events.ready(parameters);
  }

  function noteWindow(header: Buffer): void {
    const offered = header.readUInt32BE(32);
    if (serialAtMost(maxCmdSn, offered)) maxCmdSn = offered;
  }

  function noteStatus(header: Buffer): void {
    expStatSn = (header.readUInt32BE(24) + 1) >>> 0;
  }

  function finish(task: Task, outcome: ScsiOutcome): void {
    outstanding.delete(task.tag);
    if (outstanding.size > 0) deadline.refresh();
    events.answered(task, outcome);
    while (waiting.length > 0 && serialAtMost(cmdSn, maxCmdSn)) {
      const next = waiting.shift();
      if (next) send(next);
    }
  }

  function send(task: Task): void {
    task.tag = nextTag;
    task.received = 0;
    nextTag = nextTag >= 0x7fffffff ? 1 : nextTag + 1;
    outstanding.set(task.tag, task);
    const isWrite = task.direction === "write";
    const total = task.data.length;
    const first =
      isWrite && parameters.immediateData ? Math.min(total, parameters.firstBurstBytes, parameters.maxSendBytes) : 0;
    const unsolicited = isWrite && !parameters.initialR2T ? Math.min(total, parameters.firstBurstBytes) : first;
    const header = task.pdu;
    header[0] = opcode.scsiCommand;
    const direction = isWrite ? 0x20 : task.direction === "read" ? 0x40 : 0;
    header[1] = (unsolicited > first ? 0 : 0x80) | direction | 1;
    header.writeUInt16BE(0, 2);
    header[4] = 0;
    putDataLength(header, first);
    putLun(header, options.lun);
    header.writeUInt32BE(task.tag, 16);
    header.writeUInt32BE(total, 20);
    header.writeUInt32BE(cmdSn, 24);
    header.writeUInt32BE(expStatSn, 28);
    task.cdb.copy(header, 32, 0, 16);
    cmdSn = (cmdSn + 1) >>> 0;
    socket.write(header.length === HEADER_BYTES + first ? header : header.subarray(0, HEADER_BYTES + first));
    if (unsolicited > first) sendData(task, NO_TAG, first, unsolicited);
    deadline.refresh();
  }

  /** Data-Out PDUs for the bytes from `from` up to `to`, the last one marked final. */
  function sendData(task: Task, transferTag: number, from: number, to: number): void {
    let sequence = 0;
    for (let at = from; at < to;) {
      const bytes = Math.min(parameters.maxSendBytes, to - at);
      const header = Buffer.alloc(HEADER_BYTES);
      header[0] = opcode.dataOut;
      header[1] = at + bytes === to ? 0x80 : 0;
      putDataLength(header, bytes);
      putLun(header, options.lun);
      header.writeUInt32BE(task.tag, 16);
      header.writeUInt32BE(transferTag, 20);
      header.writeUInt32BE(expStatSn, 28);
      header.writeUInt32BE(sequence++, 36);
      header.writeUInt32BE(at, 40);
      socket.cork();
      socket.write(header);
      socket.write(task.data.subarray(at, at + bytes));
      socket.uncork();
      at += bytes;
    }
  }

  function onPdu(header: Buffer, data: Buffer): void {
    if (phase === "closed") return;
    const code = (header[0] ?? 0) & 0x3f;
    if (code === opcode.loginResponse && phase !== "ready") return onLoginResponse(header, data);
    if (phase !== "ready") return close(`unexpected PDU 0x${code.toString(16)} during login`);
    if (code === opcode.reject) return close(`the target rejected a PDU, reason 0x${(header[2] ?? 0).toString(16)}`);
    noteWindow(header);
    const task = outstanding.get(header.readUInt32BE(16));
    switch (code) {
      case opcode.scsiResponse:
        noteStatus(header);
        if (!task) return;
        if (header[2] !== 0) return close(`the target failed a command, response 0x${(header[2] ?? 0).toString(16)}`);
        return finish(task, parseStatus(header[3] ?? 0, data.subarray(2), task.received));
      case opcode.dataIn: {
        const hasStatus = ((header[1] ?? 0) & 1) !== 0;
        if (hasStatus) noteStatus(header);
        if (!task) return;
        data.copy(task.data, header.readUInt32BE(40));
        task.received += data.length;
        deadline.refresh();
        return hasStatus ? finish(task, parseStatus(header[3] ?? 0, Buffer.alloc(0), task.received)) : undefined;
      }
      case opcode.readyToTransfer: {
        const from = header.readUInt32BE(40);
        const to = from + header.readUInt32BE(44);
        if (!task || to > task.data.length) return close("the target asked for data that no command has");
        deadline.refresh();
        return sendData(task, header.readUInt32BE(20), from, to);
      }
      case opcode.nopIn:
        return onNop(header);
      case opcode.asyncMessage:
        // Event 0 is sense data; all others announce that the target wants this session to end.
        if (header[36] !== 0) close(`the target asked to end the session, event ${header[36] ?? -1}`);
        return;
      case opcode.logoutResponse:
        return close("logged out");
      default:
        return close(`unexpected PDU 0x${code.toString(16)} with ${dataLength(header)} bytes`);
    }
  }

  function onNop(header: Buffer): void {
    const transferTag = header.readUInt32BE(20);
    if (transferTag === NO_TAG) return;
    small.fill(0);
    small[0] = opcode.nopOut;
    small[1] = 0x80;
    header.copy(small, 8, 8, 16);
    small.writeUInt32BE(NO_TAG, 16);
    small.writeUInt32BE(transferTag, 20);
    small.writeUInt32BE(cmdSn, 24);
    small.writeUInt32BE(expStatSn, 28);
    socket.write(Buffer.from(small));
  }

  return {
    submit(task) {
      if (phase !== "ready") return;
      if (waiting.length === 0 && serialAtMost(cmdSn, maxCmdSn)) send(task);
      else waiting.push(task);
    },
    logout() {
      if (phase !== "ready") return close("logged out");
      const pdu = Buffer.alloc(HEADER_BYTES);
      pdu[0] = opcode.logout;
      pdu[1] = 0x80;
      pdu.writeUInt32BE(nextTag, 16);
      pdu.writeUInt32BE(cmdSn, 24);
      pdu.writeUInt32BE(expStatSn, 28);
      socket.write(pdu);
      setTimeout(() => close("no answer to the logout"), options.commandTimeoutMs).unref();
    },
    destroy: close,
  };
}
