import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { initiatorsOf } from "../../../src/config/config.ts";
import { allowedWithout, covers } from "../../../src/drivers/iscsi-target/allow.ts";

const own = () => ["10.10.10.1"];

describe("who may log in", () => {
  for (const [entry, address, expected] of [
    ["ALL", "10.10.10.2", true],
    ["10.10.10.2", "10.10.10.2", true],
    ["10.10.10.0/24", "10.10.10.2", true],
    ["10.10.11.0/24", "10.10.10.2", false],
    ["fd00::/64", "fd00::2", true],
    ["fd00::/64", "10.10.10.2", false],
    ["fd00:0:0::2", "fd00::2", true],
    ["10.10.10.2/32", "10.10.10.2", true],
  ] as const) {
    it(`${entry} ${expected ? "lets" : "does not let"} ${address} in`, () => {
      assert.equal(covers(entry, address), expected);
    });
  }

  it("is the list as it stands while nobody is barred", () => {
    assert.deepEqual(allowedWithout({ allow: ["ALL"] }, [], own), ["ALL"]);
  });
  it("is the rest of a list of addresses", () => {
    assert.deepEqual(allowedWithout({ allow: ["10.10.10.1", "10.10.10.2"] }, ["10.10.10.2"], own), ["10.10.10.1"]);
  });
  for (const wide of ["ALL", "10.10.10.0/24"]) {
    it(`${wide} is replaced by names while somebody in it is barred`, () => {
      const allow = { allow: [wide], others: ["10.10.10.2", "10.10.10.4"] };
      assert.deepEqual(allowedWithout(allow, ["10.10.10.2"], own), ["10.10.10.1", "10.10.10.4"]);
    });
  }
  it("leaves a host no address of its own to log in from once it is barred (D16)", () => {
    const peer = { uuid: "b", name: "b", management: "192.168.1.2", replication: "10.10.10.2" };
    const allow = { allow: ["10.10.10.1", "10.10.10.2", "192.168.1.2"] };
    assert.deepEqual(allowedWithout(allow, initiatorsOf(peer), own), ["10.10.10.1"]);
  });
  it("keeps a network that nobody barred lies in", () => {
    const allow = { allow: ["192.168.1.0/24", "10.10.10.2"] };
    assert.deepEqual(allowedWithout(allow, ["10.10.10.2"], own), ["192.168.1.0/24"]);
  });
});
