// `ha-cfg check` on a host where no daemon answers: each state of an installation names one next step.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { firstSteps, type FirstLook } from "../../src/cli/ha-cfg/check.ts";
import { checkLines } from "../../src/cli/reports.ts";
import { parseLocalFile } from "../../src/config/local-file.ts";
import type { ControlClientError } from "../../src/drivers/control/client.ts";
import { err } from "../../src/util/result.ts";
import { root } from "../build.ts";

const NOT_RUNNING: ControlClientError = { kind: "not-running", path: "/run/tandem/control.sock" };
const example = readFileSync(join(root, "conf/tandem.yaml"), "utf8");
const hostId = /uuid: ([0-9a-f-]{36}), name/.exec(example)?.[1] ?? /- uuid: ([0-9a-f-]{36})/.exec(example)?.[1] ?? "";

const ready: FirstLook = {
  has: () => true,
  hasLocalFile: () => true,
  local: async () => parseLocalFile(example, { hostId, managementInterface: "xenbr0" }),
};
const rows: readonly (readonly [state: string, look: Partial<FirstLook>, next: string])[] = [
  ["nothing but the package", { has: () => false, hasLocalFile: () => false }, "install DRBD's userland"],
  ["DRBD's tools too", { has: (tool) => tool === "drbdadm", hasLocalFile: () => false }, "install the iSCSI target"],
  ["nothing configured", { hasLocalFile: () => false }, "on one of the two hosts: iscsi-cfg setup"],
  [
    "a file that anybody may write",
    {
      local: async () =>
        err([
          {
            path: "/etc/tandem/tandem.yaml",
            line: null,
            severity: "error",
            found: "mode 0666",
            expected: "a file that only root can write",
            action: "run `chmod 600`",
          },
        ]),
    },
    "correct it; then: systemctl restart tandemd",
  ],
  [
    "DRBD's tools, and the kernel's target",
    {
      has: (tool) => tool === "drbdadm",
      local: async () =>
        parseLocalFile(example.replace("# TARGET_BACKEND: tgtd", "TARGET_BACKEND: lio"), {
          hostId,
          managementInterface: "xenbr0",
        }),
    },
    "systemctl status tandemd; then: systemctl start tandemd",
  ],
  ["everything but the daemon", {}, "systemctl status tandemd; then: systemctl start tandemd"],
];
for (const [state, look, next] of rows) {
  test(`the next step with ${state}`, async () => {
    const checks = await firstSteps(NOT_RUNNING, { ...ready, ...look });
    assert.equal(checks.find((one) => one.outcome === "failed")?.next.startsWith(next), true, JSON.stringify(checks));
    const lines = checkLines(checks);
    assert.match(lines.slice(-3).join(" "), /Next: /);
    for (const line of lines) assert.ok(line.length <= 80, line);
  });
}

test("where the storage's programs come from is said as a dom0 needs it: EPEL is there and off", async () => {
  const checks = await firstSteps(NOT_RUNNING, { ...ready, has: () => false, hasLocalFile: () => false });
  const next = (id: string): string => checks.find((one) => one.id === id)?.next ?? "";
  assert.match(next("drbdadm"), /yum install xcp-ng-release-linstor; yum install drbd-utils$/);
  assert.match(next("tgtadm"), /yum install --enablerepo=epel,base,updates scsi-target-utils$/);
});

test("a daemon that is silent is not taken for a missing installation", async () => {
  const silent: ControlClientError = { kind: "silent", path: "/run/tandem/control.sock", afterMs: 180_000 };
  const checks = await firstSteps(silent, { ...ready, hasLocalFile: () => false });
  assert.deepEqual(
    checks.map((one) => one.id),
    ["daemon"],
  );
});
