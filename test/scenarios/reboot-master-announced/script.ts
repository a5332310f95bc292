import { daemonLog } from "../../lab/lab.ts";
import type { Scenario } from "../../lab/run-scenario.ts";
import { statusOf, until } from "../../lab/serving.ts";
import { vmsOf } from "../../lab/steps.ts";

export const scenario: Scenario = {
  survivors: ({ lab }) => lab.vms.map((vm) => vm.uuid),
  async run({ begin, lab, owner, other, serving, writes }) {
    begin("reboot of the master");
    const begunAt = Date.now();
    await lab.shutdown(owner, "announced");
    if ((await serving(5_000)) !== other) throw new Error(`the storage is not on ${other}`);
    await writes(vmsOf(lab, owner, other), 200, 30_000);
    await lab.boot(owner);
    await until(
      `${owner} back as a supporter`,
      async () => {
        const status = await statusOf(lab, owner);
        return status?.contact.inContact === true && status.own.xapiRole === "supporter" ? true : undefined;
      },
      90_000,
      1_000,
    );
    const fenced = (await daemonLog(lab, other)).filter(
      (e) => e.wallMs >= begunAt && /^(fence\.requested|self-fence)/.test(e.event),
    );
    if (fenced.length > 0) throw new Error(`something was fenced: ${JSON.stringify(fenced[0])}`);
  },
  async heal() {
    // The host is back by the scenario itself.
  },
};
