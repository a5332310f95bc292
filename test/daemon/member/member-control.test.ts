// ha-cfg on a host that holds no copy of the storage: every action is done here, or refused with the host to say it on.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Config } from "../../../src/config/config.ts";
import { createMemberControl, type MemberControlParts } from "../../../src/daemon/member/member-control.ts";
import { memberExplanation } from "../../../src/daemon/member/member-explain.ts";
import type { PoolOutsideEvent, PoolSnapshot } from "../../../src/daemon/brain/pool-brain.ts";
import type { ControlReply, ControlRequest } from "../../../src/drivers/control/port.ts";
import { healthyStatus } from "../../drivers/control/status-sample.ts";

const hosts = ["xcp1", "xcp2", "xcp3"].map((name) => ({ uuid: `uuid-${name}`, name }));
const snapshot = { leads: false, leader: "uuid-xcp1", explanations: [] } as unknown as PoolSnapshot;
const done = (text: string): ControlReply => ({ kind: "done", text });

function member(change: Partial<MemberControlParts> = {}) {
  const asked: string[] = [];
  const fed: PoolOutsideEvent[] = [];
  const control = createMemberControl({
    feed: (event) => fed.push(event),
    status: () => healthyStatus,
    snapshot: () => snapshot,
    config: () => ({ hosts, self: hosts[2], parameters: [], policyNote: "VOTE", core: {} }) as unknown as Config,
    metrics: () => done("metrics"),
    poolRequest: async ({ kind }) => (asked.push(kind), done(kind)),
    alertRequest: async ({ kind }) => (asked.push(kind), done(kind)),
    maintenance: {
      begin: async () => (asked.push("maintenance on"), done("on")),
      end: async () => (asked.push("maintenance off"), done("off")),
    },
    checks: async () => [],
    explain: () => memberExplanation(snapshot, { hosts, self: hosts[2], policyNote: "VOTE" } as never, healthyStatus),
    history: { list: () => [] },
    enableRefusals: async () => [],
    ...change,
  });
  const ask = async (request: ControlRequest): Promise<ControlReply> => {
    const replies: ControlReply[] = [];
    await control.handler(request, (reply) => replies.push(reply));
    return replies.at(-1) ?? { kind: "progress", text: "" };
  };
  return { control, ask, asked, fed };
}

test("parameters, flags of VMs, backup, import, alerts, history, check and maintenance are done on this host", async () => {
  const { ask, asked } = member();
  for (const kind of ["insert", "remove", "restore-default", "backup", "vms", "email", "clear-alerts"] as const)
    assert.equal((await ask({ kind, overwrite: false } as ControlRequest)).kind, "done");
  await ask({ kind: "set", name: "MAIL_ON", value: "0" });
  await ask({ kind: "set-vm-ha", vm: "vm1", on: true });
  await ask({ kind: "restore", parameters: {}, vms: {} });
  await ask({ kind: "import", file: {}, write: false });
  await ask({ kind: "raise-alert", text: "x" });
  await ask({ kind: "maintenance", on: true, returnVms: true });
  await ask({ kind: "maintenance", on: false, returnVms: true });
  assert.equal(asked.length, 14);
  assert.equal((await ask({ kind: "check" })).kind, "checks");
  assert.equal((await ask({ kind: "history", limit: 5 })).kind, "history");
  assert.equal((await ask({ kind: "get", scope: "pool" })).kind, "parameters");
});

test("what concerns the storage is refused with the host that leads", async () => {
  const { ask } = member();
  for (const request of [
    { kind: "switch", storageOnly: false },
    { kind: "become-secondary" },
    { kind: "forget-host", host: "xcp2" },
  ] as const) {
    const reply = await ask(request);
    assert.ok(reply.kind === "refused", reply.kind);
    assert.equal(reply.next, "say it on xcp1");
  }
});

test("explain names who decides about lost hosts", async () => {
  const { ask } = member();
  const reply = await ask({ kind: "explain" });
  assert.ok(reply.kind === "explanation");
  assert.match(reply.explanation.elsewhere ?? "", /ask xcp1/);
});

test("a leader that elects enables HA only when nothing stands against it; --force asks the decision alone", async () => {
  const config = {
    hosts,
    problems: [],
    pool: null,
    watchdogDevice: null,
    fence: { enabled: true },
    core: { fenceEnabled: false, timers: {} },
  } as unknown as Config;
  const { ask, control, fed } = member({
    config: () => config,
    snapshot: () => ({ ...snapshot, leads: true }),
    enableRefusals: async () => ["vm1 has auto_poweron"],
  });
  const refused = await ask({ kind: "enable", force: false });
  assert.ok(refused.kind === "refused");
  assert.match(refused.reason, /watchdog[\s\S]*auto_poweron/);
  assert.deepEqual(fed, []);
  const forced = ask({ kind: "enable", force: true });
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(fed, [{ kind: "command", id: 1, command: { kind: "enable", force: true } }]);
  control.settle({ kind: "command-reply", id: 1, outcome: "done", rule: null, text: "HA is enabled", next: "" });
  assert.deepEqual(await forced, done("HA is enabled"));
});

test("hosts are named in what the decision answers", async () => {
  const { ask, control } = member();
  const asked = ask({ kind: "disable", force: false });
  await new Promise((resolve) => setImmediate(resolve));
  const next = "say it on uuid-xcp1";
  control.settle({ kind: "command-reply", id: 1, outcome: "refused", rule: "D1", text: "only the leader", next });
  assert.deepEqual(await asked, { kind: "refused", rule: "D1", reason: "only the leader", next: "say it on xcp1" });
});
