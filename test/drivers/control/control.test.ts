// The control socket end to end: the real server and the real client over a real unix socket.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { StatusDocument } from "../../../src/core/model/status.ts";
import { askDaemon, describeClientError, watchDaemon } from "../../../src/drivers/control/client.ts";
import type { ControlHandler, ControlServer } from "../../../src/drivers/control/port.ts";
import { describeServerError, startControlServer } from "../../../src/drivers/control/server.ts";
import { seeded } from "../peer/samples.ts";
import { healthyStatus } from "./status-sample.ts";

let directory = "";
let path = "";
const servers: ControlServer[] = [];
const problems: { bug: boolean; text: string }[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "tandem-control-"));
  path = join(directory, "run", "tandemd.sock");
  problems.length = 0;
});
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
  await rm(directory, { recursive: true, force: true });
});

async function serve(
  handler: ControlHandler,
  more: { maxClients?: number; idleMs?: number } = {},
): Promise<ControlServer> {
  const started = await startControlServer({ path, handler, onProblem: (problem) => problems.push(problem), ...more });
  assert.ok(started.ok, started.ok ? "" : describeServerError(started.error));
  servers.push(started.value);
  return started.value;
}

const answerDone: ControlHandler = async (request, reply) => reply({ kind: "done", text: `done ${request.kind}` });
const ask = { silenceMs: 5000 };

/** Writes raw bytes and returns what came back until `lines` lines are there or the server hung up. */
async function raw(bytes: string | Buffer, lines: number): Promise<string[]> {
  const socket = createConnection(path);
  let text = "";
  socket.on("error", () => socket.destroy());
  socket.write(bytes);
  for await (const chunk of socket) {
    text += String(chunk);
    if (text.split("\n").length > lines) break;
  }
  socket.destroy();
  return text.split("\n").slice(0, -1);
}

