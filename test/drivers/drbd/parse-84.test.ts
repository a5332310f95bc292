// Every parser of DRBD 8.4 against the captured output of fifteen states on both nodes. The states are written down here
// by hand, so that two parsers with the same mistake are found too.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DrbdView } from "../../../src/core/model/drbd.ts";
import { parseEvents2 } from "../../../src/drivers/drbd/parse-events2.ts";
import { parseGeneration } from "../../../src/drivers/drbd/parse-generation.ts";
import { parseProcDrbd } from "../../../src/drivers/drbd/parse-proc.ts";
import { parseStatusText } from "../../../src/drivers/drbd/parse-status.ts";
import { captures84, fixture, output } from "./fixtures.ts";

/** role/peer disk/peer connection replication */
const states: Readonly<Record<string, string>> = {
  "01-inconsistent @ n1": "Secondary/Secondary Inconsistent/Inconsistent Connected Established",
  "01-inconsistent @ n2": "Secondary/Secondary Inconsistent/Inconsistent Connected Established",
  "02-connected-secondary-secondary @ n1": "Secondary/Secondary UpToDate/UpToDate Connected Established",
  "02-connected-secondary-secondary @ n2": "Secondary/Secondary UpToDate/UpToDate Connected Established",
  "03-connected-primary-secondary @ n1": "Primary/Secondary UpToDate/UpToDate Connected Established",
  "03-connected-primary-secondary @ n2": "Secondary/Primary UpToDate/UpToDate Connected Established",
  "04-swapped @ n1": "Secondary/Primary UpToDate/UpToDate Connected Established",
  "04-swapped @ n2": "Primary/Secondary UpToDate/UpToDate Connected Established",
  "05-peer-killed-0s @ n1": "Secondary/Primary UpToDate/UpToDate Connected Established",
  "06-survivor-primary @ n1": "Primary/Unknown UpToDate/DUnknown Connecting Off",
  "07-after-resync @ n1": "Primary/Secondary UpToDate/Inconsistent Connected SyncSource",
  "07-after-resync @ n2": "Secondary/Primary Inconsistent/UpToDate Connected SyncTarget",
  "08-link-cut @ n1": "Primary/Unknown UpToDate/DUnknown Connecting Off",
  "08-link-cut @ n2": "Secondary/Unknown UpToDate/DUnknown Connecting Off",
  "09-healed @ n1": "Primary/Unknown UpToDate/DUnknown Connecting Off",
  "09-healed @ n2": "Secondary/Unknown UpToDate/DUnknown Connecting Off",
  "10-split-both-primary @ n1": "Primary/Unknown UpToDate/DUnknown Connecting Off",
  "10-split-both-primary @ n2": "Primary/Unknown UpToDate/DUnknown Connecting Off",
  "11-split-brain-standalone @ n1": "Primary/Unknown UpToDate/DUnknown StandAlone Off",
  "11-split-brain-standalone @ n2": "Primary/Unknown UpToDate/DUnknown StandAlone Off",
  "12-sync @ n1": "Primary/Secondary UpToDate/UpToDate Connected Established",
  "12-sync @ n2": "Secondary/Primary UpToDate/UpToDate Connected Established",
  "13-detached-secondary @ n1": "Primary/Secondary UpToDate/Diskless Connected Established",
  "13-detached-secondary @ n2": "Secondary/Primary Diskless/UpToDate Connected Established",
  "14-io-error-diskless-primary @ n1": "Primary/Secondary Diskless/UpToDate Connected Established",
  "14-io-error-diskless-primary @ n2": "Secondary/Primary UpToDate/Diskless Connected Established",
  "15-full-sync @ n1": "Primary/Secondary UpToDate/Inconsistent Connected SyncSource",
  "15-full-sync @ n2": "Secondary/Primary Inconsistent/UpToDate Connected SyncTarget",
};

const words = (v: DrbdView) => `${v.role}/${v.peerRole} ${v.disk}/${v.peerDisk} ${v.connection} ${v.replication}`;

