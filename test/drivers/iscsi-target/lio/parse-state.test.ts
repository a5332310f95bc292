import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseState } from "../../../../src/drivers/iscsi-target/lio/parse-state.ts";

describe("what the scripts print", () => {
  it("is read whole", () => {
    const text = [
      "store tandem.10.iscsi1 1 /dev/drbd1 0000000011",
      "store tandem.11.iscsi2 0  ",
      "tpg 1",
      "portal 127.0.0.1:13260",
      "portal [fd00::3]:3260",
      "lun 10 tandem.10.iscsi1",
      // As the kernel of Linux 6.1 shows them: each name with a zero byte behind it.
      "dynamic iqn.2026-11.lab:vm1",
      "dynamic \0iqn.2026-11.lab:vm2",
      "acl iqn.2026-11.lab:vm3 10.10.10.2",
      "acl iqn.2026-11.lab:vm4 [fd00::2]",
      "acl iqn.2026-11.lab:vm5 -",
      "",
    ].join("\n");
    const state = parseState(text);
    assert.deepEqual(state.ok && state.value, {
      enabled: true,
      portals: ["127.0.0.1:13260", "[fd00::3]:3260"],
      luns: [{ lun: 10, store: "tandem.10.iscsi1" }],
      stores: [
        { name: "tandem.10.iscsi1", resource: "iscsi1", enabled: true, device: "/dev/drbd1", serial: "0000000011" },
        { name: "tandem.11.iscsi2", resource: "iscsi2", enabled: false, device: "", serial: "" },
      ],
      dynamic: ["iqn.2026-11.lab:vm1", "iqn.2026-11.lab:vm2"],
      named: [
        { name: "iqn.2026-11.lab:vm3", address: "10.10.10.2" },
        { name: "iqn.2026-11.lab:vm4", address: "fd00::2" },
        { name: "iqn.2026-11.lab:vm5", address: null },
      ],
    });
  });

  it("is nothing where there is no target", () => {
    const state = parseState("");
    assert.equal(state.ok && state.value.enabled, null);
  });

  for (const line of ["tpg yes", "lun x y", "store only", "surprise", "acl name"]) {
    it(`is an error with the line "${line}"`, () => assert.deepEqual(parseState(line), { ok: false, error: line }));
  }
});
