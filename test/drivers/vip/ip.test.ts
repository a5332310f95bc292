// Command lines with a scripted exec and a scripted kernel view.

import assert from "node:assert/strict";
import type { networkInterfaces } from "node:os";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { createVip, isLocal, type NetworkView } from "../../../src/drivers/vip/ip.ts";
import { hasLocalRoute, parseArpingMac } from "../../../src/drivers/vip/parse.ts";
import type { VipSpec } from "../../../src/drivers/vip/port.ts";
import { exited, type ScriptedCall, scriptedExec } from "../exec/scripted-exec.ts";

const vip: VipSpec = { address: "10.10.10.3", prefix: 32, device: "repl" };
const folder = mkdtempSync(join(tmpdir(), "tandem-vip-"));
const notePath = join(folder, "vip.json");
after(() => rmSync(folder, { recursive: true }));
const add = "ip -batch -";
const remove = "ip -force -batch -";

type World = Record<string, string[]>;

function kernel(world: World, routes: string[] = []): NetworkView {
  const entry = (address: string) => ({
    address,
    family: address.includes(":") ? ("IPv6" as const) : ("IPv4" as const),
    netmask: "255.255.255.0",
    mac: "02:00:00:00:00:01",
    internal: false,
    cidr: null,
    scopeid: 0,
  });
  return {
    interfaces: () =>
      Object.fromEntries(
        Object.entries(world)
          .filter(([, list]) => list.length > 0)
          .map(([device, list]) => [device, list.map(entry)]),
      ) as ReturnType<typeof networkInterfaces>,
    exists: (device) => device in world,
    routes: () => routes.map((address) => `     |-- ${address}\n        /32 host LOCAL\n`).join(""),
    routes6: () => "",
  };
}

describe("the addresses of this host", () => {
  it("are told by the kernel's routes, with or without a carrier", () => {
    const without = kernel({ repl: [] }, ["10.10.10.1"]);
    assert.equal(isLocal("10.10.10.1", without), true);
    assert.equal(isLocal("10.10.10.2", without), false);
    assert.equal(isLocal("127.0.0.1"), true);
    assert.equal(isLocal("192.0.2.77"), false);
  });
});

describe("floating IP, looking", () => {
  const look = (world: World) => createVip(scriptedExec(), { notePath, view: kernel(world) }).observe(vip);
  it("tells present, absent and an interface that is not there, without a process", () => {
    assert.deepEqual(look({ repl: ["10.10.10.1", "10.10.10.3"] }), { kind: "present", device: "repl" });
    assert.deepEqual(look({ repl: ["10.10.10.1"], mgmt: ["10.10.10.3"] }), { kind: "present", device: "mgmt" });
    assert.deepEqual(look({ repl: ["10.10.10.1"] }), { kind: "absent" });
    assert.deepEqual(look({ repl: [] }), { kind: "absent" });
    assert.deepEqual(look({ mgmt: ["192.168.1.241"] }), { kind: "no-interface", device: "repl" });
  });
});

