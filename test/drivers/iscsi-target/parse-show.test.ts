import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, it } from "node:test";
import { parseShowPortal, parseShowTarget } from "../../../src/drivers/iscsi-target/tgtd/parse-show.ts";

const folder = join(dirname(fileURLToPath(import.meta.url)), "../../fixtures/tgt");
const fixture = (name: string) => readFileSync(join(folder, name), "utf8");

describe("tgtd show target", () => {
  it("reads LUNs, sessions with their addresses, and the ACL", () => {
    const targets = parseShowTarget(fixture("show-target-1.0.85-two-sessions.txt"));
    assert.ok(targets.ok);
    assert.equal(targets.value.length, 1);
    const [target] = targets.value;
    assert.deepEqual([target?.tid, target?.iqn], [1, "iqn.2026-11.lab.tandem:iscsi1"]);
    assert.deepEqual(target?.acl, ["10.10.10.1", "10.10.10.2", "127.0.0.1"]);
    assert.deepEqual(target?.connections, [
      { sid: 2, cid: 0, initiator: "iqn.2026-11.test:10.10.10.1", address: "10.10.10.1" },
      { sid: 3, cid: 0, initiator: "iqn.2026-11.test:10.10.10.2", address: "10.10.10.2" },
    ]);
    assert.deepEqual(target?.luns, [
      {
        lun: 0,
        type: "controller",
        scsiId: "IET     00010000",
        scsiSn: "beaf10",
        online: true,
        thinProvisioning: false,
        path: null,
      },
      {
        lun: 10,
        type: "disk",
        scsiId: "tandem-iscsi1",
        scsiSn: "ts0001",
        online: true,
        thinProvisioning: false,
        path: "/dev/drbd1",
      },
    ]);
  });

  it("reads a server without targets as none", () => {
    assert.deepEqual(parseShowTarget(""), { ok: true, value: [] });
  });

  it("keeps two targets apart", () => {
    const one = fixture("show-target-1.0.85-two-sessions.txt");
    const two = parseShowTarget(one + one.replace("Target 1: iqn.2026-11.lab.tandem:iscsi1", "Target 2: iqn.x:other"));
    assert.deepEqual(two.ok && two.value.map((target) => [target.tid, target.luns.length, target.connections.length]), [
      [1, 2, 2],
      [2, 2, 2],
    ]);
  });

  it("fails on text that is no answer, and on a LUN without a backing store line", () => {
    assert.equal(parseShowTarget("tgtadm: failed to send request hdr to tgt daemon").ok, false);
    const cut = fixture("show-target-1.0.85-two-sessions.txt").replace(/Backing store path: .*\n/, "\n");
    assert.equal(parseShowTarget(cut).ok, false);
  });
});

describe("tgtd show portal", () => {
  it("reads each portal with its port, IPv6 in brackets", () => {
    assert.deepEqual(parseShowPortal(fixture("show-portal-1.0.85.txt")), ["10.10.10.3:3260", "127.0.0.1:13260"]);
    assert.deepEqual(parseShowPortal("Portal: [fd00::3]:3260,1\n"), ["[fd00::3]:3260"]);
    assert.deepEqual(parseShowPortal(""), []);
  });
});
