import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startDiskMonitor } from "../../../src/daemon/storage/disk-monitor.ts";
import type { DiskHealth } from "../../../src/drivers/smart/port.ts";
import { err, ok, type Result } from "../../../src/util/result.ts";

const disk = (failing: boolean | null): DiskHealth => ({ disk: "/dev/sda", failing, detail: "x" });

test("a failing disk is told until it is replaced, switched off, or well again; one that cannot be asked changes nothing", async () => {
  let answer: Result<readonly DiskHealth[] | null, string> = ok([disk(false)]);
  let on = true;
  let asked = 0;
  const open = new Map<string, string>();
  const logged: string[] = [];
  const monitor = startDiskMonitor({
    smart: {
      async look() {
        asked += 1;
        return answer;
      },
    },
    on: () => on,
    alerts: { raise: (id, text) => void open.set(id, text), clear: (id) => void open.delete(id) },
    log: (_event, detail) => logged.push(detail),
    firstMs: 1,
    everyMs: 5,
  });
  const after = async (change: () => void): Promise<readonly string[]> => {
    change();
    const from = asked;
    while (on && asked < from + 3) await sleep(2);
    await sleep(20);
    return [...open.keys()];
  };
  assert.deepEqual(await after(() => undefined), []);
  assert.deepEqual(await after(() => (answer = ok([disk(true)]))), ["smart:/dev/sda"]);
  assert.match(open.get("smart:/dev/sda") ?? "", /will fail/);
  assert.deepEqual(await after(() => (answer = ok([disk(null)]))), ["smart:/dev/sda"]);
  assert.deepEqual(await after(() => (answer = err("hangs"))), ["smart:/dev/sda"]);
  assert.deepEqual(logged, ["the disks' health: hangs"], "told once");
  assert.deepEqual(await after(() => (answer = ok([]))), [], "it was taken out");
  await after(() => (answer = ok([disk(true)])));
  assert.deepEqual(await after(() => (on = false)), [], "DISK_MONITOR=0");
  monitor.stop();
});
