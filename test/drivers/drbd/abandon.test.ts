import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { abandonWrites, handlerThreadRuns } from "../../../src/drivers/drbd/abandon.ts";
import { ok } from "../../../src/util/result.ts";

/** A kernel that does what it is told at once; `handlerRuns` is asked with the number of the look, from 1 on. */
async function abandon(handlerRuns: (look: number) => boolean) {
  const lines: string[] = [];
  let now = 0;
  let looks = 0;
  const run = (...words: readonly string[]) => {
    lines.push(words.join(" "));
    return Promise.resolve(ok("done"));
  };
  const result = await abandonWrites("iscsi1", 1, {
    clock: {
      now: () => now,
      wallMs: () => now,
      sleep: (ms) => {
        now += ms;
        return Promise.resolve();
      },
    },
    drbdsetup: run,
    drbdadm: run,
    diskIs: () => Promise.resolve(true as const),
    handlerRuns: () => handlerRuns((looks += 1)),
  });
  return { result, lines, now };
}

test("nothing is touched while a fence-peer handler waits: taken down under one, DRBD ends the kernel at its answer", async () => {
  const never = await abandon(() => true);
  assert.ok(!never.result.ok && never.result.error.kind === "unverified");
  assert.deepEqual(never.lines, []);
  assert.ok(never.now >= 5_000);
  const soon = await abandon((look) => look < 4);
  assert.deepEqual(soon.result, { ok: true, value: "changed" });
  assert.equal(soon.lines.at(-1), "up");
});

test("a resource under which a handler began to wait meanwhile is not taken down", async () => {
  const { result, lines } = await abandon((look) => look > 1);
  assert.ok(!result.ok);
  assert.equal(lines.at(-1), "secondary 1");
});

test("the kernel's thread is found by its name, whatever else comes and goes", () => {
  const proc = mkdtempSync(join(tmpdir(), "tandem-proc-"));
  const process = (pid: string, comm?: string): void => {
    mkdirSync(join(proc, pid));
    if (comm !== undefined) writeFileSync(join(proc, pid, "comm"), `${comm}\n`);
  };
  process("12", "drbd_w_iscsi1");
  process("13");
  process("fs", "drbd_async_h");
  assert.equal(handlerThreadRuns(proc), false);
  process("14", "drbd_async_h");
  assert.equal(handlerThreadRuns(proc), true);
  rmSync(proc, { recursive: true });
  assert.equal(typeof handlerThreadRuns(), "boolean");
});
