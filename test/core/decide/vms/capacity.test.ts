import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { capacityOf, chooseHost, freeOf, type HostRoom } from "../../../../src/core/decide/vms/capacity.ts";
import { startGroups } from "../../../../src/core/decide/vms/order.ts";
import { createRandom } from "../../../sim/random.ts";
import { everyVm, vm } from "./vm.ts";

const room = (uuid: string, guestBytes: number, usable = true): HostRoom => ({ uuid, name: uuid, guestBytes, usable });
const on = (host: string, uuid: string, memoryBytes: number) => vm({ uuid, name: uuid, residentOn: host, memoryBytes });

describe("room for the VMs of a lost host", () => {
  test("is known before the day: two hosts that hold each other's VMs bear one failure", () => {
    const vms = [on("a", "v1", 400), on("b", "v2", 400)];
    const found = capacityOf([room("a", 800), room("b", 800)], vms, everyVm);
    assert.deepEqual(found, { tolerated: 1, usableHosts: 2, shortage: null });
  });

  test("is missing from the moment one VM more runs, and that VM is named", () => {
    const vms = [on("a", "v1", 400), on("b", "v2", 401)];
    const { tolerated, shortage } = capacityOf([room("a", 800), room("b", 801)], vms, everyVm);
    assert.equal(tolerated, 0);
    assert.deepEqual([shortage?.host, shortage?.vms.map((one) => one.uuid)], ["b", ["v2"]]);
  });

  test("counts only protected VMs as to be placed, but all as filling a host", () => {
    const perVm = { ...everyVm, globalVmHa: false };
    const vms = [on("a", "v1", 700), on("b", "v2", 700)];
    assert.equal(capacityOf([room("a", 800), room("b", 800)], vms, perVm).tolerated, 1);
    const flagged = [
      vms[0] ?? vm(),
      { ...on("b", "v2", 200), otherConfig: { "XenCenter.CustomFields.ha-lizard-enabled": "true" } },
    ];
    assert.equal(capacityOf([room("a", 800), room("b", 800)], flagged, perVm).tolerated, 0);
  });

  test("is not asked of a lone host, and a disabled host neither gives nor needs any", () => {
    const vms = [on("a", "v1", 400)];
    assert.deepEqual(capacityOf([room("a", 800)], vms, everyVm), { tolerated: 0, usableHosts: 1, shortage: null });
    assert.equal(capacityOf([room("a", 800), room("b", 800, false)], vms, everyVm).usableHosts, 1);
  });

  test("is spread over several hosts, and several failures are counted", () => {
    const hosts = ["a", "b", "c", "d"].map((uuid) => room(uuid, 1_000));
    const vms = hosts.flatMap((host, i) => [on(host.uuid, `v${i}`, 200), on(host.uuid, `w${i}`, 200)]);
    assert.equal(capacityOf(hosts, vms, everyVm).tolerated, 2);
    assert.equal(capacityOf(hosts, vms.slice(0, 2), everyVm).tolerated, 3);
  });

  test("of a full host is never less than nothing", () => {
    assert.equal(freeOf([room("a", 100)], [on("a", "v1", 400)]).get("a"), 0);
  });
});

test("a shortage is what placing VM after VM on the roomiest host finds", () => {
  const random = createRandom(7);
  const below = (limit: number): number => random.int(limit);
  for (let round = 0; round < 300; round += 1) {
    const hosts = Array.from({ length: 2 + below(9) }, (_, i) => room(`h${i}`, 400 + 100 * below(7)));
    const vms = Array.from({ length: below(40) }, (_, i) =>
      on(`h${below(hosts.length)}`, `v${i}`, 50 * (1 + below(8))),
    );
    const missing = hosts.map(({ uuid }) => {
      const free = freeOf(hosts, vms);
      free.delete(uuid);
      return startGroups(vms.filter((one) => one.residentOn === uuid)).flatMap((group) =>
        group.vms.filter((one) => {
          const host = chooseHost(one, free);
          if (host !== undefined) free.set(host, (free.get(host) ?? 0) - one.memoryBytes);
          return host === undefined;
        }),
      );
    });
    const worst = missing.reduce((most, one) => (one.length > most.length ? one : most), []);
    assert.deepEqual(capacityOf(hosts, vms, everyVm).shortage?.vms ?? [], worst, `round ${round}`);
  }
});

describe("the choice of a host", () => {
  const free = new Map([
    ["a", 100],
    ["b", 300],
    ["c", 300],
  ]);
  test("keeps the preferred one when it has room", () =>
    assert.equal(chooseHost({ memoryBytes: 100 }, free, "a"), "a"));
  test("takes the roomiest otherwise, the first by name of equal ones", () => {
    assert.equal(chooseHost({ memoryBytes: 101 }, free, "a"), "b");
    assert.equal(chooseHost({ memoryBytes: 1 }, free), "b");
  });
  test("says when there is none", () => assert.equal(chooseHost({ memoryBytes: 301 }, free, "a"), undefined));
});
