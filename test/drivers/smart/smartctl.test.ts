import assert from "node:assert/strict";
import { test } from "node:test";
import { createSmartctl } from "../../../src/drivers/smart/smartctl.ts";
import { exited, scriptedExec } from "../exec/scripted-exec.ts";

const SCAN = `/dev/sda -d scsi # /dev/sda, SCSI device
/dev/nvme0 -d nvme # /dev/nvme0, NVMe device
/dev/bus/0 -d megaraid,8 # /dev/bus/0 [megaraid_disk_08], SCSI device
`;
const nowhere = { kind: "not-started", reason: "ENOENT" } as const;

test("each disk's verdict is read from the bits of the exit status", async () => {
  // 0x40: the error log holds something, which foretells nothing.
  const exec = scriptedExec({
    "smartctl --scan": exited(0, SCAN),
    "smartctl -H -A /dev/sda -d scsi": exited(0x40),
    "smartctl -H -A /dev/nvme0 -d nvme": exited(0x08 | 0x40),
    "smartctl -H -A /dev/bus/0 -d megaraid,8": exited(0x10),
  });
  const found = await createSmartctl(exec).look();
  assert.ok(found.ok);
  assert.deepEqual(
    found.value?.map(({ disk, failing }) => [disk, failing]),
    [
      ["/dev/sda", false],
      ["/dev/nvme0", true],
      ["/dev/bus/0 megaraid,8", true],
    ],
  );
});

test("a disk that cannot be asked is neither well nor failing", async () => {
  for (const answer of [
    exited(2),
    { kind: "timeout", pid: 7, afterMs: 1 } as const,
    { kind: "busy", pid: 7 } as const,
    nowhere,
  ]) {
    const exec = scriptedExec({
      "smartctl --scan": exited(0, "/dev/sda -d scsi # x\n"),
      "smartctl -H -A /dev/sda -d scsi": answer,
    });
    const found = await createSmartctl(exec).look();
    assert.ok(found.ok);
    assert.equal(found.value?.[0]?.failing, null);
  }
});

test("without smartctl there is nothing to say; one that fails is an error", async () => {
  assert.deepEqual(await createSmartctl(scriptedExec({ "smartctl --scan": nowhere })).look(), {
    ok: true,
    value: null,
  });
  for (const answer of [exited(1), { kind: "timeout", pid: 7, afterMs: 1 } as const])
    assert.equal((await createSmartctl(scriptedExec({ "smartctl --scan": answer })).look()).ok, false);
});
