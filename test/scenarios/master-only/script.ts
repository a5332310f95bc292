import type { Scenario } from "../../lab/run-scenario.ts";
import { until } from "../../lab/serving.ts";
import { haltGuest, powerStateOf, staysDown, vmOf } from "../../lab/vm-steps.ts";
import { startOn } from "../../lab/xapi-call.ts";

export const scenario: Scenario = {
  parameters: { MASTER_ONLY: "1" },
  survivors: ({ lab, other }) => [vmOf(lab, other, 1).uuid],
  async run({ fault, lab, owner, other, serving, writes }) {
    const halted = vmOf(lab, other, 0);
    await haltGuest(lab, halted);
    await staysDown(lab, owner, [halted], 15_000);
    await fault(`power-loss:${owner}`);
    await serving(30_000);
    const lost = [vmOf(lab, owner, 0), vmOf(lab, owner, 1)];
    // Power states are cleaned up, so that their own manager can start them.
    await until(
      "The lost VMs are halted in the pool database",
      async () => {
        const states = await Promise.all(lost.map((vm) => powerStateOf(lab, other, vm).catch(() => "unknown")));
        return states.every((state) => state === "Halted") ? true : undefined;
      },
      90_000,
      1_000,
    );
    await staysDown(lab, other, [...lost, halted], 10_000);
    const [first] = lost;
    if (first === undefined) throw new Error("no VM was lost");
    await startOn(lab, other, first.uuid, other);
    await writes([first.uuid], 200, 60_000);
  },
  async heal({ lab, owner }) {
    await lab.heal(`power-loss:${owner}`);
  },
};
