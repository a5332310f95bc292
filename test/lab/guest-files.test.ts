import assert from "node:assert/strict";
import { test } from "node:test";
import { parseLocalFile } from "../../src/config/local-file.ts";
import { drbdConfig, FENCE_AGENT, fenceHosts, inventory, labVms, tandemYaml } from "./guest-files.ts";
import { FACTS, FIRST, NODES, RESOURCE, SECOND } from "./names.ts";

for (const node of NODES) {
  test(`the configuration of ${node} is one the daemon accepts`, () => {
    for (const resources of [[FIRST], [FIRST, SECOND]]) {
      const text = tandemYaml("tgtd", resources);
      const parsed = parseLocalFile(text, { hostId: FACTS[node].uuid, managementInterface: "mgmt" });
      assert.ok(parsed.ok, parsed.ok ? "" : JSON.stringify(parsed.error));
      assert.deepEqual(
        parsed.value.storage?.luns.map(({ resource }) => resource),
        resources.map(({ name }) => name),
      );
    }
  });

  test(`the inventory of ${node} names its own UUID`, () => {
    assert.match(inventory(node), new RegExp(`INSTALLATION_UUID='${FACTS[node].uuid}'`));
  });
}

test("DRBD asks the handler of the checkout before it goes on alone, and never merges by itself", () => {
  const text = drbdConfig("/checkout/agents")[`/etc/drbd.d/${RESOURCE}.res`] ?? "";
  for (const line of [
    "protocol C;",
    "fencing resource-and-stonith;",
    'fence-peer "/checkout/agents/drbd/fence-peer";',
    "after-sb-0pri disconnect;",
    "after-sb-1pri disconnect;",
    "after-sb-2pri disconnect;",
    "rr-conflict disconnect;",
    "on-io-error detach;",
    "allow-two-primaries no;",
  ]) {
    assert.ok(text.includes(line), `expected "${line}" in ${text}`);
  }
});

test("a resource file holds no include, which DRBD would refuse", () => {
  assert.doesNotMatch(drbdConfig("/checkout/agents")[`/etc/drbd.d/${RESOURCE}.res`] ?? "include", /include/);
});

test("no two VMs share a block, a name or a UUID", () => {
  const vms = labVms(true).toSorted((a, b) => a.regionStart - b.regionStart);
  assert.equal(vms.length, 4);
  assert.equal(new Set(vms.map((vm) => vm.uuid)).size, vms.length);
  assert.equal(new Set(vms.map((vm) => vm.name)).size, vms.length);
  vms.reduce((end, vm) => {
    assert.ok(vm.regionStart >= end, `${vm.name} begins at ${vm.regionStart}, before ${end}`);
    return vm.regionStart + vm.regionBytes;
  }, 0);
});

test("every host has a BMC the agent can find, and the agent calls no other program", () => {
  for (const node of NODES) assert.ok(fenceHosts().includes(`${FACTS[node].uuid}:${FACTS[node].bmc}\n`));
  assert.doesNotMatch(FENCE_AGENT, /curl|\bnc\b|ipmitool|socat/);
});
