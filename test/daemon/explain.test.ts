import assert from "node:assert/strict";
import { test } from "node:test";
import { explainText } from "../../src/daemon/control.ts";
import { healthyStatus } from "../drivers/control/status-sample.ts";

test("explain prints a line per rule, with the time left where time decides", () => {
  const text = explainText(healthyStatus, [
    { rule: "D5", sentence: "this host serves alone", remainingMs: null },
    { rule: "D7", sentence: "the other host's VMs wait", remainingMs: 7_460 },
  ]);
  const lines = text.split("\n");
  assert.equal(lines[2], "D5: this host serves alone.");
  assert.equal(lines[3], "D7: the other host's VMs wait (7.5 s more).");
});

test("a daemon that has only just started says so", () => {
  assert.equal(explainText(null, []), "The daemon has only just started.");
});
