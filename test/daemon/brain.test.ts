import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startBrain } from "../../src/daemon/brain.ts";
import { ok } from "../../src/util/result.ts";
import { testConfig, testRecord } from "../sim/settings.ts";

test("a watchdog holder that dies is noticed and started again", async (context) => {
  let armed = false;
  let starts = 0;
  const brain = await startBrain(
    {
      config: testConfig("a", "vote"),
      durable: testRecord("a"),
      bootId: "boot",
      incarnation: 1,
      addresses: [],
      keys: { keyId: 1, key: new Uint8Array(32), previous: null },
      watchdogDevice: "/dev/watchdog",
    },
    {
      link: () => ({
        start: () => Promise.resolve(),
        stop: () => Promise.resolve(),
        beat: () => undefined,
        setKeys: () => undefined,
        request: () => Promise.resolve({ kind: "silent", reason: "nobody there" }),
      }),
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
