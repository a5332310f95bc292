// What plain `npm run lab` shows: the dashboard of a running pool, then a planned switch and a power loss of the master,
// each on a fresh pool with its timeline. Safety is judged; times are shown: limits hold for medians, and one run is none
// (`run planned-switch --repeat 5` judges them).

import { createInterface } from "node:readline/promises";
import { setTimeout as delay } from "node:timers/promises";

const REFRESHES = 8;
const REFRESH_MS = 1_000;

export async function walkThrough(
  progress: (text: string) => void,
  run: (words: readonly string[]) => Promise<number>,
): Promise<number> {
  progress("A pool of two hosts boots; then its dashboard, as 'iscsi-cfg status' shows it on xcp1.");
  const up = await run(["up"]);
  if (up !== 0) return up;
  const live = process.stdout.isTTY;
  for (let i = 0; i < (live ? REFRESHES : 1); i++) {
    if (live) process.stdout.write("\u001b[2J\u001b[H");
    const shown = await run(["exec", "xcp1", "iscsi-cfg", "status", "--once"]);
    if (shown !== 0) return shown;
    await delay(live ? REFRESH_MS : 0);
  }
  await run(["status"]);
  const down = await run(["down"]);
  if (down !== 0) return down;
  const steps = [
    {
      text: "A planned switch: the storage moves while four VMs write.",
      words: ["run", "planned-switch", "--no-limits"],
    },
    {
      text: "Power loss of the master, fenced by its BMC (STRICT).",
      words: ["run", "master-power-loss", "--policy", "strict", "--no-limits"],
    },
  ];
  for (const step of steps) {
    progress(`\n${step.text}`);
    if (process.stdin.isTTY) {
      const line = createInterface({ input: process.stdin, output: process.stderr });
      await line.question("Press Enter to begin (Ctrl-C ends) … ");
      line.close();
    }
    const code = await run(step.words);
    if (code !== 0) return code;
  }
  return 0;
}
