import { comesBack } from "../../lab/restore-steps.ts";
import type { Scenario } from "../../lab/run-scenario.ts";

const CONFIGURATION = "/etc/drbd.conf /etc/drbd.d /etc/tandem/tandem.yaml /etc/tandem/fence /var/lib/tandem";

export const scenario: Scenario = comesBack("is installed again", async ({ lab, must, other }) => {
  await lab.nodes[other].replaceDataDisk();
  await lab.boot(other);
  await must(other, `rm -rf ${CONFIGURATION}; mkdir -p /var/lib/tandem; sync`);
});
