import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createProbe } from "../../../src/drivers/probe/ping.ts";
import type { ExecResult } from "../../../src/drivers/exec/port.ts";
import { exited, scriptedExec } from "../exec/scripted-exec.ts";

const ping = "ping -n -q -c 1 -w 1 -i 0.3 10.10.10.2";
const arping = "arping -f -c 3 -w 2 -I repl 10.10.10.2";

describe("probes", () => {
  it("ask up to three times inside the time and end at the first answer", async () => {
    const exec = scriptedExec({ [ping]: exited(0), [arping]: exited(0) });
    assert.deepEqual(await createProbe(exec).icmp("10.10.10.2", 900), { kind: "answered" });
    assert.deepEqual(await createProbe(exec).arp("10.10.10.2", "repl", 1500), { kind: "answered" });
    assert.deepEqual(
      exec.calls.map((call) => call.options?.timeoutMs),
      [1150, 1750],
    );
  });

  it("ask for an IPv6 address as one, which a dom0's ping does only with -6", async () => {
    const exec = scriptedExec({ "ping -6 -n -q -c 1 -w 1 -i 0.3 fd00::2": exited(0) });
    assert.deepEqual(await createProbe(exec).icmp("fd00::2", 900), { kind: "answered" });
  });

  it("are silent only when the question was asked", async () => {
    const cases: readonly (readonly [ExecResult, string])[] = [
      [exited(1), "silent"],
      [{ kind: "timeout", pid: 7, afterMs: 1150 }, "silent"],
      [exited(2, "", "ping: connect: Network is unreachable"), "failed"],
      [exited(127), "failed"],
      [{ kind: "not-started", reason: "spawn ping ENOENT" }, "failed"],
      [{ kind: "busy", pid: 7 }, "failed"],
    ];
    for (const [result, kind] of cases) {
      const exec = scriptedExec({ [ping]: result, [arping]: result });
      assert.equal((await createProbe(exec).icmp("10.10.10.2", 900)).kind, kind);
      assert.equal((await createProbe(exec).arp("10.10.10.2", "repl", 1500)).kind, kind);
    }
  });

  it("say why a question could not be asked", async () => {
    const exec = scriptedExec({ [arping]: exited(2, "", "arping: Device repl not available.\n") });
    assert.deepEqual(await createProbe(exec).arp("10.10.10.2", "repl", 1500), {
      kind: "failed",
      reason: "arping ended with 2: arping: Device repl not available.",
    });
  });
});
