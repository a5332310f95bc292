import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decideHostLoss, type HostLoss } from "../../../../src/core/decide/vms/host-loss.ts";
import { startGroups } from "../../../../src/core/decide/vms/order.ts";
import { place } from "../../../../src/core/decide/vms/placement.ts";
import { protectionOf, selfStarting, type VmPolicy, type VmFacts } from "../../../../src/core/decide/vms/protection.ts";
import { everyVm, vm } from "./vm.ts";

const perVm: VmPolicy = { ...everyVm, globalVmHa: false };
const field = "XenCenter.CustomFields.ha-lizard-enabled";

describe("protection of a VM", () => {
  const cases: readonly (readonly [string, VmPolicy, Record<string, string>, "protected" | "unprotected"])[] = [
    ["every VM when GLOBAL_VM_HA is 1", everyVm, {}, "protected"],
    ["every VM when GLOBAL_VM_HA is 1, whatever its field says", everyVm, { [field]: "false" }, "protected"],
    ["a flagged VM when GLOBAL_VM_HA is 0", perVm, { [field]: "true" }, "protected"],
    ["a flagged VM written by hand with capitals", perVm, { [field]: " True" }, "protected"],
    ["no VM with a false flag", perVm, { [field]: "false" }, "unprotected"],
    ["no VM with a misspelt flag", perVm, { [field]: "yes" }, "unprotected"],
    ["no VM without a flag", perVm, {}, "unprotected"],
    ["no VM by the flag of another field name", { ...perVm, fieldName: "ha" }, { [field]: "true" }, "unprotected"],
    ["no VM while another manager owns the VMs", { ...everyVm, masterOnly: true }, { [field]: "true" }, "unprotected"],
  ];
  for (const [name, policy, otherConfig, expected] of cases) {
    test(`covers ${name}`, () => assert.equal(protectionOf({ otherConfig, appliance: null }, policy).kind, expected));
  }

  test("covers in OP_MODE 1 the members of appliances, but for those in DISABLED_VAPPS", () => {
    const policy: VmPolicy = { ...everyVm, opMode: 1, globalVmHa: false, disabledAppliances: ["off"] };
    const kind = (appliance: string | null) => protectionOf({ otherConfig: {}, appliance }, policy).kind;
    assert.deepEqual([kind(null), kind("off"), kind("shop")], ["unprotected", "unprotected", "protected"]);
  });
});

describe("after the loss of a host", () => {
  function verdict(change: Partial<VmFacts>, loss: Partial<HostLoss> = {}) {
    const base: HostLoss = {
      vms: [vm(change)],
      policy: everyVm,
      lostHost: "lost",
      ownHost: "own",
      lastSeen: new Map(),
      localDomains: new Set(),
    };
    return decideHostLoss({ ...base, ...loss })[0]?.verdict.kind;
  }
  const seen = (host: string | null): Partial<HostLoss> => ({ lastSeen: new Map([["a", host]]) });

  test("a VM that ran there is started", () => assert.equal(verdict({}), "start"));
  test("a VM that was paused there is started", () => assert.equal(verdict({ powerState: "Paused" }), "start"));
  test("a VM that is not protected is left", () => assert.equal(verdict({}, { policy: perVm }), "leave"));
  test("a VM of this host is left", () => assert.equal(verdict({ residentOn: "own" }), "leave"));
  test("a halted VM is left", () => assert.equal(verdict({ powerState: "Halted", residentOn: null }), "leave"));
  test("a suspended VM is left", () => assert.equal(verdict({ powerState: "Suspended", residentOn: null }), "leave"));
  test("a VM that the old database calls halted, but heartbeats saw there, is started", () =>
    assert.equal(verdict({ powerState: "Halted", residentOn: null }, seen("lost")), "start"));
  test("a VM that the old database calls running there, but heartbeats saw stopped, is left", () =>
    assert.equal(verdict({}, seen(null)), "leave"));
  test("a VM that heartbeats saw move to this host is left", () => assert.equal(verdict({}, seen("own")), "leave"));
  test("a VM whose domain is on this host is left", () =>
    assert.equal(verdict({}, { localDomains: new Set(["a"]) }), "leave"));
  test("nothing is started while this host's domains are unknown", () =>
    assert.equal(verdict({}, { localDomains: null }), "alarm"));
  test("a VM that runs on another host by the database is never started", () =>
    assert.equal(verdict({ residentOn: "third" }, seen("lost")), "alarm"));
  test("an old suspended image is never resumed", () =>
    assert.equal(verdict({ powerState: "Suspended", residentOn: null }, seen("lost")), "alarm"));

  test("a VM that is missing in the old database is reported", () => {
    const decisions = decideHostLoss({
      vms: [],
      policy: everyVm,
      lostHost: "lost",
      ownHost: "own",
      lastSeen: new Map([
        ["new", "lost"],
        ["mine", "own"],
      ]),
      localDomains: new Set(),
    });
    assert.deepEqual(
      decisions.map((one) => [one.uuid, one.verdict.kind]),
      [["new", "alarm"]],
    );
  });

  test("start is said only for a protected VM that ran there, runs nowhere and has no old image: all combinations", () => {
    let starts = 0;
    for (const powerState of ["Halted", "Paused", "Running", "Suspended"] as const)
      for (const residentOn of [null, "lost", "own", "third"])
        for (const seenAt of [undefined, null, "lost", "own", "third"])
          for (const localDomains of [null, new Set<string>(), new Set(["a"])])
            for (const policy of [everyVm, perVm]) {
              const lastSeen = new Map<string, string | null>(seenAt === undefined ? [] : [["a", seenAt]]);
              if (verdict({ powerState, residentOn }, { lastSeen, localDomains, policy }) !== "start") continue;
              starts += 1;
              const active = powerState === "Running" || powerState === "Paused";
              assert.equal(policy, everyVm);
              assert.ok(localDomains !== null && localDomains.size === 0);
              assert.ok(seenAt === "lost" || (seenAt === undefined && residentOn === "lost" && active));
              assert.ok(powerState !== "Suspended" && !(active && residentOn !== null && residentOn !== "lost"));
            }
    assert.ok(starts > 5);
  });
});