describe("DRBD 8.4 states", () => {
  const captures = captures84();

  it("are all captured, on both nodes", () => {
    assert.deepEqual(captures.map((capture) => capture.name).sort(), Object.keys(states).sort());
  });

  for (const capture of captures) {
    const expected = states[capture.name];
    it(`${capture.name} reads the same from events2, status and /proc/drbd`, () => {
      const events = parseEvents2(output(capture, "drbdsetup events2 --now --statistics"));
      const status = parseStatusText(output(capture, "drbdsetup status --verbose --statistics"));
      const proc = parseProcDrbd(output(capture, "cat /proc/drbd"));
      assert.ok(events.ok && status.ok && proc.ok);
      const fromEvents = events.value.get("r0");
      const fromProc = proc.value.minors.get(0);
      assert.ok(fromEvents !== undefined && fromProc !== undefined);
      const fromStatus = status.value.get("r0")?.view;
      assert.ok(fromStatus !== undefined);
      assert.deepEqual(
        { events: words(fromEvents.view), status: words(fromStatus), proc: words(fromProc) },
        { events: expected, status: expected, proc: expected },
      );
      assert.equal(fromEvents.minor, 0);
      assert.equal(proc.value.version, "8.4.11");
      for (const view of [fromEvents.view, fromStatus, fromProc]) assert.equal(view.suspended, false);
    });
  }

  it("tell how far a resync is: as the tool says where it does, else from what is out of sync", () => {
    const capture = captures.find((one) => one.name === "15-full-sync @ n2");
    assert.ok(capture !== undefined);
    const status = parseStatusText(output(capture, "drbdsetup status --verbose --statistics"));
    const events = parseEvents2(output(capture, "drbdsetup events2 --now --statistics"));
    const proc = parseProcDrbd(output(capture, "cat /proc/drbd"));
    assert.ok(status.ok && events.ok && proc.ok);
    assert.equal(status.value.get("r0")?.view.donePercent, 0.66);
    assert.equal(events.value.get("r0")?.view.donePercent, 0.71);
    assert.equal(events.value.get("r0")?.view.outOfSyncKiB, 520524);
    assert.equal(proc.value.minors.get(0)?.donePercent, 0.8);
    assert.equal(proc.value.minors.get(0)?.outOfSyncKiB, 521192);
  });

  it("show no progress outside a resync, whatever is out of sync", () => {
    const capture = captures.find((one) => one.name === "06-survivor-primary @ n1");
    assert.ok(capture !== undefined);
    const events = parseEvents2(output(capture, "drbdsetup events2 --now --statistics"));
    assert.ok(events.ok);
    assert.deepEqual(
      [events.value.get("r0")?.view.donePercent, events.value.get("r0")?.view.outOfSyncKiB],
      [null, 7124],
    );
  });

  it("read a suspension from the status and from the flag in /proc/drbd", () => {
    const text = fixture("drbd-8.4.11", "20-states.txt");
    const part = text.slice(text.indexOf("===== suspend-io"));
    const proc = parseProcDrbd(part.slice(part.indexOf("version:"), part.indexOf("r0 role:")));
    assert.ok(proc.ok);
    assert.equal(proc.value.minors.get(0)?.suspended, true);
    const verbose = part.slice(part.lastIndexOf("r0 role:Primary suspended:user"), part.lastIndexOf(" 0: cs:"));
    const status = parseStatusText(verbose);
    assert.ok(status.ok);
    assert.equal(status.value.get("r0")?.view.suspended, true);
  });

  it("read a module without resources as empty", () => {
    assert.deepEqual(parseEvents2("exists -\n"), { ok: true, value: new Map() });
    const proc = parseProcDrbd("version: 8.4.11 (api:1/proto:86-101)\nsrcversion: 059B1B470318F053F5077D5 \n");
    assert.ok(proc.ok);
    assert.equal(proc.value.minors.size, 0);
    const unconfigured = parseProcDrbd("version: 8.4.11 (api:1/proto:86-101)\n 0: cs:Unconfigured\n");
    assert.ok(unconfigured.ok && unconfigured.value.minors.size === 0);
  });
});

describe("DRBD output that cannot be trusted", () => {
  const good = output(captures84()[4] ?? { name: "", outputs: new Map() }, "drbdsetup events2 --now --statistics");

  it("fails when events2 was cut off before its end", () => {
    assert.equal(parseEvents2(good.replace("exists -\n", "")).ok, false);
    assert.equal(parseEvents2("").ok, false);
  });

  it("fails on a word for a state that is not known, in each place", () => {
    for (const [from, to] of [
      ["role:Primary suspended", "role:Chief suspended"],
      ["disk:UpToDate size", "disk:Fine size"],
      ["connection:Connected", "connection:Perhaps"],
      ["peer-disk:UpToDate", "peer-disk:Fine"],
      ["replication:Established", "replication:Fine"],
    ] as const) {
      assert.ok(good.includes(from), from);
      assert.equal(parseEvents2(good.replace(from, to)).ok, false, to);
    }
  });

  it("fails on text that is another tool's complaint", () => {
    assert.equal(parseStatusText("r0: No such resource\n").ok, false);
    assert.equal(parseProcDrbd("cat: /proc/drbd: No such file").ok, false);
    assert.equal(
      parseProcDrbd("version: 8.4.11 (api)\n 0: cs:Odd ro:Primary/Unknown ds:UpToDate/DUnknown C r-----\n").ok,
      false,
    );
  });
});

describe("generation UUIDs", () => {
  it("come without the bit for the role, from get-gi and show-gi alike", () => {
    for (const capture of captures84()) {
      const got = parseGeneration(output(capture, "drbdadm get-gi r0"));
      const shown = parseGeneration(output(capture, "drbdadm show-gi r0"));
      assert.ok(got.ok && shown.ok, capture.name);
      assert.deepEqual(got.value, shown.value);
      for (const uuid of [got.value.current, got.value.bitmap, ...got.value.history]) {
        assert.match(uuid, /^[0-9A-F]{15}[02468ACE]$/);
      }
      assert.equal(got.value.history.length, 2);
    }
  });

  it("are the same for a Primary and the Secondary that has all its data", () => {
    const [one, two] = captures84().filter((capture) => capture.name.startsWith("03-"));
    assert.ok(one !== undefined && two !== undefined);
    assert.deepEqual(
      parseGeneration(output(one, "drbdadm get-gi r0")),
      parseGeneration(output(two, "drbdadm get-gi r0")),
    );
  });

  it("fail on anything else", () => {
    for (const text of ["", "1: No such resource", "29B77B2D07434E9E:1:1"])
      assert.equal(parseGeneration(text).ok, false);
  });
});
