// The lab's shell: keys go out as they are, the screen comes back as it is, and Ctrl-] leaves a node that hangs.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { test, type TestContext } from "node:test";
import type { ReadStream } from "node:tty";
import { interactiveShell } from "./shell.ts";

interface Bench {
  readonly keys: PassThrough & { isTTY?: boolean };
  readonly raw: boolean[];
  readonly node: Promise<Socket>;
  readonly ended: Promise<number>;
  screen(): string;
}

async function bench(t: TestContext): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), "tandem-shell-"));
  const path = join(folder, "lab.sock");
  const met = Promise.withResolvers<Socket>();
  const server = createServer({ allowHalfOpen: true }, met.resolve);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.after(async () => {
    server.close();
    await rm(folder, { recursive: true, force: true });
  });
  const raw: boolean[] = [];
  const keys = Object.assign(new PassThrough(), { isTTY: true, setRawMode: (on: boolean) => void raw.push(on) });
  let screen = "";
  const stdout = { write: (bytes: Buffer | string) => ((screen += bytes.toString()), true), columns: 132, rows: 50 };
  const ended = interactiveShell(path, "xcp1", keys as unknown as ReadStream, stdout);
  return { keys, raw, node: met.promise, ended, screen: () => screen };
}

const next = (socket: Socket): Promise<string> =>
  new Promise((resolve) => socket.once("data", (bytes: Buffer) => resolve(bytes.toString("latin1"))));

test("asks for a shell of this terminal's size, passes keys and screen through, and gives the terminal back", async (t) => {
  const { keys, raw, node, ended, screen } = await bench(t);
  const socket = await node;
  assert.deepEqual(JSON.parse(await next(socket)), ["shell", "xcp1", '{"columns":132,"rows":50}']);
  assert.deepEqual(raw, [true]);
  keys.write(Buffer.from([0x03, 0x1b, 0x5b, 0x41, 0xc3]));
  assert.equal(await next(socket), "\u0003\u001b[A\u00c3");
  socket.end("\u001b[1mbye\u001b[0m");
  assert.equal(await ended, 0);
  assert.equal(screen(), "\u001b[1mbye\u001b[0m");
  assert.deepEqual(raw, [true, false]);
});

test("Ctrl-] leaves although the node says nothing", async (t) => {
  const { keys, raw, node, ended } = await bench(t);
  await next(await node);
  keys.write(Buffer.from([0x1d]));
  assert.equal(await ended, 0);
  assert.deepEqual(raw, [true, false]);
});

test("a script on standard input is sent to its end, and the answer is still read", async (t) => {
  const { keys, node, ended, screen } = await bench(t);
  keys.isTTY = false;
  const socket = await node;
  await next(socket);
  let got = "";
  socket.on("data", (bytes: Buffer) => (got += bytes.toString()));
  socket.on("end", () => socket.end("answer"));
  keys.end("uname -a\n");
  await ended;
  assert.deepEqual([got, screen()], ["uname -a\n", "answer"]);
});