describe("floating IP, adding", () => {
  it("adds address and route with one process and looks again", async () => {
    const world = { repl: ["10.10.10.1"] };
    const exec = scriptedExec({
      [add]: (call: ScriptedCall) => {
        assert.equal(
          call.options?.stdin,
          "address add 10.10.10.3/32 dev repl\nroute replace local 10.10.10.3 dev repl table local src 10.10.10.1\n",
        );
        world.repl.push("10.10.10.3");
        return exited(0);
      },
    });
    assert.deepEqual(await createVip(exec, { notePath, view: kernel(world) }).ensurePresent(vip), {
      ok: true,
      value: "changed",
    });
    assert.deepEqual(exec.commandLines(), [add]);
  });

  it("does nothing when it is there, and refuses when it is on another interface or has none", async () => {
    const exec = scriptedExec();
    const ensure = (world: World) => createVip(exec, { notePath, view: kernel(world) }).ensurePresent(vip);
    assert.deepEqual(await ensure({ repl: ["10.10.10.1", "10.10.10.3"] }), { ok: true, value: "already" });
    for (const world of [{ repl: ["10.10.10.1"], mgmt: ["10.10.10.3"] }, { mgmt: ["1.2.3.4"] }]) {
      const refused = await ensure(world);
      assert.ok(!refused.ok && refused.error.kind === "unverified");
    }
    assert.deepEqual(exec.commandLines(), []);
  });

  it("does not believe an exit code of 0, and hands on a failure", async () => {
    const world = { repl: ["10.10.10.1"] };
    const lied = await createVip(scriptedExec({ [add]: exited(0) }), { notePath, view: kernel(world) }).ensurePresent(
      vip,
    );
    assert.ok(!lied.ok && lied.error.kind === "unverified");
    const failed = await createVip(scriptedExec({ [add]: exited(1, "", "RTNETLINK") }), {
      notePath,
      view: kernel(world),
    }).ensurePresent(vip);
    assert.ok(!failed.ok && failed.error.kind === "exit");
  });

  it("is content with the address when only its route failed", async () => {
    const world = { repl: ["10.10.10.1"] };
    const exec = scriptedExec({
      [add]: () => {
        world.repl.push("10.10.10.3");
        return exited(1, "", "RTNETLINK answers: Invalid argument");
      },
    });
    assert.deepEqual(await createVip(exec, { notePath, view: kernel(world) }).ensurePresent(vip), {
      ok: true,
      value: "changed",
    });
  });

  it("adds an IPv6 address without duplicate detection, and a route of ours in the place of the kernel's", async () => {
    const world: World = { repl: ["fd00::1"] };
    const exec = scriptedExec({
      [add]: (call) => {
        assert.equal(
          call.options?.stdin,
          [
            "address add fd00::3/128 dev repl nodad",
            "route replace local fd00::3 dev repl table local src fd00::1",
            "",
          ].join("\n"),
        );
        world["repl"]?.push("fd00::3");
        return exited(0);
      },
    });
    const six = { address: "fd00::3", prefix: 128, device: "repl" };
    assert.deepEqual(await createVip(exec, { notePath, view: kernel(world) }).ensurePresent(six), {
      ok: true,
      value: "changed",
    });
  });
});

describe("floating IP, removing", () => {
  it("removes address and route with one process and looks for both", async () => {
    const world = { repl: ["10.10.10.1", "10.10.10.3"] };
    const routes = ["10.10.10.1", "10.10.10.3"];
    const exec = scriptedExec({
      [remove]: (call: ScriptedCall) => {
        assert.equal(
          call.options?.stdin,
          "address del 10.10.10.3/32 dev repl\nroute del local 10.10.10.3 dev repl table local\n",
        );
        world.repl.pop();
        routes.pop();
        return exited(1, "", "one of the two was gone with the other");
      },
    });
    const port = createVip(exec, { notePath, view: kernel(world, routes) });
    assert.deepEqual(await port.ensureAbsent(vip), { ok: true, value: "changed" });
    assert.deepEqual(await port.ensureAbsent(vip), { ok: true, value: "already" });
    assert.deepEqual(exec.commandLines(), [remove]);
  });

  it("removes a route that outlived its address", async () => {
    const routes = ["10.10.10.3"];
    const exec = scriptedExec({
      [remove]: (call: ScriptedCall) => {
        assert.equal(call.options?.stdin, "route del local 10.10.10.3 dev repl table local\n");
        routes.pop();
        return exited(0);
      },
    });
    const port = createVip(exec, { notePath, view: kernel({ repl: ["10.10.10.1"] }, routes) });
    assert.deepEqual(await port.ensureAbsent(vip), { ok: true, value: "changed" });
  });

  it("is not done while the address or the route is there", async () => {
    for (const [world, routes] of [
      [{ repl: ["10.10.10.1", "10.10.10.3"] }, []],
      [{ repl: ["10.10.10.1"] }, ["10.10.10.3"]],
    ] as const) {
      const mutable = { repl: [...world.repl] };
      const port = createVip(scriptedExec({ [remove]: exited(0) }), { notePath, view: kernel(mutable, [...routes]) });
      const result = await port.ensureAbsent(vip);
      assert.ok(!result.ok && result.error.kind === "unverified");
    }
  });

  it("takes it from the interface where it is", async () => {
    const world = { repl: ["10.10.10.1"], mgmt: ["10.10.10.3"] };
    const exec = scriptedExec({
      [remove]: (call: ScriptedCall) => {
        assert.match(call.options?.stdin ?? "", /^address del 10.10.10.3\/32 dev mgmt\n/);
        world.mgmt.pop();
        return exited(0);
      },
    });
    assert.equal((await createVip(exec, { notePath, view: kernel(world) }).ensureAbsent(vip)).ok, true);
  });
});

