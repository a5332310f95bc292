import assert from "node:assert/strict";
import { test } from "node:test";
import { known, unknown } from "../../../src/core/model/observation.ts";
import { forgetReply, type ForgetParts } from "../../../src/daemon/requests/forget-request.ts";
import type { PoolView } from "../../../src/drivers/xapi/port.ts";

const entry = (uuid: string, name: string) => ({ uuid, name, management: "", replication: "" });
const host = (uuid: string, name: string): PoolView["hosts"][number] => ({
  ref: `OpaqueRef:${uuid}`,
  uuid,
  name,
  address: "10.0.0.1",
  enabled: true,
  live: true,
  otherConfig: {},
  memoryTotal: 1,
  memoryFree: 1,
  memoryForGuests: 1,
});
const view: PoolView = {
  poolRef: "OpaqueRef:pool",
  poolUuid: "pool",
  masterRef: "OpaqueRef:one",
  haEnabled: false,
  otherConfig: {},
  hosts: [host("one", "xcp1"), host("two", "xcp2")],
  vms: [],
  appliances: [],
  pbds: [],
  srs: [],
  certificates: [],
};

function ask(name: string, change: Partial<ForgetParts> = {}) {
  const parts: ForgetParts = {
    config: () => ({ self: entry("one", "xcp1"), peer: entry("two", "xcp2") }),
    snapshot: () => ({ inContact: false }),
    view: () => known(view, 0),
    perform: async () => ({ ok: false, error: "the procedure was called" }),
  };
  return forgetReply({ ...parts, ...change }, name);
}

test("a host that answers, or of which nothing is known yet, is not forgotten", async () => {
  for (const snapshot of [() => ({ inContact: true }), () => null])
    assert.equal((await ask("xcp2", { snapshot })).kind, "refused");
});

test("a name that is nobody's is answered with the names there are", async () => {
  const reply = await ask("xcp9");
  assert.ok(reply.kind === "failed");
  assert.match(reply.reason, /found 0 hosts of the name or UUID "xcp9", expected one of: xcp1, xcp2/);
});

test("without the pool's database nothing is done", async () => {
  assert.equal((await ask("xcp2", { view: () => unknown("no", 0) })).kind, "failed");
});

test("a silent host is forgotten by its name or its UUID", async () => {
  for (const name of ["xcp2", "two"]) {
    const reply = await ask(name);
    assert.ok(reply.kind === "failed" && reply.reason === "the procedure was called");
  }
});
