// resolve-split-brain: what is shown of both copies, whose name is demanded, and that nothing happens without it.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { DrbdView } from "../../../src/core/model/drbd.ts";
import type { StatusDocument } from "../../../src/core/model/status.ts";
import { comparison } from "../../../src/cli/iscsi-cfg/resolve.ts";
import { healthyStatus, ownHost, peerHost, sampleWallMs, statusWith } from "../../drivers/control/status-sample.ts";
import { runTool, startDouble } from "../daemon-double.ts";
import type { Double } from "../daemon-double.ts";

process.env["TZ"] = "UTC";

const view = ownHost.resources[0]?.view;
assert.ok(view);
const parted = (changes: Partial<DrbdView>): readonly (typeof ownHost.resources)[number][] => [
  {
    name: "iscsi1",
    view: { ...view, role: "Secondary", connection: "StandAlone", replication: "Off", ...changes },
    why: null,
    solo: true,
    etaSeconds: null,
  },
];
const split: StatusDocument = statusWith(
  {
    serving: false,
    resources: parted({
      outOfSyncKiB: 20_480,
      lastWriteWallMs: sampleWallMs - 60_000,
      generation: { current: "1111AAAA", bitmap: "9999BBBB", history: [] },
    }),
  },
  { owner: peerHost.hostId, resources: parted({ outOfSyncKiB: null }) },
);

test("two owners whose copies are connected already are told apart from no split brain", () => {
  const { peer, ...both } = statusWith({}, { owner: peerHost.hostId });
  assert.ok(peer);
  const lines = comparison({ ...both, peer }, peer, true);
  assert.match(lines.join("\n"), /both hosts own the storage in epoch 7.*no data is lost/s);
  assert.ok(lines.every((line) => line.length <= 80));
});

test("both copies stand side by side within 80 columns, and what is lost is named", () => {
  assert.ok(split.peer);
  const lines = comparison(split, split.peer, true);
  assert.deepEqual(lines, [
    "iscsi1        xcp1 (this host)                 xcp2",
    "Role          Secondary                        Secondary",
    "Disk          UpToDate                         UpToDate",
    "Connection    StandAlone                       StandAlone",
    "Record        owner, epoch 7, went on alone    owner, epoch 7, went on alone",
    "Generation    1111AAAA                         unknown",
    "  came from   9999BBBB                         unknown",
    "Last write    Fri Nov 20 23:54:07 2026         not seen since tandemd started",
    "Out of sync   20.0 MiB                         unknown",
    "",
    "If you name xcp2: every write that only xcp2 has is lost, and xcp2 is",
    "filled from this host. To keep the other copy run this on the other host.",
    "Where the disk of xcp2 is an LVM volume it is kept as a snapshot first.",
  ]);
  assert.ok(lines.every((line) => line.length <= 80));
  assert.match(comparison(split, split.peer, false).join("\n"), /NO snapshot/);
  assert.match(comparison(healthyStatus, peerHost, true).join("\n"), /no split brain/);
});

describe("the command", () => {
  let daemon: Double;
  before(async () => {
    daemon = await startDouble();
  });
  beforeEach(() => {
    daemon.requests.splice(0);
    daemon.script.status = [{ kind: "status", status: split }];
  });
  after(() => daemon.stop());
  const run = (...args: string[]) => runTool("iscsi-cfg", ["resolve-split-brain", ...args], { socket: daemon.path });
  const asked = () => daemon.requests.filter(({ kind }) => kind === "resolve-split-brain");

  test("without a terminal and without the name nothing is done", async () => {
    const ran = await run();
    assert.equal(ran.code, 2);
    assert.match(ran.out, /Out of sync/);
    assert.match(ran.err, /expected --victim xcp2/);
    assert.deepEqual(asked(), []);
  });

  test("with the name the daemon is asked, with a snapshot unless it was refused", async () => {
    assert.equal((await run("--victim", "xcp2", "--no-follow")).code, 0);
    assert.equal((await run("--victim", "xcp2", "--no-follow", "--no-snapshot")).code, 0);
    assert.deepEqual(asked(), [
      { kind: "resolve-split-brain", victim: "xcp2", snapshot: true },
      { kind: "resolve-split-brain", victim: "xcp2", snapshot: false },
    ]);
  });

  test("the daemon's no is exit code 3", async () => {
    daemon.script["resolve-split-brain"] = [{ kind: "refused", rule: "D11", reason: "it serves", next: "look" }];
    const ran = await run("--victim", "xcp2");
    assert.equal(ran.code, 3);
    assert.match(ran.err, /rule D11.*it serves/);
    delete daemon.script["resolve-split-brain"];
  });

  test("the resync is followed until both copies agree", async () => {
    const syncing = { ...view, replication: "SyncSource" as const, peerDisk: "Inconsistent" as const };
    const at = (donePercent: number): StatusDocument =>
      statusWith({
        resources: [
          {
            name: "iscsi1",
            view: { ...syncing, donePercent, outOfSyncKiB: 100 },
            why: null,
            solo: true,
            etaSeconds: 40,
          },
        ],
      });
    const running = run("--victim", "xcp2");
    while (asked().length === 0) await delay(20);
    for (const status of [at(41), at(49), at(73)]) {
      daemon.script.status = [{ kind: "status", status }];
      daemon.publish(status);
      await delay(1_000);
    }
    const timer = setInterval(() => daemon.publish(healthyStatus), 100);
    const ran = await running;
    clearInterval(timer);
    assert.equal(ran.code, 0);
    assert.match(ran.err, /iscsi1: 70 % of the disk in sync, about 40 s more\nBoth copies agree\./);
  });
});
