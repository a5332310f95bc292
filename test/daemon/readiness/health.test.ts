import assert from "node:assert/strict";
import { test } from "node:test";
import type { DrbdView } from "../../../src/core/model/drbd.ts";
import { known } from "../../../src/core/model/observation.ts";
import { heartbeatOf } from "../../../src/core/heartbeat.ts";
import type { Intent } from "../../../src/core/model/peer.ts";
import { initialState, type State } from "../../../src/core/model/state.ts";
import type { WitnessAnswer } from "../../../src/core/model/witness.ts";
import { conditions, createHealthTeller, type HealthSigns } from "../../../src/daemon/readiness/health.ts";
import { R, testConfig, testRecord } from "../../sim/settings.ts";
import { sampleView } from "../../drivers/drbd/sample-view.ts";

/** As `signs`, of a state that is changed. */
function signsOf(change: (state: State) => State, patch: Partial<HealthSigns> = {}): HealthSigns {
  const found = signs({ connection: "Connecting" }, { inContact: false, ...patch });
  return { ...found, state: change(found.state) };
}

const lost = (state: State): State => ({ ...state, dead: true });
const said =
  (intent: Intent) =>
  (state: State): State => ({ ...lost(state), peer: { ...state.peer, body: { ...heartbeatOf(state, 0), intent } } });
const inMaintenance = (state: State): State => ({
  ...lost(state),
  durable: { ...state.durable, peerFlags: { ...state.durable.peerFlags, maintenance: true } },
});
const unguarded = (state: State): State => ({ ...state, watchdogArmed: false });
const haOff = (state: State): State => ({ ...unguarded(state), durable: { ...state.durable, ha: "off" } });
const exchanged = (state: State): State => ({
  ...unguarded(state),
  stopping: { intent: "paused", phase: "resuming", since: 0 },
});
const withoutWatchdog = (state: State): State => ({
  ...unguarded(state),
  config: { ...state.config, watchdogUsed: false },
});
const granted: WitnessAnswer = { granted: true, holder: null, epoch: 1, stamp: 1, refusal: null };
const witnessed =
  (answers: readonly (WitnessAnswer | null)[]) =>
  (state: State): State => ({
    ...state,
    config: { ...state.config, policy: "witness", witnesses: answers.map((_, i) => `192.0.2.${i + 10}`) },
    witness: { ...state.witness, askedAt: 0, answers },
  });

function signs(view: Partial<DrbdView>, patch: Partial<HealthSigns> = {}): HealthSigns {
  const fresh = initialState(testConfig("a", "vote"), testRecord("a"), "boot", 1, 0);
  const state = { ...fresh, watchdogArmed: true, drbd: known({ [R]: sampleView(view) }, 0) };
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
  ["the other host is silent for a moment", signs({ connection: "Connecting" }, { inContact: false }), []],
  ["the other host is gone", signsOf(lost), ["lost"]],
  ["the other host left", signsOf(said("leaving")), []],
  ["it is gone while its daemon is exchanged", signsOf(said("paused")), ["lost"]],
  ["it is gone and said nothing of that", signsOf(said("none")), ["lost"]],
  ["it is gone while a person works on it", signsOf(inMaintenance), []],
  ["it is gone, and nothing else is asked", signsOf(lost, { heuristics: [], management: false }), ["lost"]],
  ["it is gone, and the addresses are too", signsOf(lost, { management: false }), ["lost", "management"]],
  ["nothing resets a host that hangs", signsOf(unguarded), ["watchdog"]],
  ["HA is off, and so is the watchdog", signsOf(haOff), []],
  ["the daemon is exchanged, the watchdog rests", signsOf(exchanged), []],
  ["no watchdog is configured", signsOf(withoutWatchdog), []],
  ["the witness answers", signsOf(witnessed([granted])), []],
  ["the witness is silent", signsOf(witnessed([null])), ["witness"]],
  ["one of three witnesses is silent", signsOf(witnessed([granted, null, granted])), ["witness"]],
  [
    "WITNESS asks no address",
    signsOf(witnessed([granted]), { heuristics: [{ address: "192.0.2.1", answering: false }] }),
    [],
  ],
];
for (const [name, found, expected] of rows) {
  test(`health: ${name}`, () => {
    const ids = conditions(found).map((one) => one.id);
    assert.deepEqual(ids, expected);
  });
}

test("a disk that DRBD holds still is let go before another one is put in its place", () => {
  const textOf = (disk: DrbdView["disk"]): string => conditions(signs({ disk }))[0]?.text ?? "";
  assert.match(textOf("Failed"), new RegExp(`drbdadm detach ${R}.*iscsi-cfg replace-disk`));
  assert.match(textOf("Diskless"), /iscsi-cfg replace-disk/);
  assert.doesNotMatch(textOf("Diskless"), /detach/);
});

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
