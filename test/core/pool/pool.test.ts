import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { idOf, World } from "./world.ts";

const lost = (world: World, n: number): readonly string[] =>
  [...world.database.keys()].filter((vm) => vm.startsWith(`${idOf(n)}-`));

describe("a pool with a storage pair and diskless members", () => {
  test("is quiet: two reports and two answers per member and period", () => {
    const world = new World({ hosts: 5, storage: true });
    world.run(10_000);
    const before = world.packets;
    world.run(60_000);
    // Three members and the second storage host, each to at most two hosts, every 750 ms.
    const rounds = 60_000 / 750;
    assert.ok(world.packets - before <= 7 * 2 * rounds * 1.05, `${world.packets - before} packets`);
    assert.deepEqual(world.stopped(), []);
    assert.deepEqual(world.did("pause-domains"), []);
  });

  test("a lost member's VMs start on the others after T_take, spread over them", () => {
    const world = new World({ hosts: 5, storage: true, vmsPerHost: 4 });
    world.run(10_000);
    world.powerOff(4);
    world.run(16_000);
    assert.deepEqual(world.did("recover-host"), [], "not before the member's lease and watchdog are over");
    world.run(10_000);
    assert.deepEqual(world.stopped(), []);
    assert.ok(new Set(lost(world, 4).map((vm) => world.running(vm))).size > 1, "on more than one host");
  });

  test("several members lost at once are handled side by side", () => {
    const world = new World({ hosts: 7, storage: true });
    world.run(10_000);
    for (const n of [5, 6, 7]) world.powerOff(n);
    world.run(25_000);
    assert.deepEqual(
      world
        .did("recover-host")
        .map((one) => one.hostId)
        .toSorted(),
      [idOf(5), idOf(6), idOf(7)],
    );
    assert.deepEqual(world.stopped(), []);
  });

  test("STRICT: all lost members are powered off at the same time, each with its own attempts", () => {
    const world = new World({ hosts: 7, storage: true, policy: "strict" });
    world.run(10_000);
    for (const n of [5, 6, 7]) world.powerOff(n);
    world.host(6).fenceWorks = false;
    world.run(9_000);
    const first = world.did("fence").slice(0, 3);
    assert.deepEqual(first.map((one) => one.hostId).toSorted(), [idOf(5), idOf(6), idOf(7)]);
    assert.ok((first[2]?.at ?? 0) - (first[0]?.at ?? 0) < 1_500);
    assert.deepEqual(
      [...lost(world, 5), ...lost(world, 7)].map((vm) => world.running(vm) !== undefined),
      [true, true, true, true],
    );
    world.run(120_000);
    assert.equal(world.did("fence").filter((one) => one.hostId === idOf(6)).length, 3);
    assert.deepEqual(world.stopped(), lost(world, 6), "never without proof");
    assert.ok(world.did("alert").some((one) => one.id === `lost:${idOf(6)}`));
  });

  test("a member that only the leader cannot reach is left alone: another host hears it", () => {
    const world = new World({ hosts: 5, storage: true });
    world.run(10_000);
    world.cut(1, 4);
    world.run(60_000);
    assert.deepEqual(world.did("pause-domains"), []);
    assert.deepEqual(world.did("recover-host"), []);
    assert.ok(world.did("alert").length > 0, "a person is told");
  });

  test("a member that is cut off pauses its VMs before they start elsewhere, and comes back without them", () => {
    const world = new World({ hosts: 5, storage: true });
    world.run(10_000);
    world.isolate(4);
    world.run(7_000);
    assert.deepEqual([...world.host(4).vms.values()], [true, true], "paused");
    assert.ok(world.host(4).armed, "and the watchdog is still fed");
    world.run(20_000);
    assert.deepEqual(world.stopped(), []);
    world.heal();
    world.run(20_000);
    assert.equal(world.host(4).vms.size, 0, "what XAPI forgot is destroyed");
    assert.deepEqual(
      world.hosts.map((host) => host.state.dead),
      [[], [], [], [], []],
    );
    assert.equal(world.host(4).state.softFenced, false);
    assert.deepEqual(world.stopped(), []);
  });

  test("a short break costs nothing: the VMs run on where they are", () => {
    const world = new World({ hosts: 5, storage: true });
    world.run(10_000);
    world.isolate(4);
    world.run(10_000);
    world.heal();
    world.run(10_000);
    assert.deepEqual(world.did("recover-host"), []);
    assert.deepEqual([...world.host(4).vms.values()], [false, false]);
  });

  test("a break that ends in the middle of the pause leaves no VM standing (simulator, seed 113)", () => {
    const world = new World({ hosts: 5, storage: true });
    world.run(10_000);
    world.isolate(4);
    while (world.host(4).state.doing === null) world.run(20);
    world.heal();
    world.run(10_000);
    assert.ok(world.did("pause-domains").length > 0, "it was under way");
    assert.deepEqual([...world.host(4).vms.values()], [false, false]);
    assert.equal(world.host(4).state.softFenced, false);
  });

  test("a daemon that starts on paused VMs lets them run on when a leader says so (D10, simulator, seed 369)", () => {
    const world = new World({ hosts: 5, storage: true });
    world.run(10_000);
    world.isolate(4);
    world.run(7_000);
    assert.deepEqual([...world.host(4).vms.values()], [true, true]);
    world.restartDaemon(4);
    world.heal();
    world.run(10_000);
    assert.deepEqual([...world.host(4).vms.values()], [false, false]);
  });

  test("members live on while the storage moves to its other host, which then leads them", () => {
    const world = new World({ hosts: 4, storage: true });
    world.run(10_000);
    world.powerOff(1);
    world.moveStorage(2);
    world.run(40_000);
    assert.deepEqual(world.did("pause-domains"), []);
    assert.equal(world.leader(), idOf(2));
    assert.ok(world.did("recover-supporters").length > 0, "they still pointed at the dead master");
    assert.ok(world.hosts.every((host) => !host.powered || host.masterId === idOf(2)));
    world.powerOff(4);
    world.run(30_000);
    assert.deepEqual(
      lost(world, 4).map((vm) => world.running(vm) !== undefined),
      [true, true],
      "two of four, one proven dead by the pair",
    );
  });

  test("of two storage hosts that call themselves master the pair's own rule tells one, not the pool's besides", () => {
    const world = new World({ hosts: 4, storage: true });
    world.run(10_000);
    const second = world.host(2);
    second.xapi = "master";
    second.masterId = second.id;
    world.run(15_000);
    assert.deepEqual(world.did("recover-supporters"), []);
    const member = world.host(4);
    member.masterId = second.id;
    world.run(15_000);
    assert.equal(
      world.did("recover-supporters").length,
      1,
      "a member that follows the other one is the pool's business",
    );
  });

  test("maintenance is confirmed when the others know of it, and refused where nobody would hear of it (D1)", () => {
    const world = new World({ hosts: 4, storage: true });
    world.run(10_000);
    const ask = (): void =>
      world.feed(world.host(4), { kind: "command", id: 7, command: { kind: "maintenance", on: true } });
    const outcomes = (): readonly string[] =>
      world.did("command-reply").map(({ outcome, rule }) => `${outcome} ${rule}`);
    ask();
    assert.deepEqual(outcomes(), [], "not before it is on disk and heard");
    world.run(2_000);
    assert.deepEqual(outcomes(), ["done null"]);
    world.feed(world.host(4), { kind: "command", id: 8, command: { kind: "maintenance", on: false } });
    world.run(2_000);
    ask();
    world.isolate(4);
    world.run(8_000);
    assert.deepEqual(outcomes().slice(2), ["failed D1"]);
    assert.equal(world.host(4).durable.flags.maintenance, false);
    ask();
    assert.deepEqual(outcomes().slice(3), ["refused D1"]);
  });

  test("a master that does not lead tells the members, when the leader's own toolstack follows it (A11)", () => {
    const world = new World({ hosts: 4, storage: true });
    world.run(10_000);
    world.host(1).xapi = "supporter";
    for (const n of [1, 2]) world.host(n).masterId = idOf(2);
    world.host(2).xapi = "master";
    world.run(20_000);
    assert.ok(world.did("recover-supporters").every(({ by }) => by === idOf(2)));
    assert.ok(world.hosts.every(({ masterId }) => masterId === idOf(2)));
  });

  test("both storage hosts lost: nobody leads, and a majority of members lives on", () => {
    const world = new World({ hosts: 5, storage: true });
    world.run(10_000);
    world.powerOff(1);
    world.powerOff(2);
    world.owner = null;
    world.run(120_000);
    assert.deepEqual(world.did("pause-domains"), []);
    assert.equal(world.leader(), undefined);
    assert.deepEqual(world.did("recover-host"), []);
  });

  test("HA off on the leader: every member follows, nothing is restarted, no watchdog is armed", () => {
    const world = new World({ hosts: 4, storage: true });
    world.run(10_000);
    world.ha = "off";
    world.run(2_000);
    assert.deepEqual(
      world.hosts.map((host) => host.state.durable.ha),
      ["off", "off", "off", "off"],
    );
    assert.deepEqual(
      [3, 4].map((n) => world.host(n).armed),
      [false, false],
    );
    world.isolate(3);
    world.powerOff(4);
    world.run(60_000);
    assert.deepEqual(world.did("recover-host"), []);
    assert.deepEqual([...world.host(3).vms.values()], [false, false], "and nobody stands still");
  });

  test("a member that the leader never heard is left alone until a person says that it is off (A19)", () => {
    const world = new World({ hosts: 5, storage: true });
    world.run(10_000);
    world.powerOff(4);
    world.run(1_000);
    world.restartDaemon(1);
    world.run(60_000);
    assert.deepEqual(world.did("recover-host"), []);
    const leader = world.host(1);
    world.feed(leader, { kind: "command", id: 1, command: { kind: "confirm-off", hostId: idOf(5) } });
    world.feed(leader, { kind: "command", id: 2, command: { kind: "confirm-off", hostId: idOf(4) } });
    assert.deepEqual(
      world.did("command-reply").map((one) => one.outcome),
      ["refused", "done"],
      "not for one that answers",
    );
    world.run(10_000);
    assert.deepEqual(world.stopped(), []);
  });

  test("an orderly stop of a member's daemon is neither missed nor barred (A7)", () => {
    const world = new World({ hosts: 4, storage: true });
    world.run(10_000);
    const host = world.host(4);
    world.feed(host, { kind: "command", id: 1, command: { kind: "pause" } });
    world.run(1_000);
    assert.ok(world.did("command-reply").some((one) => one.outcome === "done"));
    assert.equal(host.armed, false, "the watchdog let go");
    host.stalledUntil = world.now + 60_000;
    world.run(60_000);
    assert.deepEqual(world.did("recover-host"), []);
    assert.deepEqual(world.stopped(), []);
  });
});

