import assert from "node:assert/strict";
import { test } from "node:test";
import type { VmFacts } from "../../../src/core/decide/vms/protection.ts";
import { createStrayWatch, strayed, type StrayedVm, type StrayLook } from "../../../src/daemon/vms/strayed-vms.ts";

const VM3: StrayedVm = { uuid: "vm-3", name: "vm3", busy: false };
const VM4: StrayedVm = { uuid: "vm-4", name: "vm4", busy: false };

function watching(failure: string | null = null) {
  let at = 0;
  const restarts: number[] = [];
  const logged: string[] = [];
  const alerts = new Map<string, string>();
  const watch = createStrayWatch({
    now: () => at,
    async restart() {
      restarts.push(at);
      return failure;
    },
    alerts: { raise: (id, text) => void alerts.set(id, text), clear: (id) => void alerts.delete(id) },
    log: (event, detail) => void logged.push(`${event} ${detail}`),
  });
  /** A pass a second. */
  function see(seconds: number, found: readonly StrayedVm[], how: Partial<StrayLook> = {}): void {
    for (let i = 0; i < seconds; i++) {
      at += 1_000;
      watch.see(found, { handsOff: false, toolstackBusy: false, ...how });
    }
  }
  const pause = (seconds: number): void => void (at += seconds * 1_000);
  return { see, pause, restarts, logged, alerts };
}

test("a VM that runs here while xapi calls it halted is told, and the toolstack is started anew, once", () => {
  const { see, restarts, alerts } = watching();
  see(20, [VM3]);
  assert.deepEqual([restarts.length, alerts.size], [0, 0]);
  see(100, [VM3]);
  assert.deepEqual(restarts, [21_000]);
  assert.match(alerts.get("vm-strayed:vm-3") ?? "", /^vm3 runs on this host .* do not start it/);
  see(1_000, [VM3]);
  assert.equal(restarts.length, 1, "what that did not mend it does not mend the next time");
  see(1, []);
  assert.equal(alerts.size, 0);
});

test("what xapi is just doing with a VM is over before that, and a second one waits", () => {
  const { see, restarts } = watching();
  for (let i = 0; i < 10; i++) {
    see(15, [VM3]);
    see(1, []);
  }
  assert.deepEqual(restarts, []);
  see(30, [VM3]);
  assert.equal(restarts.length, 1);
  see(500, [VM3, VM4]);
  assert.equal(restarts.length, 1, "a toolstack is not started anew every minute");
  see(200, [VM3, VM4]);
  assert.equal(restarts.length, 2);
});

test("a host that does nothing about its VMs does not begin to count", () => {
  const { see, restarts, alerts } = watching();
  see(600, [VM3], { handsOff: true });
  see(19, [VM3]);
  assert.deepEqual([restarts.length, alerts.size], [0, 0]);
  see(1, [VM3]);
  assert.equal(restarts.length, 1);
});

test("a toolstack that starts or moves a VM, or whose role moves, is not started anew in the middle of it", () => {
  const { see, restarts, alerts } = watching();
  see(100, [VM3], { toolstackBusy: true });
  assert.deepEqual([restarts.length, alerts.size], [0, 1]);
  see(1, [VM3]);
  assert.equal(restarts.length, 1);
});

test("what nobody saw for a while begins to count anew", () => {
  const { see, pause, restarts } = watching();
  see(1, [VM3]);
  pause(60);
  see(20, [VM3]);
  assert.deepEqual(restarts, []);
  see(1, [VM3]);
  assert.equal(restarts.length, 1);
});

test("an operation on it puts the count back, and brings no second start of the toolstack", () => {
  const { see, restarts, alerts } = watching();
  const busy = { ...VM3, busy: true };
  for (let i = 0; i < 10; i++) {
    see(15, [VM3]);
    see(1, [busy]);
  }
  assert.deepEqual([restarts.length, alerts.size], [0, 0]);
  see(30, [VM3]);
  see(1, [busy]);
  assert.deepEqual([restarts.length, alerts.size], [1, 1], "it still runs in no record");
  see(2_000, [VM3]);
  assert.equal(restarts.length, 1);
});

test("a toolstack that cannot be started anew is told", async () => {
  const { see, logged } = watching("xe-toolstack-restart ended with 1");
  see(30, [VM3]);
  await Promise.resolve();
  assert.match(
    logged.join("\n"),
    /pool\.step .* runs vm3\n.*action\.failed restart the toolstack: xe-toolstack-restart/,
  );
});

test("only a halted VM with a domain here has strayed; an operation on it may yet end that", () => {
  const vm = (uuid: string, change: Partial<VmFacts> = {}): VmFacts => ({
    uuid,
    name: uuid,
    powerState: "Halted",
    residentOn: null,
    order: 0,
    startDelay: 0,
    restartPriority: "",
    appliance: null,
    otherConfig: {},
    operations: [],
    memoryBytes: 0,
    ...change,
  });
  const vms = [
    vm("strayed"),
    vm("starts", { operations: ["start_on"] }),
    vm("runs", { powerState: "Running" }),
    vm("elsewhere"),
  ];
  const domains = ["strayed", "starts", "runs"].map((uuid, i) => ({ uuid, domId: i + 1, name: uuid, paused: false }));
  assert.deepEqual(
    strayed(vms, domains).map(({ uuid, busy }) => [uuid, busy]),
    [
      ["strayed", false],
      ["starts", true],
    ],
  );
});