describe("floating IP, announcing and asking", () => {
  const question = "arping -D -c 2 -w 1 -I repl 10.10.10.3";

  it("announces at once, twice again, and no more after the address is gone", async (context) => {
    context.mock.timers.enable({ apis: ["setTimeout"] });
    const world = { repl: ["10.10.10.1", "10.10.10.3"] };
    const exec = scriptedExec();
    const port = createVip(exec, { notePath, view: kernel(world) });
    port.announce(vip);
    const line = "arping -U -c 1 -I repl 10.10.10.3";
    assert.deepEqual(exec.commandLines(), [line]);
    context.mock.timers.tick(200);
    assert.deepEqual(exec.commandLines(), [line, line]);
    world.repl.pop();
    context.mock.timers.tick(800);
    assert.equal(exec.commandLines().length, 2);
    world.repl.push("10.10.10.3");
    port.announce(vip);
    world.repl.pop();
    await port.ensureAbsent(vip);
    world.repl.push("10.10.10.3");
    context.mock.timers.tick(5000);
    assert.equal(exec.commandLines().length, 3, "removing the address stops what was still to come");
  });

  it("reads who answered, and tells a failure to ask from silence", async () => {
    const world = { repl: ["10.10.10.1"] };
    const ask = async (answer: ReturnType<typeof exited>) =>
      await createVip(scriptedExec({ [question]: answer }), { notePath, view: kernel(world) }).conflict(vip);
    const answered = "ARPING 10.10.10.3 from 0.0.0.0 repl\nUnicast reply from 10.10.10.3 [02:AB:00:00:00:02]  0.6ms\n";
    assert.deepEqual(await ask(exited(1, answered)), {
      ok: true,
      value: { kind: "answered", mac: "02:ab:00:00:00:02" },
    });
    assert.deepEqual(await ask(exited(0, "Sent 2 probes\nReceived 0 response(s)\n")), {
      ok: true,
      value: { kind: "free" },
    });
    const failed = await ask(exited(2, "", "arping: Device repl not available.\n"));
    assert.ok(!failed.ok && failed.error.kind === "exit");
    const strange = await ask(exited(1, "Received 1 response(s)\n"));
    assert.ok(!strange.ok, "an answer without a MAC address is not free");
  });
});

describe("reading arping and the routing tree", () => {
  it("reads both makes of arping", () => {
    assert.equal(parseArpingMac("Unicast reply from 10.0.0.3 [AA:BB:CC:00:11:22]  0.7ms"), "aa:bb:cc:00:11:22");
    assert.equal(
      parseArpingMac("42 bytes from 02:ab:00:00:00:02 (10.0.0.3): index=0 time=5 usec"),
      "02:ab:00:00:00:02",
    );
    assert.equal(parseArpingMac("Sent 2 probes (2 broadcast(s))\nReceived 0 response(s)"), null);
  });

  it("does not take a part of an address or another kind of route for the local route", () => {
    const tree = [
      "Local:",
      "  +-- 0.0.0.0/0 3 0 5",
      "     |-- 10.10.10.30",
      "        /32 host LOCAL",
      "     |-- 10.10.10.3",
      "        /32 link UNICAST",
      "     |-- 10.10.10.255",
      "        /32 link BROADCAST",
    ].join("\n");
    assert.equal(hasLocalRoute(tree, "10.10.10.3"), false);
    assert.equal(hasLocalRoute(tree, "10.10.10.30"), true);
    assert.equal(hasLocalRoute(tree, "10.10.10.255"), false);
  });
});
