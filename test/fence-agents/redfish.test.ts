// The REDFISH and IRMC agents against an HTTPS server with the power part of Redfish (not a genuine BMC: see the README).

import assert from "node:assert/strict";
import { test } from "node:test";
import { readRedfishPower } from "../../src/fence-agents/redfish.ts";
import { ask } from "./call.ts";
import { PASSWORD, startRedfish, USER, type Mood, type RedfishPeer } from "./redfish-peer.ts";

async function withRedfish(run: (peer: RedfishPeer, line: string) => Promise<void>): Promise<void> {
  const peer = await startRedfish();
  try {
    await run(peer, `127.0.0.1,port=${peer.port},user=${USER},pin=${peer.pin}`);
  } finally {
    await peer.stop();
  }
}
const redfish = { method: "REDFISH", password: PASSWORD } as const;

for (const method of ["REDFISH", "IRMC"]) {
  test(`${method}: on, off and back, read back each time`, async () => {
    await withRedfish(async (peer, line) => {
      const call = { method, password: PASSWORD };
      assert.deepEqual(await ask(line, call), { code: 0, stdout: "on", stderr: "" });
      assert.deepEqual(await ask(line, { ...call, action: "monitor" }), { code: 0, stdout: "on", stderr: "" });
      assert.equal((await ask(line, { ...call, action: "stop" })).code, 0);
      assert.equal(peer.power, "Off");
      assert.deepEqual(await ask(line, call), { code: 2, stdout: "off", stderr: "" });
      assert.equal((await ask(line, { ...call, action: "start" })).code, 0);
      assert.equal(peer.power, "On");
    });
  });
}

test("the hex fingerprint of openssl pins as well", async () => {
  await withRedfish(async (peer) => {
    const line = `127.0.0.1,port=${peer.port},user=${USER},pin=${peer.hexPin}`;
    assert.equal((await ask(line, redfish)).stdout, "on");
  });
});

test("auth=session logs in without a Basic header and gives the session back", async () => {
  await withRedfish(async (peer, line) => {
    peer.basicAllowed = false;
    assert.match((await ask(line, redfish)).stderr, /refused user or password: no valid session/);
    peer.credentials.length = 0;
    const stopped = await ask(`${line},auth=session`, { ...redfish, action: "stop" });
    assert.equal(stopped.code, 0, stopped.stderr);
    assert.equal(peer.power, "Off");
    assert.deepEqual([peer.credentials, peer.sessions.size], [[], 0]);
    assert.match(
      (await ask(`${line},auth=session`, { ...redfish, password: "no" })).stderr,
      /refused user or password/,
    );
  });
});

const moods: readonly (readonly [Mood, RegExp])[] = [
  ["lies", /did not read off in time: the device still says on/],
  ["silent", /no answer of .* in time/],
  ["half", /broke off|in time/],
  ["cut", /broke off|no connection/],
  ["garbage", /no connection to .*Parse Error/],
  ["not-json-off", /found "Off", expected JSON/],
  ["huge", /larger than 1 MB/],
  ["powering-off", /did not read off in time: the device still says on/],
  ["no-power-state", /did not read off in time: .*power state null/],
  ["two-systems", /has the systems 0, 1; name one with system=/],
  ["no-force-off", /offers the resets On, GracefulShutdown, expected ForceOff/],
  ["foreign-target", /description of the system cannot be read/],
  ["redirect", /answered 302/],
  ["error-500", /answered 500 to .*internal error/],
];
for (const [mood, reason] of moods) {
  test(`a device that is ${mood} is never off`, async () => {
    await withRedfish(async (peer, line) => {
      peer.mood = mood;
      const began = performance.now();
      const stopped = await ask(line, { ...redfish, action: "stop", timeoutMs: 600 });
      assert.equal(stopped.code, 1, JSON.stringify(stopped));
      assert.match(stopped.stderr, reason);
      assert.ok(performance.now() - began < 1_500, "the deadline holds");
      if (mood !== "powering-off" && mood !== "no-power-state") assert.equal(peer.power === "Off", false);
      const state = await ask(line, { ...redfish, timeoutMs: 400 });
      assert.notEqual(state.code, 2, JSON.stringify(state));
      for (const one of [stopped, state]) assert.ok(!one.stderr.includes("s3cr3t"));
    });
  });
}

test("the monitor finds out that the power could not be cut", async () => {
  await withRedfish(async (peer, line) => {
    peer.mood = "no-force-off";
    assert.equal((await ask(line, redfish)).stdout, "on");
    const tested = await ask(line, { ...redfish, action: "monitor" });
    assert.ok(tested.code === 1 && /expected ForceOff/.test(tested.stderr), JSON.stringify(tested));
  });
});

test("system= chooses among several", async () => {
  await withRedfish(async (peer, line) => {
    peer.mood = "two-systems";
    assert.equal((await ask(`${line},system=0`, redfish)).stdout, "on");
    assert.match((await ask(`${line},system=7`, redfish)).stderr, /name one with system=/);
  });
});

test("a wrong password is said", async () => {
  await withRedfish(async (_peer, line) => {
    const state = await ask(line, { ...redfish, password: "wrong" });
    assert.ok(state.code === 1 && /refused user or password/.test(state.stderr), JSON.stringify(state));
  });
});

test("a wrong or missing certificate pin stops before the first request", async () => {
  await withRedfish(async (peer) => {
    for (const pin of ["", `,pin=SHA256:${"B".repeat(43)}`]) {
      for (const action of ["status", "stop"]) {
        const state = await ask(`127.0.0.1,port=${peer.port},user=${USER}${pin}`, { ...redfish, action });
        assert.equal(state.code, 1);
        assert.match(state.stderr, /Cannot trust 127.0.0.1/);
        assert.ok(state.stderr.includes(peer.pin));
      }
    }
    assert.deepEqual([peer.seen, peer.credentials], [[], []]);
  });
});

test("only the word Off is off", () => {
  assert.deepEqual(readRedfishPower("Off"), { ok: true, value: "off" });
  for (const word of ["On", "PoweringOn", "PoweringOff", "Paused"])
    assert.deepEqual(readRedfishPower(word), { ok: true, value: "on" });
  for (const word of [null, "off", "", "Unknown"]) assert.equal(readRedfishPower(word).ok, false);
});
