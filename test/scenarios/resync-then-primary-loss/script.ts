import type { Scenario } from "../../lab/run-scenario.ts";
import { neverServes, vmsOf } from "../../lab/steps.ts";
import { statusOf, until } from "../../lab/serving.ts";

/** KiB/s; the few megabytes that were written alone then take minutes. */
const rate = (kibPerSecond: number): string =>
  `drbdsetup disk-options 1 --c-plan-ahead=0 --resync-rate=${kibPerSecond}k`;

export const scenario: Scenario = {
  survivors: ({ lab, other }) => vmsOf(lab, other),
  async run({ fault, lab, must, owner, other, serving, writes, progress }) {
    for (const node of [owner, other]) await must(node, rate(20));
    await lab.fault(`cut:repl:${other}`);
    await writes(vmsOf(lab, owner), 2_000, 60_000);
    await lab.heal(`cut:repl:${other}`);
    const resyncing = async (): Promise<true | undefined> =>
      (await must(other, "cat /proc/drbd")).includes("cs:SyncTarget ro:Secondary/Primary ds:Inconsistent/") ||
      undefined;
    await until("The resync", resyncing, 30_000);
    await fault(`power-loss:${owner}`);
    await neverServes(lab, other, 25_000);
    progress((await statusOf(lab, other))?.own.outcome ?? "no status");
    await lab.heal(`power-loss:${owner}`);
    await serving(60_000);
  },
  async heal({ lab, other }) {
    await lab.must(other, rate(300_000));
  },
};
