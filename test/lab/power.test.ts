import assert from "node:assert/strict";
import { test } from "node:test";
import { bothDown } from "./power.ts";

const line = (node: string, event: string, detail = "") => ({ wallMs: 0, node, event, detail });

test("both hosts down by one fault is noticed", () => {
  const events = [line("xcp1", "power.off", "BMC"), line("xcp2", "power.off", "watchdog")];
  assert.match(bothDown(events) ?? "", /xcp1 \(BMC\), xcp2 \(watchdog\)/);
  assert.match(bothDown([line("xcp1", "power.off", "power loss"), line("xcp2", "power.lost", "ended")]) ?? "", /xcp2/);
});

test("one after the other, or by the scenario's own order, is not", () => {
  const turns = [line("xcp1", "power.off", "BMC"), line("xcp1", "power.on"), line("xcp2", "power.off", "watchdog")];
  assert.equal(bothDown(turns), undefined);
  const ordered = [line("xcp1", "power.off", "power loss"), line("xcp2", "power.off", "power loss")];
  assert.equal(bothDown(ordered), undefined);
});
