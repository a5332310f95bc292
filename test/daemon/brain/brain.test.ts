import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startBrain } from "../../../src/daemon/brain/brain.ts";
import type { FromBrain } from "../../../src/daemon/brain/messages.ts";
import { beatPulse, createPulses, watchPulse, type Pulses } from "../../../src/daemon/brain/pulse.ts";
import type { HeardHeartbeat } from "../../../src/core/model/peer.ts";
import { heartbeatOf } from "../../../src/core/heartbeat.ts";
import { initialState } from "../../../src/core/model/state.ts";
import { createMemberLink } from "../../../src/drivers/peer/member-link.ts";
import { ok } from "../../../src/util/result.ts";
import { testConfig, testRecord } from "../../sim/settings.ts";

test("a watchdog holder that dies is noticed and started again", async (context) => {
  let armed = false;
  let starts = 0;
  const brain = await startBrain(
    {
      config: testConfig("a", "vote"),
      durable: testRecord("a"),
      bootId: "boot",
      incarnation: 1,
      exchanged: false,
      addresses: [],
      keys: { keyId: 1, key: new Uint8Array(32), previous: null },
      watchdogDevice: "/dev/watchdog",
      pulses: createPulses(),
      pool: null,
    },
    {
      link: () => ({
        start: () => Promise.resolve(),
        stop: () => Promise.resolve(),
        beat: () => undefined,
        setKeys: () => undefined,
        counters: () => [],
        request: () => Promise.resolve({ kind: "silent", reason: "nobody there" }),
      }),
      memberLink: createMemberLink,
      watchdog: {
        arm() {
          armed = true;
          starts++;
          return Promise.resolve(ok("changed"));
        },
        disarm: () => Promise.resolve(ok("already")),
        token: () => undefined,
        armed: () => armed,
      },
      send: () => undefined,
    },
  );
  context.after(() => brain.receive({ kind: "stop" }));
  const waitFor = async (count: number): Promise<void> => {
    // W/2: the device would reset the host after W.
    for (let waited = 0; waited < 2_500 && starts < count; waited += 20) await delay(20);
    assert.equal(starts, count);
  };
  await waitFor(1);
  // The back-off of repairs is over by now in any real life.
  await delay(1_100);
  armed = false;
  await waitFor(2);
});

/** A brain in contact with a peer that says the same thing again and again. */
async function calm(pulses: Pulses) {
  const said: FromBrain[] = [];
  const beats: number[] = [];
  let tokens = 0;
  let hear: (heard: HeardHeartbeat) => void = () => undefined;
  const brain = await startBrain(
    {
      config: testConfig("a", "vote"),
      durable: { ...testRecord("a"), ha: "on" },
      bootId: "boot",
      incarnation: 1,
      exchanged: false,
      addresses: [],
      keys: { keyId: 1, key: new Uint8Array(32), previous: null },
      watchdogDevice: "/dev/watchdog",
      pulses,
      pool: null,
    },
    {
      link: (options) => {
        hear = options.onHeartbeat;
        return {
          start: () => Promise.resolve(),
          stop: () => Promise.resolve(),
          beat: () => void beats.push(performance.now()),
          setKeys: () => undefined,
          counters: () => [],
          request: () => Promise.resolve({ kind: "silent", reason: "nobody there" }),
        };
      },
      memberLink: createMemberLink,
      watchdog: {
        arm: () => Promise.resolve(ok("already")),
        disarm: () => Promise.resolve(ok("already")),
        token: () => void tokens++,
        armed: () => true,
      },
      send: (message) => void said.push(message),
    },
  );
  const body = heartbeatOf(initialState(testConfig("b", "vote"), testRecord("b"), "boot-b", 1, 0), 0);
  const hearPeer = (): void => {
    const now = performance.now();
    for (const link of ["management", "replication"] as const)
      hear({ link, body, echoSentAt: now, linkEchoSentAt: now, receivedAt: now });
  };
  hearPeer();
  const peer = setInterval(hearPeer, 250);
  return {
    beats,
    tokens: () => tokens,
    snapshots: () => said.filter((one) => one.kind === "snapshot").length,
    said: () => said.map(({ kind }) => kind),
    firstSample: () =>
      said.findIndex((one) => one.kind === "actions" && one.actions.some(({ kind }) => kind === "sample")),
    silence: () => clearInterval(peer),
    brain,
    stop() {
      clearInterval(peer);
      brain.receive({ kind: "stop" });
    },
  };
}

test("in calm the hands get no snapshots, and one at once when somebody looks", async (context) => {
  const one = await calm(createPulses());
  context.after(() => one.stop());
  await delay(1_500);
  const before = one.snapshots();
  await delay(1_500);
  assert.equal(one.snapshots(), before);
  one.brain.receive({ kind: "show" });
  assert.equal(one.snapshots(), before + 1);
  assert.ok(!one.said().includes("uneasy"));
  // Silence is news: suspicion is told without anybody looking, and before it, once, that it may come.
  one.silence();
  await delay(1_300);
  assert.ok(one.snapshots() > before + 1);
  assert.equal(one.said().filter((kind) => kind === "uneasy").length, 1);
  assert.ok(one.said().indexOf("uneasy") < one.firstSample(), "said before the first vote sample");
});

test("heartbeats keep their period in calm, also after one that was sent early", async (context) => {
  const one = await calm(createPulses());
  context.after(() => one.stop());
  await delay(400);
  one.brain.receive({
    kind: "event",
    event: { kind: "command", id: 1, command: { kind: "manual", on: true, force: true } },
  });
  await delay(1_600);
  const gaps = one.beats.slice(1).map((at, i) => at - (one.beats[i] ?? 0));
  assert.ok(Math.max(...gaps) < 500, `found gaps ${gaps.map(Math.round).join(" ")}`);
  assert.ok(gaps.length >= 6);
});

test("tokens stop when the hands' pulse does, and come again with it", async (context) => {
  const pulses = createPulses();
  const one = await calm(pulses);
  context.after(() => one.stop());
  const hands = setInterval(() => beatPulse(pulses, "hands"), 500);
  context.after(() => clearInterval(hands));
  await delay(2_500);
  const alive = one.tokens();
  assert.ok(alive >= 2, `found ${alive} tokens`);
  clearInterval(hands);
  await delay(2_600);
  const hung = one.tokens();
  await delay(1_500);
  assert.equal(one.tokens(), hung);
  beatPulse(pulses, "hands");
  await delay(1_500);
  assert.ok(one.tokens() > hung);
});

test("a pulse counts from the look before the one that found it: never younger than it is", () => {
  const pulses = createPulses();
  const watch = watchPulse(pulses, "hands", 1_000);
  assert.equal(watch.silentMs(1_400), 400);
  beatPulse(pulses, "hands");
  beatPulse(pulses, "brain");
  assert.equal(watch.silentMs(1_500), 100);
  assert.equal(watch.silentMs(1_900), 500);
});
