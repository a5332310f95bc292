import assert from "node:assert/strict";
import { test } from "node:test";
import type { ExecResult } from "../../../src/drivers/exec/port.ts";
import { lastWords, readStatus } from "../../../src/drivers/fence/reading.ts";

const exited = (code: number, stdout = "", stderr = ""): ExecResult => ({
  kind: "exited",
  code,
  stdout,
  stderr,
  elapsedMs: 1,
});

const rows: readonly (readonly [string, ExecResult, "on" | "off" | "failed"])[] = [
  ["0 with on", exited(0, "on\n"), "on"],
  ["0 in silence", exited(0), "on"],
  ["0 with chatter", exited(0, "Chassis Power is on\n"), "on"],
  ["0 with off", exited(0, "off\n"), "failed"],
  ["2 with off", exited(2, "off\n"), "off"],
  ["2 with Status: OFF and a warning", exited(2, "Status: OFF\n", "warning: certificate\n"), "off"],
  ["2 in silence", exited(2), "off"],
  ["2 with on", exited(2, "on\n"), "failed"],
  ["2 with an error only", exited(2, "", "grep: no such file\n"), "failed"],
  ["2 with a usage text that contains off", exited(2, "usage: on|off\n"), "failed"],
  ["2 with several lines", exited(2, "off\nerror\n"), "failed"],
  ["1", exited(1, "off\n"), "failed"],
  ["3", exited(3), "failed"],
  ["127", exited(127), "failed"],
  ["death by SIGKILL", exited(137, "off\n"), "failed"],
  ["too much output", exited(-1, "off\n"), "failed"],
  ["a deadline", { kind: "timeout", pid: 1, afterMs: 5 }, "failed"],
  ["a held lane", { kind: "busy", pid: 1 }, "failed"],
  ["no start", { kind: "not-started", reason: "ENOENT" }, "failed"],
];
for (const [what, result, expected] of rows) {
  test(`status that ends with ${what} reads as ${expected}`, () => {
    const found = readStatus(result, null);
    assert.equal(found.kind === "power" ? found.state : "failed", expected, JSON.stringify(found));
  });
}

test("of all exit codes and silent outputs only 2 is off", () => {
  for (let code = -1; code < 256; code += 1) {
    const found = readStatus(exited(code), null);
    assert.equal(found.kind === "power" && found.state === "off", code === 2, String(code));
  }
});

test("last words are one short line without password and control characters", () => {
  assert.equal(lastWords("a\nb \u001b[31mpw\u0007 c\n", "pw"), "b  [31m[password]  c");
  assert.equal(lastWords("x".repeat(500), null).length, 160);
  assert.equal(lastWords("", ""), "");
});
