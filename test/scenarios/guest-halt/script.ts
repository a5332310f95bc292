import type { Scenario } from "../../lab/run-scenario.ts";
import { haltGuest, vmOf } from "../../lab/vm-steps.ts";

export const scenario: Scenario = {
  survivors: ({ lab, owner, other }) => [vmOf(lab, owner, 1).uuid, vmOf(lab, other, 1).uuid],
  async run({ begin, lab, owner, other, writes }) {
    begin("two guests shut themselves down");
    const halted = [vmOf(lab, owner, 0), vmOf(lab, other, 0)];
    for (const vm of halted) await haltGuest(lab, vm);
    await writes(
      halted.map((vm) => vm.uuid),
      200,
      60_000,
    );
  },
  async heal() {
    // Nothing was broken.
  },
};
