import type { Scenario } from "../../lab/run-scenario.ts";
import { startOrder, vmOf, withVms } from "../../lab/vm-steps.ts";
import { migrate } from "../../lab/xapi-call.ts";

const DELAY_S = 3;

export const scenario: Scenario = {
  seed: withVms({
    vm1: { fields: { order: 2 } },
    vm2: { fields: { order: 1, start_delay: DELAY_S } },
    vm3: { fields: { ha_restart_priority: "best-effort" } },
    vm4: { fields: { ha_restart_priority: "restart", order: 9 } },
  }),
  survivors: () => [],
  async run({ fault, lab, owner, other, writes }) {
    // All four on the host that is lost.
    for (const index of [0, 1] as const) await migrate(lab, owner, vmOf(lab, owner, index).uuid, other);
    await fault(`power-loss:${other}`);
    const lostAt = Date.now();
    await writes(
      lab.vms.map((vm) => vm.uuid),
      200,
      150_000,
    );
    const order = (await startOrder(lab, owner, lostAt)).join(" ");
    if (order !== "vm4 vm2 vm1 vm3") throw new Error(`the VMs started in the order ${order}, expected vm4 vm2 vm1 vm3`);
    const begunAt = (name: string): number =>
      lab.collector
        .processes(lab.vms.find((vm) => vm.name === name)?.uuid)
        .map((one) => one.hello.startedMono + one.offsetMs)
        .toSorted((a, b) => a - b)
        .at(-1) ?? Number.NaN;
    const between = begunAt("vm1") - begunAt("vm2");
    if (!(between >= DELAY_S * 1_000))
      throw new Error(`vm1 began ${between} ms after vm2, expected its delay of ${DELAY_S} s`);
  },
  async heal({ lab, other }) {
    await lab.heal(`power-loss:${other}`);
  },
};
