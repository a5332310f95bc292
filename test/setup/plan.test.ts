// The planner: what is left to do on a host, what stands in the way, and whose data is in danger.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseLocalFile } from "../../src/config/local-file.ts";
import { adviseDrbdOptions, checkDrbdOptions } from "../../src/config/drbd-requirements.ts";
import type { HostFacts } from "../../src/setup/facts.ts";
import { LOCAL_CONFIG, planHost } from "../../src/setup/plan/plan.ts";
import { show, type HostPlan, type Step } from "../../src/setup/plan/step.ts";
import { drbdResourceText } from "../../src/setup/texts/drbd.ts";
import { isOurs } from "../../src/setup/texts/marker.ts";
import { tandemYamlText } from "../../src/setup/texts/tandem-yaml.ts";
import { ANSWERS, BLANK_DISK, facts, files, RECORD, SECRET, XCP1, XCP2 } from "./samples.ts";

const plan = (changes: Partial<HostFacts> = {}, erase: readonly string[] = [], self = XCP1): HostPlan =>
  planHost({ record: RECORD, self, facts: facts(changes), erase, files: "write" });
const lines = (steps: readonly Step[]): string[] =>
  steps.map((step) => (step.kind === "file" ? step.path : step.argv.join(" ")));

const NEW_COPY = {
  role: "Secondary",
  disk: "Inconsistent",
  connection: "Connected",
  replication: "Established",
  peerRole: "Secondary",
  peerDisk: "Inconsistent",
  suspended: false,
  outOfSyncKiB: null,
  donePercent: null,
  generation: null,
} as const;

/** The facts after the steps were done. */
function afterwards(before: HostFacts, done: HostPlan): HostFacts {
  const texts = new Map(before.files);
  for (const step of done.steps)
    if (step.kind === "file") texts.set(step.path, { text: step.content, mode: step.mode });
  const disk = { ...BLANK_DISK, signatures: ["drbd"], hasUnknownContent: true, holders: ["drbd1"] };
  return { ...before, files: texts, services: [], closedRules: new Map(), view: NEW_COPY, isAnyUp: true, disk };
}

test("a host whose target is the kernel's needs no tgtd, unless its configuration is still to be written", () => {
  const tools = new Set([...facts().tools].filter((tool) => tool !== "tgtd"));
  const told = (from: "write" | "keep", yaml: string): boolean =>
    planHost({
      record: RECORD,
      self: XCP1,
      facts: facts({ tools, files: files({ [LOCAL_CONFIG]: yaml }) }),
      erase: [],
      files: from,
    }).obstacles.some(({ what }) => what === "there is no tgtd");
  const yaml = tandemYamlText(ANSWERS);
  const lio = yaml.replace("  TARGET_IQN", "  TARGET_BACKEND: lio # the kernel's\n  TARGET_IQN");
  assert.deepEqual([told("keep", yaml), told("keep", lio), told("write", lio)], [true, false, true]);
});

test("a blank host gets every file and command, in order, and afterwards nothing is left to do", () => {
  const begun = facts({
    moduleLoaded: false,
    services: [{ unit: "tgt", isEnabled: true, isActive: true }],
    closedRules: new Map([["iptables", [["-s", "10.10.10.2/32", "-j", "ACCEPT"]]]]),
    hasMultipath: true,
    multipathRuns: true,
  });
  const first = planHost({ record: RECORD, self: XCP1, facts: begun, erase: [], files: "write" });
  assert.deepEqual(first.obstacles, []);
  assert.equal(first.atRisk, null);
  assert.deepEqual(lines(first.steps), [
    "/etc/drbd.conf",
    "/etc/drbd.d/global_common.conf",
    "/etc/drbd.d/iscsi1.res",
    LOCAL_CONFIG,
    "/etc/sysconfig/iptables",
    "iptables -I RH-Firewall-1-INPUT 1 -s 10.10.10.2/32 -j ACCEPT",
    "systemctl stop tgt",
    "systemctl disable tgt",
    "/etc/lvm/lvm.conf",
    "vgscan",
    "/etc/multipath/conf.d/tandem.conf",
    "multipathd reconfigure",
    "modprobe drbd",
    "drbdadm --force create-md iscsi1",
    "drbdadm up iscsi1",
  ]);
  const done = { ...afterwards(begun, first), moduleLoaded: true };
  const second = planHost({ record: RECORD, self: XCP1, facts: done, erase: [], files: "write" });
  assert.deepEqual(lines(second.steps), []);
  assert.deepEqual(second.obstacles, []);
  assert.equal(second.atRisk, null);
});

