import assert from "node:assert/strict";
import { test } from "node:test";
import { managementUp, type ManagementSigns } from "../../../src/daemon/readiness/management-link.ts";

const rows: readonly (readonly [string, Partial<ManagementSigns>, boolean | null])[] = [
  ["the peer answers there, the gateway does not", { linkUp: true, answering: [false] }, true],
  ["the peer is silent there, the gateway answers", { linkKnown: true, answering: [true] }, true],
  ["one of two addresses answers", { linkKnown: true, answering: [false, true] }, true],
  ["both are silent", { linkKnown: true, answering: [false] }, false],
  ["the peer is silent there and nobody else is asked", { linkKnown: true }, false],
  ["nobody was heard yet after the start", { answering: [null] }, null],
  ["nobody was heard yet and nobody is asked", {}, null],
  ["the peer was never heard, the gateway is silent for long", { answering: [false] }, false],
];
for (const [name, signs, expected] of rows) {
  test(`management network: ${name}`, () => {
    assert.equal(managementUp({ linkUp: false, linkKnown: false, answering: [], ...signs }), expected);
  });
}
