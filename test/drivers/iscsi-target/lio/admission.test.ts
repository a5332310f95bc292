// The routing rules of admission against a table that is kept in memory.

import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import type { ExecOptions, ExecResult } from "../../../../src/drivers/exec/port.ts";
import { createAdmission, type Admission } from "../../../../src/drivers/iscsi-target/lio/admission.ts";
import { exited } from "../../exec/scripted-exec.ts";

const PORTAL = "10.10.10.3";
const nobody = (from: string) => `17601:\tfrom ${from} blackhole`;
const letIn = (from: string, to: string) => `17600:\tfrom ${from} to ${to} lookup main`;

describe("admission", () => {
  let table: string[];
  let slow: Promise<void> | null;
  let admission: Admission;

  /** As it stands when `ip` reads it; told when it ends. */
  async function ip(_file: string, args: readonly string[], { stdin }: ExecOptions): Promise<ExecResult> {
    for (const line of (stdin ?? "").split("\n")) {
      const shut = /^rule (add|del) blackhole from (\S+) pref 17601$/.exec(line);
      const open = /^rule (add|del) from (\S+) to (\S+) lookup main pref 17600$/.exec(line);
      if (shut === null && open === null) continue;
      const shown = shut !== null ? nobody(shut[2] ?? "") : letIn(open?.[2] ?? "", open?.[3] ?? "");
      if ((shut ?? open)?.[1] === "add") table.push(shown);
      else if (!table.includes(shown)) return exited(2, "", "RTNETLINK answers: No such file or directory");
      else table.splice(table.indexOf(shown), 1);
    }
    const shown = table.join("\n");
    if (args.includes("show")) await slow;
    return exited(0, shown);
  }

  beforeEach(() => {
    table = [];
    slow = null;
    admission = createAdmission({ run: ip }, 2000);
  });

  it("shuts out again whom others let in by flushing the rules", async () => {
    await admission.admit(PORTAL, ["10.10.10.1"]);
    table = [];
    assert.deepEqual(await admission.admitted(PORTAL), { ok: true, value: null });
    assert.deepEqual(await admission.admit(PORTAL, ["10.10.10.1"]), { ok: true, value: "changed" });
    assert.deepEqual(table.toSorted(), [letIn(PORTAL, "10.10.10.1"), nobody(PORTAL)]);
  });

  it("is not deceived by a look that began before a change", async () => {
    const reads = Promise.withResolvers<void>();
    slow = reads.promise;
    const looking = admission.admitted(PORTAL);
    slow = null;
    await admission.admit(PORTAL, ["10.10.10.1"]);
    reads.resolve();
    await looking;
    assert.deepEqual(await admission.admit(PORTAL, null), { ok: true, value: "changed" });
    assert.deepEqual(table, []);
  });

  it("clears the rules of a floating IP that is configured no more, which may be a host's by now", async () => {
    const others = [letIn("10.10.10.7", "10.10.10.1"), "17601:\tfrom all lookup 100"];
    table = [letIn("10.10.10.9", "10.10.10.1"), nobody("10.10.10.9"), ...others];
    assert.ok((await admission.admit(PORTAL, null)).ok);
    assert.deepEqual(table, others);
  });
});
