import type { Scenario } from "../../lab/run-scenario.ts";
import { staysDown, vmOf } from "../../lab/vm-steps.ts";
import { shutdownVm, xapi } from "../../lab/xapi-call.ts";

export const scenario: Scenario = {
  survivors: ({ lab, owner, other }) => [vmOf(lab, owner, 1).uuid, vmOf(lab, other, 1).uuid],
  async run({ begin, lab, owner, other }) {
    begin("two VMs are shut down through XAPI");
    const [hard, clean] = [vmOf(lab, owner, 0), vmOf(lab, other, 0)];
    await shutdownVm(lab, owner, hard.uuid);
    const ref = await xapi(lab, other, "VM.get_by_uuid", [clean.uuid]);
    await xapi(lab, other, "VM.clean_shutdown", [ref]);
    await staysDown(lab, owner, [hard, clean], 25_000);
  },
  async heal() {
    // Nothing was broken.
  },
};
