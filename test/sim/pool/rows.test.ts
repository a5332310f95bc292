// Rows of the scenario matrix that need no storage of ours; two hosts without it have no majority and do not start
// (daemon/beginning), so three stand for row 6.

import assert from "node:assert/strict";
import { test } from "node:test";
import { injectPool } from "./faults.ts";
import { createPool } from "./world.ts";

test("row 6: the only switch dies: every host lives, its VMs stand still and run on at home", () => {
  const pool = createPool({ hosts: 3, storage: false, policy: "vote" });
  const { stage, members } = pool;
  for (const m of members) pool.powerOn(m);
  pool.run(5_000);
  for (const m of members) pool.startVm(m, `vm-${m.machine.name}`);
  pool.run(5_000);
  injectPool(pool, { at: stage.now, kind: "switch-loss", ms: 60_000 });
  pool.run(59_000);
  for (const { machine } of members) {
    assert.equal(machine.power, true, "no watchdog fires on a host that fenced itself");
    assert.deepEqual([...machine.domains.values()], [{ paused: true }]);
  }
  pool.run(21_000);
  for (const { machine } of members)
    assert.deepEqual(
      [...machine.domains],
      [[`vm-${machine.name}`, { paused: false }]],
      "nothing was started elsewhere",
    );
  assert.deepEqual(stage.violations, []);
});
