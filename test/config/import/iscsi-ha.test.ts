// iSCSI-HA's files to a storage section: seed 001's own example, and what installations have besides.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseAssignments } from "../../../src/config/import/ha-lizard.ts";
import { addStorage, importStorage, storageYaml, type OldStorage } from "../../../src/config/import/iscsi-ha.ts";
import { parseTargets } from "../../../src/config/import/tgt-targets.ts";
import { asDumped, parseDump } from "../../../src/drivers/drbd/parse-dump.ts";
import { SAMPLE, sampleFile } from "../sample.ts";
import { DRBD_CONF, ISCSI_HA_CONF, TARGETS_CONF } from "./old-files.ts";

const old = (change: Partial<Record<"own" | "targets" | "drbd", string>> = {}): OldStorage => {
  const targets = parseTargets(change.targets ?? TARGETS_CONF);
  const drbd = parseDump(asDumped(change.drbd ?? DRBD_CONF));
  assert.ok(targets.ok, JSON.stringify(targets));
  assert.ok(drbd.ok, JSON.stringify(drbd));
  return {
    parameters: parseAssignments(change.own ?? ISCSI_HA_CONF),
    targets: targets.value,
    resources: drbd.value,
  };
};

const BARE = SAMPLE.replace(/storage:[\s\S]*?(?=overrides:)/, "");

describe("import of iSCSI-HA", () => {
  test("keeps every identifier, and the file with the new section is a valid one", () => {
    const { section, skipped, missing } = importStorage(old());
    assert.deepEqual(missing, []);
    assert.deepEqual(section["LUNS"], [
      { resource: "iscsi1", device: "/dev/drbd1", lun: "10", scsi_id: "0000000000", scsi_sn: "0000000001" },
    ]);
    const added = addStorage(`# mine\n${BARE}`, section);
    assert.ok(added.ok, JSON.stringify(added));
    assert.match(added.value, /^# mine\n/);
    const { storage } = sampleFile(added.value);
    assert.equal(storage?.values["TARGET_IQN"], "iqn.2013-05.com.yourdomain:yourhost");
    assert.deepEqual(storage?.values["DRBD_RESOURCES"], ["iscsi1"]);
    assert.equal(storage?.values["ISCSI_TARGET_SERVICE"], "/etc/init.d/tgtd");
    assert.equal(storage?.values["MAIL_SUBJECT"], "SYSTEM ALERT - FROM HOST: $HOSTNAME");
    assert.deepEqual(storage?.luns, [
      { resource: "iscsi1", device: "/dev/drbd1", lun: 10, scsiId: "0000000000", scsiSn: "0000000001" },
    ]);
    assert.match(storageYaml(section), /scsi_id: "0000000000"/);
    assert.deepEqual(
      skipped.map(({ name }) => name),
      ["MAIL_TO", "SMTP_SERVER", "POST_VERSION"],
    );
    assert.match(skipped[1]?.reason ?? "", /ha-cfg set SMTP_SERVER/);
  });

  test("a file that has a storage section, or is none of ours, is left alone", () => {
    const { section } = importStorage(old());
    for (const [text, expected] of [
      [SAMPLE, /already/],
      ["a: [", /damaged/],
      ["- a\n", /pool and hosts/],
    ] as const) {
      const added = addStorage(text, section);
      assert.ok(!added.ok);
      assert.match(added.error, expected);
    }
  });

  test("stores in sections of their own, LUNs without a number, and options nobody has here", () => {
    const targets = `
include /etc/tgt/temp/*.conf
<target iqn.2014-01.org.example:two>
  write-cache off
  incominguser someone secret
  initiator-address 10.10.10.1
  initiator-address 10.10.10.2
  <backing-store /dev/drbd1>   # the first
    scsi_id one
    scsi_sn 1
  </backing-store>
  <backing-store /dev/drbd2>
    lun 7
  </backing-store>
</target>`;
    const drbd = `${DRBD_CONF}\nresource iscsi2 { on XCP1 { device minor 2; } }`;
    const own = ISCSI_HA_CONF.replace("DRBD_RESOURCES=iscsi1", "DRBD_RESOURCES=iscsi1:iscsi2");
    const { section, skipped, missing } = importStorage(old({ own, targets, drbd }));
    assert.deepEqual(missing, []);
    assert.equal(section["TARGET_INITIATORS"], "10.10.10.1,10.10.10.2");
    assert.deepEqual(section["LUNS"], [
      { resource: "iscsi1", device: "/dev/drbd1", lun: "1", scsi_id: "one", scsi_sn: "1" },
      { resource: "iscsi2", device: "/dev/drbd2", lun: "7", scsi_id: undefined, scsi_sn: undefined },
    ]);
    const text = JSON.stringify(skipped);
    assert.match(text, /write-cache/);
    assert.match(text, /incominguser/);
    assert.doesNotMatch(text, /secret/);
  });

  test("of several targets the one that exports DRBD's device is meant; two of them are a question for a person", () => {
    const another = "<target iqn.2014-01.org.example:iso>\n backing-store /srv/iso\n</target>\n";
    assert.equal(importStorage(old({ targets: another + TARGETS_CONF })).section["TARGET_IQN"], IQN);
    const twice = TARGETS_CONF + TARGETS_CONF.replace("yourhost", "other");
    const { missing, skipped } = importStorage(old({ targets: twice }));
    assert.deepEqual(missing, ["TARGET_IQN", "LUNS"]);
    assert.match(JSON.stringify(skipped), /found 2 targets/);
  });

  test("what is not there is named, and nothing is made up", () => {
    assert.deepEqual(importStorage(old({ targets: "" })).missing, ["TARGET_IQN", "LUNS"]);
    assert.deepEqual(importStorage(old({ own: "DRBD_RESOURCES=iscsi1:iscsi2\n", drbd: "" })).missing, [
      "DRBD_VIRTUAL_IP",
      "DRBD_INTERFACE",
      "the DRBD resource of /dev/drbd1",
    ]);
    // The only resource without DRBD's configuration at hand.
    assert.deepEqual(importStorage(old({ drbd: "" })).missing, []);
  });

  test("damaged text is an error with its line", () => {
    for (const [text, expected] of [
      ["<target a>\n", /ends inside <target>/],
      ["<target a>\n</store>\n", /line 2 closes <store>/],
      ["</target>\n", /line 1 closes/],
      ["= what\n", /line 1 is neither/],
    ] as const) {
      const parsed = parseTargets(text);
      assert.ok(!parsed.ok);
      assert.match(parsed.error, expected);
    }
  });

  test("DRBD's configuration is read as people write it", () => {
    const parsed = parseDump(
      asDumped('resource "r0" { handlers { split-brain "/x {a; b}"; } device /dev/drbd0; # }\n}'),
    );
    assert.ok(parsed.ok, JSON.stringify(parsed));
    assert.deepEqual(
      parsed.value.map(({ name, devices }) => ({ name, devices })),
      [{ name: "r0", devices: ["/dev/drbd0"] }],
    );
  });
});

const IQN = "iqn.2013-05.com.yourdomain:yourhost";
