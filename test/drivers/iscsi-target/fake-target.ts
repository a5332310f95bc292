// A target of a few lines: takes every login, answers MODE SENSE and READ, pings when told to. Loopback, any port.

import { createServer, type AddressInfo, type Socket } from "node:net";

export interface FakeTarget {
  readonly portal: { readonly host: string; readonly port: number };
  /** Logins so far. */
  logins(): number;
  /** Opcodes of what came after the login, with the first words that identify it. */
  readonly received: Buffer[];
  ping(tag: number): void;
  /** From now on it takes what comes and leaves this unanswered. */
  mute(what: "nothing" | "reads" | "all"): void;
  /** Ends every session; with `refuse` no new one is taken. */
  drop(refuse: boolean): void;
  close(): Promise<void>;
}

const HEADER = 48;

export async function startFakeTarget(writeCacheOff: boolean): Promise<FakeTarget> {
  const sockets = new Set<Socket>();
  /** By initiator name and session number: a login with those of a session that exists ends that one (RFC 7143 6.3.5). */
  const sessions = new Map<string, Socket>();
  const received: Buffer[] = [];
  let logins = 0;
  let refuses = false;
  let muted: "nothing" | "reads" | "all" = "nothing";
  const server = createServer((socket) => {
    if (refuses) return void socket.destroy();
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      const opcode = (chunk[0] ?? 0) & 0x3f;
      const isRead = opcode === 0x01 && chunk[32] === 0x28;
      if (muted === "all" || (muted === "reads" && isRead)) return;
      if (opcode === 0x03) {
        logins += 1;
        const name = /InitiatorName=([^\0]+)/.exec(chunk.toString("latin1"))?.[1] ?? "";
        const session = `${name} ${chunk.subarray(8, 14).toString("hex")}`;
        sessions.get(session)?.destroy();
        sessions.set(session, socket);
        const answer = Buffer.alloc(HEADER);
        answer[0] = 0x23;
        answer[1] = 0x87;
        socket.write(answer);
      } else if (opcode === 0x01) {
        // Data-In with status: mode header, then page 8 with WCE as 0x04.
        const page = isRead
          ? Buffer.alloc(512)
          : Buffer.from([0x17, 0, 0x10, 0, 0x08, 0x12, writeCacheOff ? 0 : 0x04, ...Array<number>(17).fill(0)]);
        const answer = Buffer.alloc(HEADER);
        answer[0] = 0x25;
        answer[1] = 0x81;
        answer.writeUIntBE(page.length, 5, 3);
        socket.write(Buffer.concat([answer, page]));
      } else received.push(chunk);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    portal: { host: "127.0.0.1", port: (server.address() as AddressInfo).port },
    logins: () => logins,
    received,
    ping(tag) {
      const ping = Buffer.alloc(HEADER);
      ping[0] = 0x20;
      ping[1] = 0x80;
      ping.writeUInt32BE(0xffff_ffff, 16);
      ping.writeUInt32BE(tag, 20);
      ping.writeUInt32BE(7, 24);
      ping.writeUInt32BE(9, 28);
      for (const socket of sockets) socket.write(ping);
    },
    mute(what) {
      muted = what;
    },
    drop(refuse) {
      refuses = refuse;
      for (const socket of sockets) socket.destroy();
    },
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
