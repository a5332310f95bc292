// Row 42 of the scenario matrix: an update pulls a kernel without DRBD's module, or with another DRBD.

import assert from "node:assert/strict";
import { test } from "node:test";
import { nextBoot } from "../../../src/daemon/requests/next-boot.ts";
import type { ExecResult } from "../../../src/drivers/exec/port.ts";

const RUNNING = "4.19.0+1";
const NEXT = "4.19.0+2";

/** What `ha-cfg check` says where these kernels have these versions of the module; null: it has none. */
function said(modules: Readonly<Record<string, string | null>>, hasStorage = true): ReturnType<typeof nextBoot> {
  return nextBoot({
    hasStorage,
    running: RUNNING,
    installed: async () => Object.keys(modules),
    exec: {
      async run(file, args): Promise<ExecResult> {
        assert.equal(file, "modinfo");
        const version = modules[args[1] ?? ""] ?? null;
        const stderr = version === null ? "modinfo: ERROR: Module drbd not found." : "";
        return { kind: "exited", code: version === null ? 1 : 0, stdout: `${version ?? ""}\n`, stderr, elapsedMs: 1 };
      },
    },
  });
}

test("every kernel has the module of the version that runs", async () => {
  const { outcome, found } = await said({ [RUNNING]: "8.4.11-1", [NEXT]: "8.4.11-2" });
  assert.deepEqual([outcome, found], ["ok", "DRBD 8.4.11-1, in each of 2 installed kernels"]);
});

test("a new kernel without the module is told before the reboot", async () => {
  const { outcome, found, next } = await said({ [RUNNING]: "8.4.11", [NEXT]: null });
  assert.equal(outcome, "warning");
  assert.match(found, /kernel 4\.19\.0\+2 has no DRBD module/);
  assert.match(next, /before the next reboot/);
});

test("a new kernel with another DRBD is told: 8.4 and 9 share no metadata", async () => {
  const { outcome, found } = await said({ [RUNNING]: "8.4.11", [NEXT]: "9.2.16" });
  assert.equal(outcome, "warning");
  assert.match(found, /has DRBD 9\.2\.16, 8\.4\.11 runs/);
});

test("nothing is said where DRBD is built into the kernel, or where there is no storage of ours", async () => {
  assert.equal((await said({ [RUNNING]: null, [NEXT]: null })).outcome, "skipped");
  assert.equal((await said({}, false)).outcome, "skipped");
});

test("a tool that hangs has said nothing", async () => {
  const exec = { run: async (): Promise<ExecResult> => ({ kind: "timeout", pid: 1, afterMs: 5_000 }) };
  await assert.rejects(nextBoot({ hasStorage: true, running: RUNNING, installed: async () => [], exec }), /no answer/);
});
