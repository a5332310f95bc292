// A server that an earlier daemon left and that gives no answer: here any process that its note names.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, it } from "node:test";
import { systemClock } from "../../../src/drivers/clock/system.ts";
import { createExclusive } from "../../../src/drivers/iscsi-target/exclusive.ts";
import { startTicksOf, writeNote } from "../../../src/drivers/iscsi-target/tgtd/server-process.ts";
import { createTgtd } from "../../../src/drivers/iscsi-target/tgtd/tgtd.ts";
import { ok } from "../../../src/util/result.ts";
import { scriptedExec } from "../exec/scripted-exec.ts";

const folder = mkdtempSync(join(tmpdir(), "tandem-unanswering-"));
after(() => rmSync(folder, { recursive: true }));

it("holds its device until it is gone, and the other target serves only then", async () => {
  const server = spawn("sleep", ["60"], { stdio: "ignore" });
  const gone = new Promise((resolve) => server.once("exit", resolve));
  assert.ok(server.pid !== undefined);
  const notePath = join(folder, "tgtd.json");
  writeNote(notePath, { pid: server.pid, startTicks: startTicksOf(server.pid) ?? "", resources: {} });
  const exec = scriptedExec();
  const tgtd = createTgtd(exec, exec, systemClock(), { socketBase: join(folder, "socket"), notePath });
  const seen = await tgtd.observe();
  assert.deepEqual(seen.ok && [seen.value.running, seen.value.holds], [false, true]);
  const exclusive = createExclusive({ ...tgtd, warm: async () => ok("already") }, tgtd);
  assert.deepEqual(await exclusive.warm(), { ok: true, value: "already" });
  await gone;
  const after = await tgtd.observe();
  assert.deepEqual(after.ok && after.value.holds, false);
});
