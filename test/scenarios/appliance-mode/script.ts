import type { Scenario } from "../../lab/run-scenario.ts";
import { haltGuest, staysDown, withVms } from "../../lab/vm-steps.ts";

const SHOP = "66666666-6666-4666-8666-666666666661";
const TEST = "66666666-6666-4666-8666-666666666662";

const seed = withVms({ vm1: { appliance: SHOP }, vm3: { appliance: TEST }, vm4: { appliance: SHOP } });

export const scenario: Scenario = {
  parameters: { OP_MODE: "1", DISABLED_VAPPS: TEST },
  seed: (before) => ({
    ...seed(before),
    appliances: [
      { uuid: SHOP, name: "shop" },
      { uuid: TEST, name: "test" },
    ],
  }),
  survivors: () => [],
  async run({ begin, lab, owner, writes }) {
    begin("all guests shut themselves down");
    for (const vm of lab.vms) await haltGuest(lab, vm);
    const inShop = lab.vms.filter((vm) => vm.name === "vm1" || vm.name === "vm4");
    await writes(
      inShop.map((vm) => vm.uuid),
      200,
      60_000,
    );
    await staysDown(
      lab,
      owner,
      lab.vms.filter((vm) => !inShop.includes(vm)),
      10_000,
    );
  },
  async heal() {
    // Nothing was broken.
  },
};
