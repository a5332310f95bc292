import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { describePoolFailure, type PoolContext } from "../../../src/act/pool/procedure.ts";
import type { Config } from "../../../src/config/config.ts";
import { known, unknown } from "../../../src/core/model/observation.ts";
import type { Snapshot } from "../../../src/daemon/brain/messages.ts";
import { ATTEMPTS_MS, createPlugWatch, PLUG_ALERT, type PlugWatch } from "../../../src/daemon/storage/plug-watch.ts";
import type { SessionFound } from "../../../src/drivers/iscsi-initiator/sessions.ts";
import type { PoolView, XapiValue } from "../../../src/drivers/xapi/port.ts";
import { err, ok } from "../../../src/util/result.ts";

const IQN = "iqn.2026-11.test:iscsi1";

/** One host with one SR behind the floating IP and one elsewhere; xapi does what `plugs` and `inUse` say. */
class World {
  now = 0;
  attached = false;
  /** xapi's answer to PBD.plug; null: it works. */
  plugFails: string | null = null;
  inUse = false;
  session: SessionFound = "in";
  serving = true;
  maintenance = false;
  readable = true;
  readonly calls: string[] = [];
  alert: string | null = null;
  readonly watch: PlugWatch;

  constructor() {
    const context = {
      gate: { openPool: async () => ok({ call: this.#call, logout: async () => undefined }) },
      signal: new AbortController().signal,
      progress: () => undefined,
      readMs: 1_000,
    } as unknown as PoolContext;
    this.watch = createPlugWatch({
      now: () => this.now,
      config: () =>
        ({ self: { uuid: "one" }, peer: { uuid: "two" }, storage: { vip: { address: "10.10.10.3" } } }) as Config,
      snapshot: () =>
        ({
          serving: this.serving,
          inContact: false,
          state: { durable: { flags: { maintenance: this.maintenance } } },
        }) as unknown as Snapshot,
      view: () => (this.readable ? known(this.#view(), 0) : unknown("xapi restarts", 0)),
      findSession: (iqn) => (iqn === IQN ? this.session : "unknown"),
      async perform(work, permitted = () => true) {
        const done = await work({ ...context, permitted });
        return done.ok ? done : err(describePoolFailure(done.error));
      },
      alerts: {
        raise: (id, text) => void (id === PLUG_ALERT && (this.alert = text)),
        clear: (id) => void (id === PLUG_ALERT && (this.alert = null)),
      },
      log: () => undefined,
    });
  }

  #view(): PoolView {
    const target = (address: string) => ({ target: address, targetIQN: IQN });
    return {
      hosts: [
        { ref: "h1", uuid: "one" },
        { ref: "h2", uuid: "two" },
      ],
      srs: [
        { ref: "s1", uuid: "sr-ours" },
        { ref: "s2", uuid: "sr-other" },
      ],
      pbds: [
        { ref: "p1", host: "h1", sr: "s1", attached: this.attached, deviceConfig: target("10.10.10.3") },
        { ref: "p2", host: "h2", sr: "s1", attached: false, deviceConfig: target("10.10.10.3") },
        { ref: "p3", host: "h1", sr: "s2", attached: false, deviceConfig: target("192.168.1.9") },
      ],
    } as unknown as PoolView;
  }

  readonly #call = async (method: string, [pbd]: readonly XapiValue[]) => {
    this.calls.push(`${method} ${typeof pbd === "string" ? pbd : "?"}`);
    const failed = (code: string) => err({ kind: "api" as const, code, params: [] as string[], method });
    if (method === "PBD.unplug" && this.inUse) return failed("VDI_IN_USE");
    if (method === "PBD.plug" && this.plugFails !== null) return failed(this.plugFails);
    this.attached = method === "PBD.plug";
    if (this.attached) this.session = "in";
    return ok("");
  };

  async seconds(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      this.now += 1_000;
      this.watch.look();
      for (let k = 0; k < 8; k++) await turn();
    }
  }
}

describe("storage that is not plugged", () => {
  it("is plugged once the storage serves, on this host and for our SR only", async () => {
    const world = new World();
    world.serving = false;
    await world.seconds(30);
    assert.deepEqual(world.calls, []);
    world.serving = true;
    await world.seconds(10);
    assert.deepEqual(world.calls, ["PBD.plug p1"]);
    assert.equal(world.alert, null);
  });

  it("is tried a bounded number of times, then told, and the alert ends with its cause", async () => {
    const world = new World();
    world.plugFails = "SR_BACKEND_FAILURE_68";
    await world.seconds(600);
    assert.equal(world.calls.length, ATTEMPTS_MS.length);
    assert.match(world.alert ?? "", /sr-ours is unplugged.*SR_BACKEND_FAILURE_68.*iscsi-cfg replug/);
    world.attached = true;
    await world.seconds(1);
    assert.equal(world.alert, null);
  });

  it("is tried again when the storage moves", async () => {
    const world = new World();
    world.plugFails = "SR_BACKEND_FAILURE_68";
    await world.seconds(600);
    world.serving = false;
    await world.seconds(2);
    world.serving = true;
    world.plugFails = null;
    await world.seconds(10);
    assert.equal(world.calls.length, ATTEMPTS_MS.length + 1);
    assert.equal(world.attached, true);
  });

  it("is tried again when the toolstack restarted in an outage, whose plugging at its start failed", async () => {
    const world = new World();
    world.attached = true;
    await world.seconds(5);
    world.serving = false;
    world.readable = false;
    await world.seconds(5);
    world.attached = false;
    world.serving = true;
    await world.seconds(5);
    world.readable = true;
    await world.seconds(20);
    assert.deepEqual(world.calls, ["PBD.plug p1"]);
    assert.equal(world.alert, null);
  });

  it("is left to a person who unplugged it later, and told", async () => {
    const world = new World();
    world.attached = true;
    await world.seconds(5);
    world.attached = false;
    await world.seconds(60);
    assert.deepEqual(world.calls, []);
    assert.match(world.alert ?? "", /sr-ours is unplugged/);
    assert.deepEqual(await world.watch.replug(), { ok: true, value: "SR sr-ours: is plugged" });
    await world.seconds(1);
    assert.equal(world.alert, null);
  });

  it("is not touched in maintenance", async () => {
    const world = new World();
    world.maintenance = true;
    await world.seconds(60);
    assert.deepEqual(world.calls, []);
  });

  it("is unplugged and plugged when xapi calls it plugged and its session is gone", async () => {
    const world = new World();
    world.attached = true;
    await world.seconds(5);
    world.session = "gone";
    await world.seconds(20);
    assert.deepEqual(world.calls, ["PBD.unplug p1", "PBD.plug p1"]);
    assert.equal(world.session, "in");
  });

  it("stays as it is while VMs use it, and a person is told", async () => {
    const world = new World();
    world.attached = true;
    world.session = "gone";
    world.inUse = true;
    await world.seconds(600);
    assert.equal(world.calls.filter((call) => call === "PBD.unplug p1").length, ATTEMPTS_MS.length);
    assert.ok(!world.calls.includes("PBD.plug p1"));
    assert.match(world.alert ?? "", /plugged without an iSCSI session.*VMs of this host still use it/);
    const said = await world.watch.replug();
    assert.ok(!said.ok && /VMs of this host still use it/.test(said.error));
  });

  it("is not called without a session where the kernel has no initiator to ask", async () => {
    const world = new World();
    world.attached = true;
    world.session = "unknown";
    await world.seconds(60);
    assert.deepEqual(world.calls, []);
  });
});