test("nothing destroys: a blank disk needs no step that does, and no name", () => {
  assert.ok(plan().steps.every((step) => step.kind === "file" || step.destroys === null));
});

test("data on the disk stops the plan until its name was typed, whatever kind of data it is", () => {
  const kinds: readonly (readonly [Partial<typeof BLANK_DISK>, RegExp])[] = [
    [{ signatures: ["ext4"] }, /ext4/],
    [{ signatures: ["LVM2_member"] }, /LVM2_member/],
    [{ signatures: ["drbd"] }, /replicated disk/],
    [{ signatures: ["gpt"], partitions: ["/dev/sdb1"] }, /\/dev\/sdb1/],
    [{ hasUnknownContent: true }, /not blank/],
  ];
  for (const [change, words] of kinds) {
    const disk = { ...BLANK_DISK, ...change };
    const refused = plan({ disk });
    assert.equal(refused.atRisk?.name, "xcp1:/dev/sdb");
    assert.match(refused.atRisk?.found.join(" ") ?? "", words);
    assert.ok(!lines(refused.steps).some((line) => /create-md|wipefs|drbdadm up/.test(line)), words.source);
    for (const wrong of ["/dev/sdb", "xcp2:/dev/sdb", "xcp1:/dev/sdc"])
      assert.notEqual(plan({ disk }, [wrong]).atRisk, null);
    const agreed = plan({ disk }, ["xcp1:/dev/sdb"]);
    assert.equal(agreed.atRisk, null);
    const [first] = agreed.steps;
    assert.ok(first?.kind === "command" && first.destroys === "xcp1:/dev/sdb", "erasing comes first and says whose");
    assert.equal(first.argv[0], "wipefs");
  }
});

test("a disk in use is refused although its name was typed", () => {
  for (const change of [{ mountedAt: ["/srv"] }, { holders: ["dm-3"] }]) {
    const found = plan({ disk: { ...BLANK_DISK, signatures: ["ext4"], ...change } }, ["xcp1:/dev/sdb"]);
    assert.match(found.obstacles.map(({ what }) => what).join(), /in use/);
    assert.ok(!lines(found.steps).some((line) => line.startsWith("wipefs")));
  }
});

test("a copy whose disk failed is no copy that is up: nothing goes on before a person took the disk away", () => {
  const failed = plan({ view: { ...NEW_COPY, disk: "Failed" } });
  assert.match(failed.obstacles.map(({ what, next }) => `${what}: ${next}`).join(), /Failed.*drbdadm detach iscsi1/);
  assert.deepEqual(
    failed.already.filter((one) => one.includes("is up")),
    [],
  );
});

test("a run that broke off after the metadata goes on with them: they are not made again", () => {
  const text = drbdResourceText(RECORD, { major: 8, handler: facts().handler ?? "" });
  const disk = { ...BLANK_DISK, signatures: ["LVM2_member", "drbd"], hasUnknownContent: true };
  const found = plan({ disk, files: files({ "/etc/drbd.d/iscsi1.res": text }) });
  assert.equal(found.atRisk, null);
  assert.ok(!lines(found.steps).some((line) => line.includes("create-md")));
  assert.ok(lines(found.steps).includes("drbdadm up iscsi1"));
});

test("files of others are never replaced; our own of an earlier version are", () => {
  const foreign = plan({
    files: files({ "/etc/drbd.d/iscsi1.res": "resource iscsi1 { }\n", [LOCAL_CONFIG]: "pool:\n" }),
  });
  assert.equal(foreign.obstacles.length, 2);
  assert.ok(!lines(foreign.steps).includes(LOCAL_CONFIG));
  const older = tandemYamlText({ ...ANSWERS, lun: 11 });
  assert.ok(isOurs(older));
  const replaced = plan({ files: files({ [LOCAL_CONFIG]: older }) });
  assert.deepEqual(replaced.obstacles, []);
  assert.ok(lines(replaced.steps).includes(LOCAL_CONFIG));
});

test("a distribution's drbd.conf and its defaults stay as they are", () => {
  const conf = 'include "drbd.d/global_common.conf";\ninclude "drbd.d/*.res";\n';
  const found = plan({ files: files({ "/etc/drbd.conf": conf, "/etc/drbd.d/global_common.conf": "common { }\n" }) });
  assert.deepEqual(found.obstacles, []);
  assert.ok(!lines(found.steps).some((line) => line === "/etc/drbd.conf" || line.endsWith("global_common.conf")));
});

