import assert from "node:assert/strict";
import { test } from "node:test";
import type { DrbdView } from "../../../src/core/model/drbd.ts";
import { known } from "../../../src/core/model/observation.ts";
import { initialState } from "../../../src/core/model/state.ts";
import { conditions, createHealthTeller, type HealthSigns } from "../../../src/daemon/readiness/health.ts";
import { R, testConfig, testRecord } from "../../sim/settings.ts";
import { sampleView } from "../../drivers/drbd/sample-view.ts";

function signs(view: Partial<DrbdView>, patch: Partial<HealthSigns> = {}): HealthSigns {
  const fresh = initialState(testConfig("a", "vote"), testRecord("a"), "boot", 1, 0);
  const state = { ...fresh, drbd: known({ [R]: sampleView(view) }, 0) };
  const heuristics = [{ address: "192.0.2.1", answering: true }];
  return { state, inContact: true, heuristics, management: true, astray: [], refused: null, ...patch };
}

const rows: readonly (readonly [string, HealthSigns, readonly string[]])[] = [
  ["all is well", signs({}), []],
  ["a heuristic address is silent", signs({}, { heuristics: [{ address: "192.0.2.1", answering: false }] }), ["vote"]],
  ["an address was not asked yet", signs({}, { heuristics: [{ address: "192.0.2.1", answering: null }] }), []],
  ["the management network is gone", signs({}, { management: false }), ["management"]],
  [
    "its address was changed",
    signs({}, { astray: [{ network: "management", address: "192.0.2.9" }] }),
    ["address:management"],
  ],
  ["it is not known yet", signs({}, { management: null }), []],
  ["the disk failed", signs({ disk: "Diskless" }), [`disk:${R}`]],
  ["the replication link is gone, the peer answers", signs({ connection: "Connecting" }), [`replication:${R}`]],
  [
    "the other host is not understood",
    signs({}, { inContact: false, refused: "another version" }),
    ["refused-packets"],
  ],
  ["a few packets were dropped on the way to contact", signs({}, { refused: "another version" }), []],
  ["the other host is gone", signs({ connection: "Connecting" }, { inContact: false }), []],
];
for (const [name, found, expected] of rows) {
  test(`health: ${name}`, () => {
    const ids = conditions(found).map((one) => one.id);
    assert.deepEqual(ids, expected);
  });
}

test("a condition is told when it lasts, and its end is told", () => {
  const said: string[] = [];
  const teller = createHealthTeller({
    raise: (id) => void said.push(`raise ${id}`),
    clear: (id) => void said.push(`clear ${id}`),
  });
  teller.tell(signs({ connection: "Connecting" }), 0);
  teller.tell(signs({}), 1_000);
  assert.deepEqual(said, [`clear replication:${R}`], "too short for an alert; clearing what is not open does nothing");
  teller.tell(signs({ disk: "Failed" }), 2_000);
  teller.tell(signs({ disk: "Failed" }), 5_000);
  teller.tell(signs({}), 6_000);
  assert.deepEqual(said.slice(1), [`raise disk:${R}`, `clear disk:${R}`]);
});