describe("the order of starts", () => {
  const vms = [
    vm({ uuid: "e", restartPriority: "best-effort", order: 0 }),
    vm({ uuid: "d", order: 2 }),
    vm({ uuid: "c", order: 1 }),
    vm({ uuid: "b", restartPriority: "restart", order: 5 }),
    vm({ uuid: "a", order: 1 }),
  ];
  test("is restart, then none, then best-effort; inside a tier XAPI's order; equal ones together", () => {
    assert.deepEqual(
      startGroups(vms).map((group) => [group.tier, group.order, group.vms.map((one) => one.uuid)]),
      [
        ["restart", 5, ["b"]],
        ["normal", 1, ["a", "c"]],
        ["normal", 2, ["d"]],
        ["best-effort", 0, ["e"]],
      ],
    );
  });

  test("gives memory in that order and names each VM that does not fit", () => {
    const sized = vms.map((one) => ({ ...one, memoryBytes: one.uuid === "d" ? 500 : 100 }));
    const { groups, refused } = place(startGroups(sized), [{ hostId: "only", freeBytes: 420 }]);
    assert.deepEqual(
      groups.flatMap((group) => group.map((one) => one.vm.uuid)),
      ["b", "a", "c", "e"],
    );
    assert.deepEqual(
      refused.map((one) => [one.vm.uuid, one.freeBytes]),
      [["d", 120]],
    );
  });

  test("each goes to the survivor with the most memory left, whatever the order of the hosts", () => {
    const sized = vms.map((one) => ({ ...one, memoryBytes: 100 }));
    const rooms = [
      { hostId: "y", freeBytes: 250 },
      { hostId: "x", freeBytes: 250 },
      { hostId: "z", freeBytes: 90 },
    ];
    const at = (list: typeof rooms): readonly string[] =>
      place(startGroups(sized), list).groups.flatMap((group) => group.map((one) => `${one.vm.uuid}@${one.hostId}`));
    assert.deepEqual(at(rooms), ["b@x", "a@y", "c@x", "d@y"]);
    assert.deepEqual(at(rooms.toReversed()), at(rooms));
    assert.deepEqual(place(startGroups(sized), []).groups, [], "and nobody is no place");
  });

  test("protected VMs that xapi starts by itself are found", () => {
    const itself = vm({ uuid: "x", otherConfig: { auto_poweron: "true" } });
    assert.deepEqual(selfStarting([...vms, itself], everyVm), [itself]);
    assert.deepEqual(selfStarting([itself], perVm), []);
  });
});
