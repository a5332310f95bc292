// maintenance on|off step by step: the order, every refusal, what an interrupted one leaves, and how it is taken up again.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Config } from "../../../src/config/config.ts";
import { known } from "../../../src/core/model/observation.ts";
import type { KeptMaintenance } from "../../../src/daemon/requests/maintenance-cache.ts";
import { createMaintenance, type MaintenanceParts } from "../../../src/daemon/requests/maintenance.ts";
import type { Snapshot } from "../../../src/daemon/brain/messages.ts";
import type { ControlReply } from "../../../src/drivers/control/port.ts";
import type { PoolView } from "../../../src/drivers/xapi/port.ts";
import { err, ok } from "../../../src/util/result.ts";
import { servingWorld } from "../../sim/world.ts";

const done: ControlReply = { kind: "done", text: "" };
const HOST = { management: "", replication: "" };

/** Host a of a healthy simulated pair, its pool and its disk; every step is written down. */
class Host {
  readonly world = servingWorld();
  readonly steps: string[] = [];
  readonly told: string[] = [];
  kept: KeptMaintenance | null = null;
  vms = ["vm-1", "vm-2"];
  contact = true;
  stuck: string[] = [];
  switchReply: ControlReply = done;
  busy = 0;
  clock = 0;
  flagged = false;
  owns = true;
  role: "master" | "supporter" = "master";
  peerInMaintenance = false;
  masterOnly = false;

  snapshot(): Snapshot {
    const state = this.world.state("a");
    const body = state.peer.body;
    const flags = { manual: false, maintenance: this.peerInMaintenance };
    return {
      inContact: this.contact,
      state: {
        ...state,
        durable: {
          ...state.durable,
          owner: this.owns ? "a" : "b",
          flags: { manual: false, maintenance: this.flagged },
        },
        xapi: known({ role: this.role, masterId: null }, 0),
        peer: { ...state.peer, body: body === null ? null : { ...body, flags } },
      },
    } as Snapshot;
  }

  maintenance(): ReturnType<typeof createMaintenance> {
    const step = (text: string): void => void this.steps.push(text);
    const parts: MaintenanceParts = {
      command: async (body) => {
        step(body.kind === "maintenance" ? `flag ${body.on}` : body.kind);
        if (body.kind === "maintenance") this.flagged = body.on;
        if (body.kind === "switch" && this.switchReply.kind === "done") {
          this.owns = false;
          this.role = "supporter";
        }
        return body.kind === "switch" ? this.switchReply : done;
      },
      // The procedures are put in below; what they would ask of xapi is not looked at.
      perform: async (work) => {
        if (this.busy > 0) {
          this.busy -= 1;
          return err("the toolstack restarts");
        }
        const result = await work({} as Parameters<typeof work>[0]);
        return result.ok ? result : err("failed");
      },
      designatePeer: async () => {
        step("designate");
        this.role = "supporter";
        return ok("");
      },
      snapshot: () => this.snapshot(),
      view: () =>
        known(
          {
            hosts: [{ uuid: "a", ref: "ref-a" }],
            vms: this.vms.map((name) => ({ uuid: name, ref: `ref-${name}`, name, residentOn: "ref-a" })),
          } as unknown as PoolView,
          0,
        ),
      config: () => ({
        vm: { masterOnly: this.masterOnly } as Config["vm"],
        self: { ...HOST, uuid: "a", name: "xcp1" },
        peer: { ...HOST, uuid: "b", name: "xcp2" },
      }),
      clock: {
        now: () => this.clock,
        wallMs: () => this.clock,
        sleep: async (ms) => void (this.clock += ms),
      },
      cache: {
        load: async () => this.kept,
        save: async (value) => {
          this.kept = value;
          return ok("saved");
        },
      },
      log: () => undefined,
      times: { toolstackMs: 10_000, resyncMs: 5_000, everyMs: 100, tellMs: 1_000 },
      pool: {
        disable: async () => (step("disable"), ok("changed")),
        enable: async () => (step("enable"), ok("changed")),
        evacuate: async () => {
          step("evacuate");
          const left = this.vms.filter((vm) => this.stuck.includes(vm)).map((name) => ({ uuid: name, name }));
          this.vms = left.map(({ name }) => name);
          return ok({ left, blocked: left.map(({ name }) => ({ vmRef: `ref-${name}`, because: "VM_LACKS_FEATURE" })) });
        },
        bringBack: async (_context, { vmUuids }) => {
          step(`bring back ${vmUuids.join(" ")}`);
          return ok({ moved: [...vmUuids], stayed: [] });
        },
      },
    };
    return createMaintenance(parts);
  }

  begin = (): Promise<ControlReply> => this.maintenance().begin((text) => void this.told.push(text));
  end = (returnVms = true): Promise<ControlReply> =>
    this.maintenance().end(returnVms, (text) => void this.told.push(text));
}

test("on: no new VMs, VMs away, storage and role away, and only then HA holds; off leads back", async () => {
  const host = new Host();
  const reply = await host.begin();
  assert.equal(reply.kind, "done");
  // The toolstack enables its host when it restarts with the master role: disabled again.
  assert.deepEqual(host.steps, ["disable", "evacuate", "switch", "disable", "flag true"]);
  assert.deepEqual(host.kept, { phase: "held", moved: ["vm-1", "vm-2"], returnVms: true });
  assert.ok(host.told.length >= 3);
  assert.equal((await host.begin()).kind, "done", "a second time there is nothing to do");
  host.steps.length = 0;
  const back = await host.end();
  assert.ok(back.kind === "done" && /Back here: vm-1, vm-2/.test(back.text), JSON.stringify(back));
  assert.deepEqual(host.steps, ["flag false", "enable", "bring back vm-1 vm-2"]);
  assert.equal(host.kept, null);
  assert.equal((await host.end()).kind, "done", "not in maintenance is no error");
});

