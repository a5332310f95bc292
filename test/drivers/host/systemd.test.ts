import assert from "node:assert/strict";
import { test } from "node:test";
import type { ExecResult } from "../../../src/drivers/exec/port.ts";
import { createSystemdHost } from "../../../src/drivers/host/systemd.ts";

const prints = (stdout: string, code = 0): ExecResult => ({ kind: "exited", code, stdout, stderr: "", elapsedMs: 1 });
const ask = (result: ExecResult): Promise<boolean> => createSystemdHost({ run: async () => result }).goesDown();

const REBOOT = `1103 shutdown.target          start waiting
1176 tandemd.service          stop  running
1102 systemd-reboot.service   start waiting
1101 reboot.target            start waiting
`;

test("the host goes down while shutdown.target waits to start", async () => {
  assert.equal(await ask(prints(REBOOT)), true);
  assert.equal(await ask(prints(REBOOT.replaceAll(/^/gm, "  "))), true);
});

const others: readonly (readonly [string, ExecResult])[] = [
  ["a stop of the daemon alone", prints("1176 tandemd.service stop running\n")],
  ["no jobs", prints("No jobs running.\n")],
  ["a shutdown that was cancelled", prints("1103 shutdown.target stop waiting\n")],
  ["another unit of a similar name", prints("7 my-shutdown.target start waiting\n")],
  ["a systemctl that fails", prints(REBOOT, 1)],
  ["a systemctl that hangs", { kind: "timeout", pid: 7, afterMs: 5_000 }],
  ["no systemctl", { kind: "not-started", reason: "ENOENT" }],
];
for (const [name, result] of others) {
  test(`${name}: the host stays`, async () => assert.equal(await ask(result), false));
}
