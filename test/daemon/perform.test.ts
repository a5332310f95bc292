// What the hands do with an action where the order of things matters.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createPerform, type PerformParts } from "../../src/daemon/perform.ts";

test("sessions are kicked when the silence of this host has ended, not before", async () => {
  const told: string[] = [];
  const silence = Promise.withResolvers<void>();
  const parts = {
    drivers: {
      firewall: {
        hush(_address: string, _port: number, what: string) {
          told.push(`hush ${what}`);
          return silence.promise;
        },
        kick: () => void told.push("kick"),
      },
      vip: { announce: () => void told.push("announce") },
    },
    storage: { vip: { address: "10.10.10.3" }, target: { portal: { port: 3260 } } },
    log: () => undefined,
  };
  // This action asks nothing else of the daemon.
  const perform = createPerform(parts as unknown as PerformParts);
  perform({ kind: "kick-initiators" });
  await new Promise(setImmediate);
  assert.deepEqual(told, ["hush off"]);
  silence.resolve();
  await new Promise(setImmediate);
  assert.deepEqual(told.toSorted(), ["announce", "hush off", "kick"]);
});