test("off --leave-vms leaves the VMs where they are", async () => {
  const host = new Host();
  await host.begin();
  host.steps.length = 0;
  await host.end(false);
  assert.deepEqual(host.steps, ["flag false", "enable"]);
});

test("a supporter without storage only empties itself; one that has the role alone hands it over", async () => {
  const plain = new Host();
  plain.owns = false;
  plain.role = "supporter";
  await plain.begin();
  assert.deepEqual(plain.steps, ["disable", "evacuate", "disable", "flag true"]);
  const role = new Host();
  role.owns = false;
  await role.begin();
  assert.deepEqual(role.steps, ["disable", "evacuate", "designate", "disable", "flag true"]);
});

const refusals: readonly (readonly [string, (host: Host) => void, RegExp])[] = [
  ["a silent peer", (host) => (host.contact = false), /does not answer/],
  ["VMs of another manager", (host) => (host.masterOnly = true), /MASTER_ONLY is 1, and vm-1, vm-2 run here/],
  ["a peer in maintenance", (host) => (host.peerInMaintenance = true), /xcp2 is in maintenance itself/],
];
for (const [name, bend, reason] of refusals) {
  test(`${name}: refused before anything is touched`, async () => {
    const host = new Host();
    bend(host);
    const reply = await host.begin();
    assert.ok(reply.kind === "refused" && reason.test(reply.reason), JSON.stringify(reply));
    assert.deepEqual([host.steps, host.kept], [[], null]);
  });
}

test("a copy that is not up to date: refused, the storage could not move", async () => {
  const host = new Host();
  host.world.links.replication.a = false;
  host.world.run(3_000);
  const reply = await host.begin();
  assert.ok(reply.kind === "refused" && /not up to date/.test(reply.reason), JSON.stringify(reply));
  assert.deepEqual(host.steps, []);
});

test("a VM that cannot move: the host goes back into service and the VM is named with the reason", async () => {
  const host = new Host();
  host.stuck = ["vm-2"];
  const reply = await host.begin();
  assert.ok(reply.kind === "failed" && /vm-2 \(VM_LACKS_FEATURE\)/.test(reply.reason), JSON.stringify(reply));
  assert.deepEqual(host.steps, ["disable", "evacuate", "enable"]);
  assert.equal(host.flagged, false);
  host.steps.length = 0;
  await host.end();
  assert.deepEqual(host.steps, ["flag false", "enable", "bring back vm-1 vm-2"], "off brings back what had moved");
});

test("a switch that is refused stops it; HA does not hold, and off leads back", async () => {
  const host = new Host();
  host.switchReply = { kind: "refused", rule: "A9", reason: "a resync runs", next: "wait" };
  assert.deepEqual(await host.begin(), host.switchReply);
  assert.deepEqual([host.kept?.phase, host.flagged], ["stopped", false]);
  await host.maintenance().resume();
  assert.deepEqual(host.steps, ["disable", "evacuate", "switch"], "nothing goes on by itself after a failure");
});

test("a daemon that restarts in the middle goes on with it, in both directions", async () => {
  const entering = new Host();
  entering.kept = { phase: "entering", moved: ["vm-0"], returnVms: true };
  await entering.maintenance().resume();
  assert.deepEqual(entering.steps, ["disable", "evacuate", "switch", "disable", "flag true"]);
  assert.deepEqual(entering.kept, { phase: "held", moved: ["vm-0", "vm-1", "vm-2"], returnVms: true });
  const leaving = new Host();
  leaving.kept = { phase: "leaving", moved: ["vm-0"], returnVms: false };
  leaving.flagged = true;
  await leaving.maintenance().resume();
  assert.deepEqual(leaving.steps, ["flag false", "enable"]);
  assert.equal(leaving.kept, null);
});

test("a host that boots in maintenance is disabled again, as soon as its toolstack answers", async () => {
  const host = new Host();
  host.kept = { phase: "held", moved: [], returnVms: true };
  host.flagged = true;
  host.busy = 5;
  await host.maintenance().resume();
  assert.deepEqual(host.steps, ["disable"]);
  assert.equal(host.flagged, true);
});

test("off while the other host is silent: HA counts this host at once, the rest follows when a toolstack answers", async () => {
  const host = new Host();
  host.kept = { phase: "held", moved: [], returnVms: true };
  host.flagged = true;
  host.contact = false;
  host.busy = 3;
  const reply = await host.end();
  assert.ok(reply.kind === "done" && /xcp2 does not answer/.test(reply.text), JSON.stringify(reply));
  assert.deepEqual([host.flagged, host.steps], [false, ["flag false"]]);
  while (host.kept !== null) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(host.steps, ["flag false", "enable"]);
});

test("one procedure at a time", async () => {
  const host = new Host();
  const both = host.maintenance();
  const first = both.begin(() => undefined);
  const second = await both.end(true, () => undefined);
  assert.ok(second.kind === "refused" && /being entered just now/.test(second.reason));
  assert.equal((await first).kind, "done");
});
