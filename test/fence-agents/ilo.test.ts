// The ILO agent against an ssh server that answers as an iLO does (not a genuine iLO: see the README).

import assert from "node:assert/strict";
import { test } from "node:test";
import { readIloPower } from "../../src/fence-agents/ilo.ts";
import { ask } from "./call.ts";
import { PASSWORD, startIlo, type Mood, type SshPeer } from "./ssh-peer.ts";

async function withIlo(run: (ilo: SshPeer, line: string) => Promise<void>): Promise<void> {
  const ilo = await startIlo();
  try {
    await run(ilo, `127.0.0.1,port=${ilo.port},pin=${ilo.pin}`);
  } finally {
    await ilo.stop();
  }
}
const ilo = { method: "ILO", password: PASSWORD } as const;

test("on, off and back: each order is read back by the agent itself", async () => {
  await withIlo(async (peer, line) => {
    assert.deepEqual(await ask(line, ilo), { code: 0, stdout: "on", stderr: "" });
    assert.deepEqual(await ask(line, { ...ilo, action: "monitor" }), { code: 0, stdout: "on", stderr: "" });
    assert.equal((await ask(line, { ...ilo, action: "stop" })).code, 0);
    assert.equal(peer.power, "Off");
    assert.deepEqual(await ask(line, ilo), { code: 2, stdout: "off", stderr: "" });
    assert.equal((await ask(line, { ...ilo, action: "stop" })).code, 0, "a second stop is no failure");
    assert.equal((await ask(line, { ...ilo, action: "start" })).code, 0);
    assert.equal(peer.power, "On");
    peer.seen.length = 0;
    assert.equal((await ask(line, { ...ilo, action: "reset" })).code, 0);
    assert.deepEqual(
      peer.seen.filter((one) => one.startsWith("power")),
      ["power off hard", "power", "power on", "power"],
    );
  });
});

test("a device that asks for the password by a question gets it", async () => {
  await withIlo(async (peer, line) => {
    peer.mood = "question";
    assert.equal((await ask(line, ilo)).stdout, "on");
  });
});

const moods: readonly (readonly [Mood, RegExp])[] = [
  ["lies", /did not read off in time: the device still says on/],
  ["silent-at-connect", /no end of connecting to|Timed out/],
  ["silent-at-command", /no end of running "power/],
  ["garbage", /something else than its command line/],
  ["both", /"on, off" about its power|did not read off/],
  ["floods", /printed without end/],
  ["cut", /broke off|closed the connection/],
  ["error-status", /refused "power.*status 2/],
];
for (const [mood, reason] of moods) {
  test(`a device that ${mood} is never off`, async () => {
    await withIlo(async (peer, line) => {
      peer.mood = mood;
      const began = performance.now();
      const stopped = await ask(line, { ...ilo, action: "stop", timeoutMs: 600 });
      assert.equal(stopped.code, 1, JSON.stringify(stopped));
      assert.match(stopped.stderr, reason);
      assert.ok(performance.now() - began < 1_500, "the deadline holds");
      const state = await ask(line, { ...ilo, timeoutMs: 400 });
      assert.notEqual(state.code, 2, JSON.stringify(state));
      for (const one of [stopped, state]) assert.ok(!one.stderr.includes("hunter2"));
    });
  });
}

test("a wrong password is said, and the device is not off", async () => {
  await withIlo(async (_peer, line) => {
    const state = await ask(line, { ...ilo, password: "wrong" });
    assert.equal(state.code, 1);
    assert.match(state.stderr, /authentication methods failed/);
  });
});

test("a wrong or missing host key stops before the password", async () => {
  await withIlo(async (peer) => {
    for (const pin of ["", `,pin=SHA256:${"B".repeat(43)}`]) {
      const state = await ask(`127.0.0.1,port=${peer.port}${pin}`, ilo);
      assert.equal(state.code, 1);
      assert.match(state.stderr, /Cannot trust 127.0.0.1/);
      assert.ok(state.stderr.includes(peer.pin), "the key that it shows is told");
    }
    assert.deepEqual(peer.seen, []);
  });
});

test("nobody listens: a failure, never off", async () => {
  await withIlo(async (peer, line) => {
    await peer.stop();
    const state = await ask(line, ilo);
    assert.ok(state.code === 1 && /ECONNREFUSED/.test(state.stderr), JSON.stringify(state));
  });
});

test("the power is read from exactly one sentence", () => {
  const said = (word: string): string => `power: server power is currently: ${word}\r\n`;
  assert.deepEqual(readIloPower(said("Off")), { ok: true, value: "off" });
  assert.deepEqual(readIloPower(said("On")), { ok: true, value: "on" });
  for (const text of ["", said("Offline"), said("Unknown"), `x${said("Off")}`, said("Off") + said("Off")])
    assert.equal(readIloPower(text).ok, false, text);
});