describe("a pool without storage of ours", () => {
  test("is led by the host that has the master role", () => {
    const world = new World({ hosts: 3, storage: false });
    world.run(5_000);
    assert.equal(world.leader(), idOf(1));
    assert.deepEqual(
      world.hosts.map((host) => host.durable.owner),
      [idOf(1), idOf(1), idOf(1)],
    );
  });

  test("elects the winner, lowest UUID first, when its master is lost, and its VMs start", () => {
    const world = new World({ hosts: 5, storage: false });
    world.run(10_000);
    world.powerOff(1);
    world.run(60_000);
    assert.equal(world.leader(), idOf(2));
    assert.deepEqual(world.did("pause-domains"), []);
    assert.ok(world.hosts.every((host) => !host.powered || host.masterId === idOf(2)));
    assert.deepEqual(world.stopped(), []);
  });

  test("a leader whose lead ended asks anew, in a later epoch: its voters may have promised the other one", () => {
    const world = new World({ hosts: 3, storage: false });
    world.run(10_000);
    const { epoch } = world.host(1).state.durable;
    world.isolate(1);
    world.run(8_000);
    assert.equal(world.leader(), undefined);
    world.heal();
    world.run(8_000);
    assert.equal(world.leader(), idOf(1));
    assert.ok(world.host(1).state.durable.epoch > epoch);
  });

  test("a minority stands still, the majority goes on", () => {
    const world = new World({ hosts: 5, storage: false });
    world.run(10_000);
    for (const a of [1, 2]) for (const b of [3, 4, 5]) world.cut(a, b);
    world.run(60_000);
    assert.equal(world.leader(), idOf(3));
    assert.deepEqual(
      [1, 2].flatMap((n) => [...world.host(n).vms.values()]).filter((paused) => !paused),
      [],
    );
    assert.deepEqual(world.stopped(), []);
    world.heal();
    world.run(60_000);
    assert.deepEqual(
      world.hosts.map((host) => host.state.softFenced),
      [false, false, false, false, false],
    );
    assert.deepEqual(world.stopped(), []);
  });

  test("two halves of an even pool both stand still", () => {
    const world = new World({ hosts: 4, storage: false });
    world.run(10_000);
    for (const a of [1, 2]) for (const b of [3, 4]) world.cut(a, b);
    world.run(60_000);
    assert.equal(world.leader(), undefined);
    assert.deepEqual(world.did("recover-host"), []);
    world.heal();
    world.run(30_000);
    assert.equal(world.leader(), idOf(1));
    assert.deepEqual(world.stopped(), [], "and run on when they meet again");
  });

  test("the administrator's new master leads after him", () => {
    const world = new World({ hosts: 3, storage: false });
    world.run(10_000);
    world.host(1).xapi = "supporter";
    world.host(2).xapi = "master";
    for (const host of world.hosts) host.masterId = idOf(2);
    world.run(10_000);
    assert.equal(world.leader(), idOf(2));
    assert.deepEqual(world.did("pause-domains"), []);
  });
});
