// The chaos part of `npm test`: some minutes of random faults and orders on two real nodes, the same ones each time, so that
// what turns red can be played again. Longer and with other seeds: `npm run lab -- chaos`. Skipped where the lab cannot run.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { labUnavailable } from "../lab/packages.ts";
import { runCommand } from "../lab/run-command.ts";

const main = fileURLToPath(new URL("../lab/main.ts", import.meta.url));
const MINUTES = 2;
const SEED = 5;
const RUN_MS = (MINUTES + 8) * 60_000;

const unavailable = await labUnavailable();
test(
  `${MINUTES} minutes of faults from seed ${SEED}`,
  { skip: unavailable ?? false, timeout: RUN_MS + 10_000 },
  async (t) => {
    const order = [main, "chaos", "--minutes", String(MINUTES), "--seed", String(SEED)];
    const ran = await runCommand(process.execPath, ["--disable-warning=ExperimentalWarning", ...order], {
      timeoutMs: RUN_MS,
    });
    const said = ran.stderr.split("\n").filter((line) => /round|VIOLATION|PASSED|logs|again/.test(line));
    t.diagnostic(said.join("\n"));
    assert.equal(ran.code, 0, ran.stderr.slice(-2_000));
    assert.match(ran.stderr, /PASSED chaos/);
  },
);
