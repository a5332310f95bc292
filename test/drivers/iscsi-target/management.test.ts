import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { createManagement, decodeAnswer, encodeRequest } from "../../../src/drivers/iscsi-target/tgtd/management.ts";

/** What tgtadm 1.0.85 was seen to send, after the 8 bytes of mode and operation and the driver's name in 64. */
function seen(mode: number, op: number, rest: string, text = ""): Buffer {
  const head = Buffer.alloc(72);
  head.writeUInt32LE(mode, 0);
  head.writeUInt32LE(op, 4);
  head.write("iscsi", 8);
  const data = text === "" ? Buffer.alloc(0) : Buffer.from(`${text}\0`);
  return Buffer.concat([head, Buffer.from(rest.replaceAll(" ", ""), "hex"), data]);
}

const minusOne = "ffffffffffffffff";
const zeros = "00000000".repeat(6);

describe("tgtd requests", () => {
  it("are byte for byte what tgtadm sends", () => {
    const cases = [
      [
        encodeRequest({ mode: "target", op: "show" }),
        seen(1, 2, `78000000 ffffffff ${"00".repeat(8)} ${minusOne} ${zeros}`),
      ],
      [
        encodeRequest({ mode: "target", op: "new", tid: 1, data: "targetname=iqn.x:y" }),
        seen(1, 0, `8b000000 01000000 ${"00".repeat(8)} ${minusOne} ${zeros}`, "targetname=iqn.x:y"),
      ],
      [
        encodeRequest({ mode: "logicalunit", op: "new", tid: 1, lun: 10, data: "path=/dev/x,bstype=rdwr" }),
        seen(2, 0, `90000000 01000000 ${"00".repeat(8)} 0a00000000000000 ${zeros}`, "path=/dev/x,bstype=rdwr"),
      ],
      [
        encodeRequest({ mode: "portal", op: "new", data: "portalOps portal=10.10.10.3:3260," }),
        seen(3, 0, `9a000000 ffffffff ${"00".repeat(8)} ${minusOne} ${zeros}`, "portalOps portal=10.10.10.3:3260,"),
      ],
      [
        encodeRequest({ mode: "connection", op: "delete", tid: 1, sid: 5, cid: 7 }),
        seen(6, 1, `78000000 01000000 0500000000000000 ${minusOne} 07000000 ${"00000000".repeat(5)}`),
      ],
      [
        encodeRequest({ mode: "target", op: "unbind", tid: 1, data: "initiator-address=10.0.0.1" }),
        seen(1, 4, `93000000 01000000 ${"00".repeat(8)} ${minusOne} ${zeros}`, "initiator-address=10.0.0.1"),
      ],
    ] as const;
    for (const [ours, theirs] of cases) assert.equal(ours.toString("hex"), theirs.toString("hex"));
  });
});

describe("tgtd answers", () => {
  const answer = (code: number, text: string, length = 8 + text.length) => {
    const head = Buffer.alloc(8);
    head.writeUInt32LE(code, 0);
    head.writeUInt32LE(length, 4);
    return Buffer.concat([head, Buffer.from(text)]);
  };

  it("wait for all their bytes", () => {
    const whole = answer(0, "System:\n");
    for (let length = 0; length < whole.length; length++)
      assert.equal(decodeAnswer(whole.subarray(0, length), "x"), null);
    assert.deepEqual(decodeAnswer(whole, "x"), { ok: true, value: "System:\n" });
  });

  it("carry the error number with its meaning", () => {
    const error = decodeAnswer(answer(12, ""), "x");
    assert.deepEqual(error, {
      ok: false,
      error: { kind: "exit", command: "x", code: 12, stderr: "this access control rule already exists" },
    });
  });

  it("of a strange length are refused, not waited for", () => {
    for (const length of [0, 7, 4_000_000_000]) {
      const refused = decodeAnswer(answer(0, "", length), "x");
      assert.ok(refused !== null && !refused.ok && refused.error.kind === "parse");
    }
  });
});

describe("tgtd management socket", () => {
  let folder: string;
  let server: Server | null = null;
  const sockets: Socket[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "tandem-management-"));
  });
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
    server?.close();
    rmSync(folder, { recursive: true });
  });
  async function listen(onSocket: (socket: Socket) => void): Promise<string> {
    const path = join(folder, "socket");
    server = createServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => undefined);
      onSocket(socket);
    });
    const listening = new Promise<void>((resolve) => server?.once("listening", () => resolve()));
    server.listen(path);
    await listening;
    return path;
  }

  it("answers timeout when the server hangs", async () => {
    const path = await listen(() => undefined);
    const result = await createManagement(path, 50).request({ mode: "system", op: "show" });
    assert.ok(!result.ok && result.error.kind === "timeout" && result.error.afterMs === 50);
  });

  it("answers missing when nobody listens", async () => {
    const management = createManagement(join(folder, "nobody"), 1000);
    const result = await management.request({ mode: "system", op: "show" });
    assert.ok(!result.ok && result.error.kind === "missing" && /ENOENT/.test(result.error.reason));
    const watched = await management.watch(() => assert.fail("nobody can go"));
    assert.ok(!watched.ok && watched.error.kind === "missing");
  });

  it("does not take a connection that is closed without an answer for success", async () => {
    const path = await listen((socket) => socket.end());
    const result = await createManagement(path, 1000).request({ mode: "target", op: "show" });
    assert.ok(!result.ok && result.error.kind === "parse");
  });

  it("notices at once that the watched server is gone, and nothing after close", async () => {
    const path = await listen(() => undefined);
    const management = createManagement(path, 1000);
    let closedCount = 0;
    const closed = await management.watch(() => (closedCount += 1));
    assert.ok(closed.ok);
    closed.value.close();
    const gone = new Promise<void>((resolve) => {
      void management.watch(resolve).then(() => {
        for (const socket of sockets) socket.destroy();
      });
    });
    await gone;
    assert.equal(closedCount, 0);
  });
});
