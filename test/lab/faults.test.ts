import assert from "node:assert/strict";
import { test } from "node:test";
import { parseFault } from "./faults.ts";

const CASES = [
  ["power-loss:xcp1", { kind: "power-loss", node: "xcp1" }],
  ["freeze:xcp2", { kind: "freeze", node: "xcp2" }],
  ["cut:mgmt:xcp1", { kind: "cut", network: "mgmt", node: "xcp1" }],
  ["loss:repl:xcp2:30", { kind: "loss", network: "repl", node: "xcp2", percent: 30 }],
  ["delay:repl:xcp1:50", { kind: "delay", network: "repl", node: "xcp1", delayMs: 50 }],
  ["deaf:xcp1", { kind: "deaf", node: "xcp1" }],
  ["disk:xcp2", { kind: "disk", node: "xcp2" }],
  ["switch", { kind: "switch" }],
  ["gateway", { kind: "gateway" }],
  ["conflict", { kind: "conflict" }],
  ["filter", { kind: "filter" }],
  ["witness", { kind: "witness" }],
  ["kill:tgtd:xcp1", { kind: "kill", program: "tgtd", node: "xcp1" }],
  ["hang:tandemd:xcp2", { kind: "hang", program: "tandemd", node: "xcp2" }],
  ["bmc-dead:xcp1", { kind: "bmc", mood: "dead", node: "xcp1" }],
  ["bmc-slow:xcp1", { kind: "bmc", mood: "slow", node: "xcp1" }],
  ["bmc-lies:xcp2", { kind: "bmc", mood: "lies", node: "xcp2" }],
] as const;

for (const [spec, fault] of CASES) {
  test(`reads the fault ${spec}`, () => {
    assert.deepEqual(parseFault(spec), fault);
  });
}

const REFUSED = [
  ["power-loss:xcp3", /a node \(xcp1, xcp2\)/],
  ["power-loss", /a node/],
  ["cut:ctl:xcp1", /a network \(mgmt, repl\)/],
  ["loss:repl:xcp1:0", /a percentage/],
  ["loss:repl:xcp1:101", /a percentage/],
  ["loss:repl:xcp1", /a percentage/],
  ["delay:repl:xcp1:1.5", /whole milliseconds/],
  ["delay:repl:xcp1:10001", /whole milliseconds/],
  ["kill:tgtd; reboot:xcp1", /a program's name/],
  ["flood:xcp1", /one of: power-loss/],
] as const;

for (const [spec, said] of REFUSED) {
  test(`refuses the fault ${spec} and says what it expected`, () => {
    assert.throws(() => parseFault(spec), said);
  });
}
