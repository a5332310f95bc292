// The edits of files that belong to others: LVM's filter and dom0's firewall. Only what is needed changes, and twice is once.

import assert from "node:assert/strict";
import { test } from "node:test";
import { rulesOf, missingRules, openFirewall } from "../../src/setup/texts/firewall.ts";
import { editLvm, lvmFaults } from "../../src/setup/texts/lvm.ts";
import { multipathText } from "../../src/setup/texts/multipath.ts";
import { parseWipefs } from "../../src/setup/look/disk.ts";
import { parseNeighbours } from "../../src/setup/look/link.ts";
import { diskOf } from "../../src/setup/texts/drbd-disk.ts";
import { scsiIdOf } from "../../src/setup/pool/sr.ts";
import { parsePluginCall, pluginArguments, pluginFailure, pluginSuccess } from "../../src/setup/pool/plugin.ts";
import { checkAnswers, parseRecord, recordText } from "../../src/setup/answers.ts";
import { ANSWERS, IPTABLES, LVM_CONF, RECORD, SECRET } from "./samples.ts";

const NAMES = { drbdDevice: "/dev/drbd1", stable: ["/dev/disk/by-id/wwn-0x5a"], kernelName: "/dev/sdb" };

test("LVM: both devices are refused, the cache is off, the filters of others stay", () => {
  assert.equal(lvmFaults(LVM_CONF, NAMES).length, 3);
  const done = editLvm(LVM_CONF, NAMES);
  assert.deepEqual(lvmFaults(done, NAMES), []);
  assert.equal(editLvm(done, NAMES), done);
  assert.match(done, /"r\|\/dev\/VG_Xen\.\*\/\*\|"/);
  assert.ok(!done.includes("/dev/sdb"), "a kernel name may be the iSCSI disk after a boot");
  assert.ok(done.includes('# filter = [ "r|/dev/cdrom|" ]'), "comments stay");
});

test("LVM: a filter that takes everything needs every name of the disk refused", () => {
  const done = editLvm('devices {\n\tfilter = [ "a|.*|" ]\n\tglobal_filter=["a/.*/"]\n}\n', NAMES);
  assert.deepEqual(lvmFaults(done, NAMES), []);
  assert.equal(done.split('"r|^/dev/sdb$|"').length, 3, "in both filters");
});

test("LVM: without a filter, without the section, without a file's content", () => {
  for (const text of ["", "devices {\n}\n", "backup {\n}\n", "devices {\n  filter = []\n  write_cache_state=1\n}\n"]) {
    const done = editLvm(text, NAMES);
    assert.deepEqual(lvmFaults(done, NAMES), [], done);
    assert.equal(editLvm(done, NAMES), done);
  }
});

test("LVM: an administrator's own filter that does it is left alone", () => {
  const own = 'devices {\n filter = [ "r|/dev/disk/by-id/wwn-0x5[a-f]|", "r|drbd|" ]\n write_cache_state = 0\n}\n';
  assert.equal(editLvm(own, NAMES), own);
  const late = 'devices {\n filter = [ "a|sdb|", "r|.*|" ]\n write_cache_state = 0\n}\n';
  assert.notDeepEqual(lvmFaults(late, NAMES), [], "an accepted name outweighs a refused one");
});

test("firewall: the other host's rules stand in front of the refusal, once", () => {
  const [, peer] = ANSWERS.hosts;
  const rules = rulesOf(ANSWERS, peer, "iptables");
  const done = openFirewall(IPTABLES, rules);
  assert.deepEqual(missingRules(done, rules), []);
  assert.equal(openFirewall(done, rules), done);
  const lines = done.split("\n");
  const refusal = lines.findIndex((line) => line.includes("-j REJECT"));
  for (const rule of rules) {
    const at = lines.findIndex((line) => line.includes(rule.join(" ")));
    assert.ok(at > 0 && at < refusal, rule.join(" "));
    assert.ok(rule.some((word) => word.startsWith(peer.replication) || word.startsWith(peer.management)));
  }
  assert.equal(lines.length, IPTABLES.split("\n").length + rules.length);
  assert.deepEqual(rulesOf(ANSWERS, peer, "ip6tables"), []);
});

test("firewall: IPv6 on the storage link goes into its own file", () => {
  const peer = { ...ANSWERS.hosts[1], replication: "fd00::2" };
  assert.ok(rulesOf(ANSWERS, peer, "ip6tables").every((rule) => rule.includes("fd00::2/128")));
  assert.ok(rulesOf(ANSWERS, peer, "iptables").every((rule) => rule.includes("192.168.1.242/32")));
});

test("multipath names the disk by its WWID where it has one", () => {
  assert.match(
    multipathText({ stable: ["/dev/disk/by-id/scsi-35000c500a1b2"], kernelName: "/dev/sdb" }),
    /wwid "35000c500a1b2"/,
  );
  assert.match(multipathText(NAMES), /devnode "\^sdb\$"/);
});

