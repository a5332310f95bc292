import assert from "node:assert/strict";
import { installPackage } from "../../lab/installed/install.ts";
import { loadFirewall } from "../../lab/lab.ts";
import { comesBack } from "../../lab/restore-steps.ts";
import type { Scenario } from "../../lab/run-scenario.ts";

export const scenario: Scenario = comesBack("is wiped, and installed from its packages", async ({ lab, other }) => {
  await lab.wipe(other);
  await lab.boot(other);
  await loadFirewall(lab, other);
  assert.notEqual((await lab.exec(other, "ls /opt/tandem /etc/tandem /etc/drbd.d/*.res")).code, 0);
  await installPackage(lab, other);
  const check = await lab.exec(other, "ha-cfg check", 60_000);
  assert.match(check.stdout + check.stderr, /iscsi-cfg\s+restore/, "the next step is named");
});