describe("control socket", () => {
  test("only root can reach it: directory 0700, socket 0600", async () => {
    await serve(answerDone);
    assert.equal((await stat(join(directory, "run"))).mode & 0o777, 0o700);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
  });

  test("carries a request to the handler, progress and the answer back", async () => {
    await serve(async (request, reply) => {
      reply({ kind: "progress", text: "first" });
      reply({ kind: "progress", text: "second" });
      reply({ kind: "refused", rule: "D6", reason: JSON.stringify(request), next: "wait" });
      reply({ kind: "done", text: "an answer after the answer is dropped" });
    });
    const progress: string[] = [];
    const request = { kind: "become-primary", force: true, peerName: "xcp2" } as const;
    const answer = await askDaemon(request, { path, ...ask, onProgress: (text) => progress.push(text) });
    assert.deepEqual(progress, ["first", "second"]);
    assert.deepEqual(answer, {
      ok: true,
      value: { kind: "refused", rule: "D6", reason: JSON.stringify(request), next: "wait" },
    });
  });

  test("several tools are served at the same time", async () => {
    let release: () => void = () => undefined;
    const slow = new Promise<void>((resolve) => (release = resolve));
    await serve(async (request, reply) => {
      if (request.kind === "switch") await slow;
      reply({ kind: "done", text: request.kind });
    });
    const first = askDaemon({ kind: "switch", storageOnly: true }, { path, ...ask });
    const second = await askDaemon({ kind: "explain" }, { path, ...ask });
    assert.deepEqual(second, { ok: true, value: { kind: "done", text: "explain" } });
    release();
    assert.deepEqual(await first, { ok: true, value: { kind: "done", text: "switch" } });
  });

  test("requests on one connection are answered in their order", async () => {
    await serve(answerDone);
    const lines = await raw('{"kind":"explain"}\n{"kind":"history","limit":3}\n{"kind":"become-secondary"}\n', 3);
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).text),
      ["done explain", "done history", "done become-secondary"],
    );
  });

  test("garbage gets a sentence, is reported, and the connection and the server live on", async () => {
    await serve(answerDone);
    const garbage = [
      "not json",
      "",
      "[]",
      '{"kind":"destroy"}',
      '{"kind":"enable"}',
      '{"kind":"enable","force":"yes"}',
      '{"kind":"get","scope":"pool","more":1}',
      '{"kind":"history","limit":1e9}',
      "\u0000\u0001\u0002",
    ];
    const lines = await raw(`${garbage.join("\n")}\n{"kind":"explain"}\n`, garbage.length + 1);
    assert.equal(lines.length, garbage.length + 1);
    for (const line of lines.slice(0, -1))
      assert.match(line, /"kind":"failed","reason":"Cannot (read|understand) the request: /);
    assert.deepEqual(JSON.parse(lines.at(-1) ?? ""), { kind: "done", text: "done explain" });
    assert.equal(problems.length, garbage.length);
  });

  test("any bytes are refused, ask nothing of the daemon, and do not fill the log", async () => {
    const asked: string[] = [];
    await serve(async (request, reply) => {
      asked.push(request.kind);
      reply({ kind: "done", text: "" });
    });
    const random = seeded(20261121);
    const good = '{"kind":"confirm-peer-off","peerName":"xcp2"}';
    for (let connection = 0; connection < 20; connection += 1) {
      const lines = Array.from({ length: 40 }, (_, line) => {
        // Every second one is a request with one byte turned into a control character, which JSON knows nowhere.
        const bytes =
          line % 2 === 0
            ? Buffer.from(Array.from({ length: Math.floor(random() * 200) }, () => Math.floor(random() * 256)))
            : Buffer.from(good);
        if (line % 2 === 1) bytes[Math.floor(random() * bytes.length)] = 1 + Math.floor(random() * 8);
        return Buffer.from(bytes.map((byte) => (byte === 10 ? 11 : byte)));
      });
      const bytes = Buffer.concat(lines.flatMap((line) => [line, Buffer.from("\n")]));
      const answers = await raw(bytes, lines.length);
      assert.equal(answers.length, lines.length);
      for (const answer of answers) assert.equal(JSON.parse(answer).kind, "failed");
    }
    assert.deepEqual(asked, []);
    assert.ok(problems.length < 60, `${problems.length} lines for 800 mistakes`);
    assert.ok(problems.every(({ bug }) => !bug));
    assert.equal((await askDaemon({ kind: "explain" }, { path, ...ask })).ok, true);
  });

  test("the value of a refused request never appears in the answer or in the log", async () => {
    await serve(answerDone);
    const lines = await raw(
      '{"kind":"set","name":"FENCE_PASSWD","value":"hunter2","x":1}\n{"kind":"set","value":"hunter2"\n',
      2,
    );
    assert.equal(lines.length, 2);
    assert.ok(!JSON.stringify([lines, problems]).includes("hunter2"));
  });

  test("an endless line is cut off and the others are still served", async () => {
    await serve(answerDone);
    const lines = await raw(Buffer.alloc(200_000, "x"), 1);
    assert.match(lines[0] ?? "", /found a line longer than 65536 bytes/);
    assert.equal((await askDaemon({ kind: "explain" }, { path, ...ask })).ok, true);
  });

  test("a flood of requests on one connection is cut off", async () => {
    await serve(() => new Promise(() => undefined));
    const lines = await raw('{"kind":"explain"}\n'.repeat(500), 1);
    assert.match(lines[0] ?? "", /more than 64 requests/);
  });

  test("one connection too many is answered and closed", async () => {
    await serve(() => new Promise(() => undefined), { maxClients: 1 });
    const holder = createConnection(path);
    await once(holder, "connect");
    const answer = await askDaemon({ kind: "explain" }, { path, ...ask });
    holder.destroy();
    assert.ok(answer.ok && answer.value.kind === "failed");
    assert.match(answer.value.reason, /too many are connected/);
  });

  test("a silent connection is closed", async () => {
    await serve(answerDone, { idleMs: 20 });
    assert.deepEqual(await raw("", 1), []);
  });

  test("a handler that throws, or says nothing, ends in a failed answer and is reported as a bug", async () => {
    await serve(async (request) => {
      if (request.kind === "explain") throw new Error("broken inside");
    });
    for (const request of [{ kind: "explain" }, { kind: "status" }] as const) {
      const answer = await askDaemon(request, { path, ...ask });
      assert.ok(answer.ok && answer.value.kind === "failed");
      assert.match(answer.value.next, /journalctl -u tandemd/);
    }
    assert.deepEqual(
      problems.map((problem) => problem.bug),
      [true, true],
    );
  });

  test("removes a stale socket, but never one that answers or a file that is no socket", async () => {
    await serve(answerDone);
    const second = await startControlServer({ path, handler: answerDone, onProblem: () => undefined });
    assert.ok(!second.ok && second.error.kind === "already-running");
    assert.equal((await askDaemon({ kind: "explain" }, { path, ...ask })).ok, true);

    path = join(directory, "plain");
    await writeFile(path, "data");
    const third = await startControlServer({ path, handler: answerDone, onProblem: () => undefined });
    assert.ok(!third.ok && third.error.kind === "not-a-socket");

    path = join(directory, "stale.sock");
    await leaveStaleSocket(path);
    const before = await askDaemon({ kind: "explain" }, { path, ...ask });
    assert.ok(!before.ok && before.error.kind === "stale", JSON.stringify(before));
    await serve(answerDone);
    assert.equal((await askDaemon({ kind: "explain" }, { path, ...ask })).ok, true);
  });

  test("stop ends every connection and removes the socket", async () => {
    const server = await serve(answerDone);
    const ended = new Promise((resolve) => {
      server.publish(healthyStatus);
      watchDaemon({ path, ...ask, onStatus: () => void server.stop(), onEnd: resolve });
    });
    assert.equal(((await ended) as { kind: string }).kind, "broken");
    const answer = await askDaemon({ kind: "explain" }, { path, ...ask });
    assert.ok(!answer.ok && answer.error.kind === "not-running");
  });
});