test("wipefs, neighbours, drbdadm's dump and SM's list are read as their programs print them", () => {
  assert.deepEqual(parseWipefs("# offset,uuid,label,type\n0x438,15f8d0fb,,ext4\n0x1fe,,,dos\n"), ["ext4", "dos"]);
  assert.deepEqual(parseWipefs(""), []);
  const neighbours =
    "10.10.10.2 lladdr 02:78:00:00:00:02 REACHABLE\n10.10.10.3 lladdr 02:78:00:00:00:02 STALE\n" +
    "10.10.10.9 lladdr aa:bb:cc:00:00:09 STALE\n10.10.10.8  FAILED\n";
  assert.deepEqual(parseNeighbours(neighbours, "10.10.10.2"), ["aa:bb:cc:00:00:09"]);
  const dump =
    "resource other {\n on xcp1 {\n volume 0 {\n disk /dev/sdz;\n }\n }\n}\nresource iscsi1 {\n on xcp1 {\n volume 0 {\n" +
    ' device minor 1;\n disk "/dev/ubdb";\n }\n }\n on xcp2 {\n volume 0 {\n disk /dev/sdc;\n }\n }\n}\n';
  assert.deepEqual([diskOf(dump, "iscsi1", "xcp1"), diskOf(dump, "iscsi1", "xcp2")], ["/dev/ubdb", "/dev/sdc"]);
  const list =
    "<iscsi-target><LUN><vendor>IET</vendor><LUNid>0</LUNid></LUN><LUN><LUNid> 10 </LUNid><SCSIid>\n360a\n</SCSIid></LUN></iscsi-target>";
  assert.equal(scsiIdOf(list, 10), "360a");
  assert.equal(scsiIdOf(list, 11), null);
});

test("the plugin takes its name, the named disks and draft answers from xapi's call, and nothing that is malformed", () => {
  const call = { fn: "plan", erase: ["xcp2:/dev/sdb"], answers: '{"a":"<&>"}' } as const;
  const members = Object.entries(pluginArguments(call))
    .map(([name, value]) => `<member><name>${name}</name><value>${value}</value></member>`)
    .join("");
  const xml = `<?xml version="1.0"?><methodCall><methodName>plan</methodName><params><param><value>OpaqueRef:1</value></param><param><value><struct>${members}</struct></value></param></params></methodCall>`;
  assert.deepEqual(parsePluginCall(xml), call);
  assert.equal(parsePluginCall(xml.replace("<methodName>plan", "<methodName>format")), null);
  const evil = xml.replace("xcp2:/dev/sdb", "xcp2:/dev/sdb;reboot");
  assert.deepEqual(parsePluginCall(evil)?.erase, []);
  const disk = "xcp1:/dev/disk/by-id/wwn-0x5b";
  assert.deepEqual(pluginArguments({ ...call, fn: "disk", disk }), { ...pluginArguments(call), disk });
  const named = xml
    .replace("<methodName>plan", "<methodName>disk")
    .replace("</struct>", `<member><name>disk</name><value>${disk}</value></member></struct>`);
  assert.deepEqual(parsePluginCall(named), { ...call, fn: "disk", disk });
  assert.equal(parsePluginCall(named.replace(disk, `${disk}"; on`))?.disk, undefined);
  assert.match(pluginSuccess('{"a":"<b>"}'), /<name>Status<\/name><value>Success<.*\{"a":"&lt;b&gt;"\}/);
  assert.match(pluginFailure("no & never"), /<value>XENAPI_PLUGIN_FAILURE<\/value>.*no &amp; never/);
});

test("answers: every mistake is told at once with the option that mends it", () => {
  const [first, second] = ANSWERS.hosts;
  const wrong = checkAnswers({
    ...ANSWERS,
    vip: "10.10.11.3",
    hosts: [{ ...first, replication: first.management }, second],
  });
  assert.ok(!wrong.ok && wrong.error.length >= 3);
  const shape = checkAnswers({ ...ANSWERS, lun: 0, hosts: [{ ...first, disk: "/dev/sd b" }, second] });
  assert.ok(!shape.ok && shape.error.length === 2 && shape.error.every(({ expected }) => expected !== ""));
  assert.ok(checkAnswers(ANSWERS).ok);
});

test("the record in the pool's database comes back whole, and an unreadable one is not shown", () => {
  const back = parseRecord(recordText(RECORD));
  assert.ok(back.ok);
  assert.deepEqual(back.value, RECORD);
  const torn = parseRecord(recordText(RECORD).slice(0, -9));
  assert.ok(!torn.ok && !torn.error.includes(SECRET));
});
