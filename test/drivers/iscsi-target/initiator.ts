// The smallest initiator: logs in from a given address and stays, so that a test can see who is let in and who is cut off.

import { connect } from "node:net";

export interface LoggedIn {
  /** Login status class and detail (0 is success, 0x0203 not found), or -1 when the target hung up first. */
  readonly status: number;
  closed(): boolean;
  end(): void;
}

export function loginAndStay(
  portal: { readonly host: string; readonly port: number },
  iqn: string,
  localAddress: string,
): Promise<LoggedIn> {
  return new Promise((resolve) => {
    let closed = false;
    const socket = connect({ ...portal, localAddress });
    const done = (status: number) => resolve({ status, closed: () => closed, end: () => socket.destroy() });
    const name = `iqn.2026-11.test:${localAddress}`;
    const keys = Buffer.from(`InitiatorName=${name}\0TargetName=${iqn}\0SessionType=Normal\0`);
    const request = (data: Buffer, expected: number) => {
      const header = Buffer.alloc(48);
      header.set([0x43, 0x87]);
      header.writeUIntBE(data.length, 5, 3);
      header.writeUIntBE(0x8000_0000_0042, 8, 6);
      header.writeUInt32BE(expected, 28);
      socket.write(Buffer.concat([header, data, Buffer.alloc((4 - (data.length % 4)) % 4)]));
    };
    socket.on("connect", () => request(keys, 0));
    socket.on("data", (chunk: Buffer) => {
      const status = chunk.readUInt16BE(36);
      const isOver = status !== 0 || ((chunk[1] ?? 0) & 0x80) !== 0;
      // A target with keys of its own to declare wants to be asked once more.
      if (isOver) done(status);
      else request(Buffer.alloc(0), chunk.readUInt32BE(24) + 1);
    });
    // A reset is the target's way to hang up as well; `close` follows.
    socket.on("error", () => undefined);
    socket.on("close", () => {
      closed = true;
      done(-1);
    });
  });
}