/** A socket file whose owner is gone, as a killed daemon leaves it. */
async function leaveStaleSocket(at: string): Promise<void> {
  const script = `require("node:net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))`;
  const child = spawn(process.execPath, ["-e", script, at], { stdio: "ignore" });
  await once(child, "exit");
  assert.ok((await stat(at)).isSocket());
}

describe("watch", () => {
  const numbered = (wallMs: number): StatusDocument => ({ ...healthyStatus, wallMs });

  test("sends the present document at once and every later one", async () => {
    const server = await serve(answerDone);
    server.publish(numbered(1));
    const seen: number[] = [];
    await new Promise<void>((resolve) => {
      const watch = watchDaemon({
        path,
        ...ask,
        onStatus: (status) => {
          seen.push(status.wallMs);
          if (status.wallMs < 4) server.publish(numbered(status.wallMs + 1));
          else {
            watch.close();
            resolve();
          }
        },
        onEnd: (error) => assert.fail(describeClientError(error).reason),
      });
    });
    assert.deepEqual(seen, [1, 2, 3, 4]);
  });

  test("asks the handler when nothing was published yet", async () => {
    await serve(async (request, reply) => {
      assert.equal(request.kind, "status");
      reply({ kind: "status", status: numbered(9) });
    });
    const lines = await raw('{"kind":"watch"}\n', 1);
    assert.equal(JSON.parse(lines[0] ?? "").status.wallMs, 9);
  });

  test("a reader that sleeps loses the documents in between and gets the newest", async () => {
    const server = await serve(answerDone);
    server.publish(numbered(0));
    const socket = createConnection(path);
    socket.write('{"kind":"watch"}\n');
    await once(socket, "data");
    socket.pause();
    const last = 2000;
    for (let number = 1; number <= last; number += 1) {
      server.publish({ ...numbered(number), policyNote: "x".repeat(4000) });
      if (number % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    let text = "";
    const seen = await new Promise<number[]>((resolve) => {
      socket.on("data", (chunk) => {
        text += String(chunk);
        const numbers = text
          .split("\n")
          .slice(0, -1)
          .map((line): number => JSON.parse(line).status.wallMs);
        if (numbers.at(-1) === last) resolve(numbers);
      });
      socket.resume();
    });
    socket.destroy();
    assert.ok(seen.length < last / 2, `${seen.length} of ${last} documents were sent`);
    assert.deepEqual(
      seen,
      seen.toSorted((a, b) => a - b),
    );
    assert.deepEqual(problems, []);
  });
});

describe("client errors", () => {
  test("no daemon: says so and names the command", async () => {
    const answer = await askDaemon({ kind: "status" }, { path, ...ask });
    assert.ok(!answer.ok && answer.error.kind === "not-running");
    assert.match(describeClientError(answer.error).next, /systemctl start tandemd/);
  });

  test("a daemon that says nothing, nonsense or another protocol", async () => {
    const said = ["", "nonsense\n", '{"kind":"surprise"}\n', '{"kind":"status","status":{"protocol":2}}\n'];
    const kinds: string[] = [];
    for (const [index, text] of said.entries()) {
      const at = join(directory, `fake-${index}.sock`);
      const server = createServer((socket) => socket.write(text)).listen(at);
      await once(server, "listening");
      const answer = await askDaemon({ kind: "status" }, { path: at, silenceMs: text === "" ? 50 : 5000 });
      assert.ok(!answer.ok);
      kinds.push(answer.error.kind);
      server.close();
    }
    assert.deepEqual(kinds, ["silent", "broken", "broken", "broken"]);
  });

  test(
    "no permission: says so and names root",
    { skip: process.getuid?.() !== 0 && "needs root to become another user" },
    async () => {
      await serve(answerDone);
      const script = `require("node:net").createConnection(process.argv[1]).on("error", (e) => { console.log(e.code); process.exit(0); })`;
      const child = spawn(process.execPath, ["-e", script, path], { uid: 65_534, stdio: ["ignore", "pipe", "ignore"] });
      let code = "";
      for await (const chunk of child.stdout) code += String(chunk);
      assert.equal(code.trim(), "EACCES");
      const error = describeClientError({ kind: "no-permission", path });
      assert.match(error.reason, /no permission/);
      assert.match(error.next, /root/);
    },
  );
});
