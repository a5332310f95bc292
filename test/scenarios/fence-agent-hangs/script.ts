import { FENCE_AGENT } from "../../lab/guest-files.ts";
import type { Scenario } from "../../lab/run-scenario.ts";
import { alertOn, neverServes, vmsOf } from "../../lab/steps.ts";

const AGENT = "/etc/tandem/fence/LABBMC/LABBMC.sh";
const HANGS = `#!/bin/bash
trap '' TERM INT HUP
while :; do sleep 1; done
`;

export const scenario: Scenario = {
  survivors: ({ lab, other }) => vmsOf(lab, other),
  async run({ fault, lab, must, owner, other, policy, serving, writes, progress }) {
    if (policy !== "strict")
      throw new Error("only STRICT stands on the fence device alone: run it with --policy strict");
    await lab.upload(other, AGENT, HANGS, 0o755);
    const { code, stdout } = await lab.exec(other, "ha-cfg check", 60_000);
    if (code !== 1 || !/^FAILED {2}fence device/m.test(stdout))
      throw new Error(`the check ended with ${code}: ${stdout}`);
    await alertOn(lab, other, "fence-path", 10_000);
    progress(await must(other, "ha-cfg explain", 10_000));
    await fault(`power-loss:${owner}`);
    const [text] = await Promise.all([alertOn(lab, other, "fencing", 120_000), neverServes(lab, other, 60_000)]);
    if (!/could not be powered off/.test(text)) throw new Error(`the alert says: ${text}`);
    await must(other, `iscsi-cfg confirm-peer-off ${owner}`, 20_000);
    if ((await serving(30_000)) !== other) throw new Error(`${other} did not take over`);
    await writes(vmsOf(lab, owner), 200, 120_000);
    const left = await lab.exec(other, "pgrep -f '[L]ABBMC.sh' || true", 5_000);
    if (left.stdout.trim() !== "") throw new Error(`agents that hang were left behind: ${left.stdout}`);
  },
  async heal({ lab, owner, other }) {
    await lab.upload(other, AGENT, FENCE_AGENT, 0o755);
    await lab.heal(`power-loss:${owner}`);
  },
};
