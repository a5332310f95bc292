import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createEventPicture, parseEvents2 } from "../../../src/drivers/drbd/parse-events2.ts";
import { parseStatusJson } from "../../../src/drivers/drbd/parse-status.ts";
import { fixture } from "./fixtures.ts";

const dump = fixture("drbd-9", "events2-primary-connected.txt");

describe("DRBD 9 events2", () => {
  it("reads the dump of a connected Primary", () => {
    const seen = parseEvents2(dump);
    assert.ok(seen.ok);
    assert.deepEqual(seen.value.get("iscsi1"), {
      minor: 1,
      view: {
        role: "Primary",
        disk: "UpToDate",
        connection: "Connected",
        replication: "Established",
        peerRole: "Secondary",
        peerDisk: "UpToDate",
        suspended: false,
        outOfSyncKiB: 0,
        donePercent: null,
        generation: null,
      },
    });
  });

  it("follows the loss of the peer, the fencing, the return and the resync line by line", () => {
    const picture = createEventPicture();
    for (const line of dump.split("\n")) picture.apply(line);
    const story: string[] = [];
    for (const line of fixture("drbd-9", "events2-peer-lost-fenced-resync.txt").trim().split("\n")) {
      if (picture.apply(line) === "ignored") continue;
      const seen = picture.resources();
      assert.ok(seen.ok);
      const view = seen.value.get("iscsi1")?.view;
      assert.ok(view !== undefined);
      const done = view.donePercent === null ? "" : ` ${view.donePercent}%`;
      story.push(
        `${view.connection} ${view.peerRole} ${view.peerDisk} ${view.replication}${view.suspended ? " suspended" : ""}${done}`,
      );
    }
    assert.deepEqual(story, [
      "NetworkFailure Unknown UpToDate Established",
      "NetworkFailure Unknown UpToDate Established suspended",
      "NetworkFailure Unknown DUnknown Off suspended",
      "NetworkFailure Unknown Outdated Off suspended",
      "NetworkFailure Unknown Outdated Off",
      "Unconnected Unknown Outdated Off",
      "Connecting Unknown Outdated Off",
      "Connected Secondary Outdated Off",
      "Connected Secondary Inconsistent SyncSource 12.5%",
      "Connected Secondary UpToDate Established",
    ]);
  });

  it("forgets a resource that is taken down", () => {
    const picture = createEventPicture();
    for (const line of dump.split("\n")) picture.apply(line);
    for (const line of [
      "destroy peer-device name:iscsi1 peer-node-id:1 conn-name:xcp2 volume:0",
      "destroy connection name:iscsi1 peer-node-id:1 conn-name:xcp2",
      "destroy device name:iscsi1 volume:0 minor:1",
      "destroy resource name:iscsi1",
    ]) {
      assert.equal(picture.apply(line), "changed", line);
    }
    assert.deepEqual(picture.resources(), { ok: true, value: new Map() });
  });

  it("reports StandAlone when 8.4 destroys the connection of a resource that stays", () => {
    const picture = createEventPicture();
    for (const line of dump.split("\n")) picture.apply(line);
    picture.apply("destroy connection name:iscsi1 peer-node-id:1 conn-name:xcp2");
    const seen = picture.resources();
    assert.ok(seen.ok);
    const view = seen.value.get("iscsi1")?.view;
    assert.deepEqual(
      [view?.role, view?.connection, view?.peerDisk, view?.replication],
      ["Primary", "StandAlone", "DUnknown", "Off"],
    );
  });

  it("takes the worst of two volumes and no minor, because one command must not reach half a resource", () => {
    const second = [
      "exists device name:iscsi1 volume:1 minor:2 disk:Inconsistent size:1000",
      "exists peer-device name:iscsi1 peer-node-id:1 conn-name:xcp2 volume:1 replication:SyncTarget peer-disk:UpToDate done:40.00 out-of-sync:600",
    ];
    const seen = parseEvents2([...second, dump].join("\n"));
    assert.ok(seen.ok);
    const resource = seen.value.get("iscsi1");
    assert.deepEqual(
      [resource?.minor, resource?.view.disk, resource?.view.replication, resource?.view.donePercent],
      [null, "Inconsistent", "SyncTarget", 40],
    );
  });

  it("shows the peer with data, not a diskless tie-breaker", () => {
    const third = [
      "exists connection name:iscsi1 peer-node-id:2 conn-name:tie connection:Connected role:Secondary",
      "exists peer-device name:iscsi1 peer-node-id:2 conn-name:tie volume:0 replication:Established peer-disk:Diskless peer-client:yes",
    ];
    const lost = dump.replace("connection:Connected role:Secondary", "connection:Connecting role:Unknown");
    const seen = parseEvents2([...third, lost].join("\n"));
    assert.ok(seen.ok);
    assert.equal(seen.value.get("iscsi1")?.view.connection, "Connecting");
  });

  it("calls a line without the name of its resource unreadable", () => {
    assert.equal(createEventPicture().apply("change resource role:Primary"), "unreadable");
  });
});

describe("DRBD 9 status --json", () => {
  it("reads a resync with its progress", () => {
    const seen = parseStatusJson(fixture("drbd-9", "status.json"));
    assert.ok(seen.ok);
    assert.deepEqual(seen.value.get("iscsi1"), {
      minor: 1,
      view: {
        role: "Primary",
        disk: "UpToDate",
        connection: "Connected",
        replication: "SyncSource",
        peerRole: "Secondary",
        peerDisk: "Inconsistent",
        suspended: false,
        outOfSyncKiB: 7168,
        donePercent: 99.32,
        generation: null,
      },
    });
  });

  it("reads each kind of suspension", () => {
    for (const flag of ["suspended-user", "suspended-no-data", "suspended-fencing", "suspended-quorum"]) {
      const text = fixture("drbd-9", "status.json").replace(`"${flag}": false`, `"${flag}": true`);
      const seen = parseStatusJson(text);
      assert.ok(seen.ok && seen.value.get("iscsi1")?.view.suspended === true, flag);
    }
  });

  it("fails on what is no list of resources", () => {
    for (const text of ["", "{}", "[1]", "[{}]", '[{"name":"x"}]']) assert.equal(parseStatusJson(text).ok, false, text);
    assert.deepEqual(parseStatusJson("[]"), { ok: true, value: new Map() });
  });
});