test("what the setup does not bring along stands in the way, and says what to install", () => {
  const found = plan({ tools: new Set(["systemctl"]), drbdMajor: null, handler: null });
  assert.equal(found.obstacles.length, 4);
  assert.ok(found.obstacles.every(({ next }) => next.startsWith("install")));
  assert.match(plan({ link: { ...facts().link, hasAddress: false } }).obstacles[0]?.what ?? "", /xapi0/);
  assert.match(plan({}, [], "33333333-3333-4333-8333-333333333333").obstacles[0]?.what ?? "", /not one of xcp1, xcp2/);
});

test("services that run are stopped only while the resource is not up", () => {
  const services = [{ unit: "drbd", isEnabled: true, isActive: true }];
  assert.ok(lines(plan({ services }).steps).includes("systemctl stop drbd"));
  const up = afterwards(facts(), plan());
  const found = planHost({ record: RECORD, self: XCP1, facts: { ...up, services }, erase: [], files: "write" });
  assert.deepEqual(lines(found.steps), ["systemctl disable drbd"]);
});

test("what DRBD does not say stands in the way: nothing is stopped, made or brought up", () => {
  const services = [{ unit: "drbd", isEnabled: false, isActive: true }];
  const found = plan({ services, view: "unknown", isAnyUp: true });
  assert.match(found.obstacles.map(({ what }) => what).join(), /does not say whether iscsi1 is up/);
  assert.ok(
    !lines(found.steps).some((line) => /^(systemctl stop|drbdadm|wipefs)/.test(line)),
    lines(found.steps).join(),
  );
});

test("a service that runs another resource than this setup's is left running", () => {
  const services = ["drbd", "tgtd"].map((unit) => ({ unit, isEnabled: false, isActive: true }));
  assert.ok(!lines(plan({ services, isAnyUp: true }).steps).some((line) => line.startsWith("systemctl stop")));
});

test("a plan that is shown holds the lines of the files and no secret", () => {
  const shown = show(plan(), true, SECRET);
  const text = JSON.stringify(shown);
  assert.ok(!text.includes(SECRET));
  assert.match(text, /shared-secret \\"\(secret\)\\"/);
  const lvm = shown.steps.find((step) => step.kind === "file" && step.path === "/etc/lvm/lvm.conf");
  assert.ok(lvm?.kind === "file" && !lvm.isNew && lvm.change.some((line) => line.startsWith("- ")));
});

test("tandem.yaml as it is written is a valid configuration on both hosts", () => {
  for (const self of [XCP1, XCP2]) {
    const read = parseLocalFile(tandemYamlText(ANSWERS), { hostId: self, managementInterface: null });
    assert.ok(read.ok, JSON.stringify(read));
    assert.equal(read.value.self.uuid, self);
    assert.deepEqual(read.value.storage?.luns[0]?.scsiId, ANSWERS.scsiId);
  }
});

test("DRBD's resource says each option that the proofs stand on, for 8.4 and for 9", () => {
  for (const major of [8, 9] as const) {
    const text = drbdResourceText(RECORD, { major, handler: "/opt/tandem/agents/drbd/fence-peer" });
    const options = Object.fromEntries(
      [...text.matchAll(/^\s+([a-z0-9-]+) "?([^\s";]+)"?;$/gm)].map(([, name = "", value = ""]) => [name, value]),
    );
    const found = [{ name: "iscsi1", options }];
    assert.deepEqual(checkDrbdOptions(found), []);
    assert.deepEqual(adviseDrbdOptions(found), []);
    assert.equal(options["on-no-data-accessible"], "suspend-io");
    assert.equal(options["auto-promote"], major === 9 ? "no" : undefined);
    const section = /(\w+) \{[^{}]*fencing resource-and-stonith/.exec(text)?.[1];
    assert.equal(section, major === 9 ? "net" : "disk");
  }
});

test("a resource that lost its disk gets the new one attached; only one that stands alone is connected anew", () => {
  const done = plan();
  const { view: whole } = afterwards(facts(), done);
  assert.ok(whole !== null && whole !== "unknown");
  const verbOf = (changes: Partial<typeof whole>): string | undefined =>
    lines(plan({ view: { ...whole, disk: "Diskless", ...changes }, isAnyUp: true }).steps).findLast((line) =>
      /^drbdadm (up|adjust|attach) /.test(line),
    );
  assert.equal(verbOf({}), "drbdadm attach iscsi1");
  assert.equal(verbOf({ connection: "Connecting" }), "drbdadm attach iscsi1");
  assert.equal(verbOf({ connection: "StandAlone" }), "drbdadm adjust iscsi1");
});
