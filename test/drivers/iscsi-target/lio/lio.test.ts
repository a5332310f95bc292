// The driver against a tree that is kept in memory: the scripts themselves run on the lab's kernel (`npm run lab -- run
// planned-switch --target lio`), their order and what is made of their answers is tried here.

import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { ExecOptions, ExecResult } from "../../../../src/drivers/exec/port.ts";
import { createExclusive } from "../../../../src/drivers/iscsi-target/exclusive.ts";
import { createLio } from "../../../../src/drivers/iscsi-target/lio/lio.ts";
import * as scripts from "../../../../src/drivers/iscsi-target/lio/scripts.ts";
import type { TargetPort, TargetSpec } from "../../../../src/drivers/iscsi-target/port.ts";
import { ok } from "../../../../src/util/result.ts";
import { exited } from "../../exec/scripted-exec.ts";
import { startFakeTarget, type FakeTarget } from "../fake-target.ts";

const nameOf = (script: string): string =>
  Object.entries(scripts).find(([, text]) => text === script)?.[0] ?? assert.fail("an unknown script");

const spec: TargetSpec = {
  iqn: "iqn.2026-11.test:iscsi1",
  tid: 1,
  luns: [{ resource: "iscsi1", device: "/dev/drbd1", lun: 10, scsiId: null, scsiSn: "0000000011" }],
  allow: ["ALL"],
  portal: { address: "10.10.10.3", port: 3260 },
};

interface World {
  /** Lines that a look shows. */
  shows: string[];
  rules: string;
  calls: { name: string; args: readonly string[] }[];
  /** What a script does to the world; its answer is then what the world shows. */
  does: Partial<Record<string, (args: readonly string[]) => ExecResult | void | Promise<ExecResult | void>>>;
}

describe("the kernel's target", () => {
  let target: FakeTarget;
  let world: World;
  let lio: TargetPort;
  /** Command lines that were run, and those that were expected, as JSON. */
  const ran: string[] = [];
  let expected: readonly string[] = [];
  const deaths: string[] = [];

  beforeEach(async () => {
    target = await startFakeTarget(true);
    deaths.length = ran.length = 0;
    const loopback = `portal 127.0.0.1:${target.portal.port}`;
    world = {
      shows: [],
      rules: "",
      calls: [],
      does: {
        WARM: () => void (world.shows = ["tpg 1", loopback]),
        FILL: () => void world.shows.push("lun 10 tandem.10.iscsi1", "store tandem.10.iscsi1 1 /dev/drbd1 0000000011"),
        OPEN: ([name = ""]) => void world.shows.push(`portal ${name}`),
        WITHDRAW: () => void (world.shows = []),
      },
    };
    const run = async (file: string, args: readonly string[], options: ExecOptions): Promise<ExecResult> => {
      if (file === "ip") {
        world.calls.push({ name: `ip ${args.join(" ")}`, args: (options.stdin ?? "").split("\n").filter(Boolean) });
        for (const line of (options.stdin ?? "").split("\n")) {
          const nobody = /^rule add blackhole from (\S+)/.exec(line)?.[1];
          const rule = /^rule add (from \S+ to \S+ lookup main) pref 17600/.exec(line)?.[1];
          if (nobody !== undefined) world.rules += `17601:\tfrom ${nobody} blackhole\n`;
          if (rule !== undefined) world.rules += `17600:\t${rule}\n`;
          if (line.startsWith("rule del")) world.rules = "";
        }
        return exited(0, world.rules);
      }
      assert.equal(file, "sh");
      ran.push(JSON.stringify(args));
      const [, script = "", , , , ...rest] = args;
      const name = nameOf(script);
      world.calls.push({ name, args: rest });
      const said = await world.does[name]?.(rest);
      return said ?? exited(0, world.shows.join("\n"));
    };
    const ahead: string[] = [];
    expected = ahead;
    const expect = (_file: string, args: readonly string[]): void => void ahead.push(JSON.stringify(args));
    lio = createLio({ run }, spec, {
      root: tmpdir(),
      loopback: target.portal,
      ownAddresses: () => ["10.10.10.1"],
      ahead: { port: { expect }, afterMs: 10 },
    });
    lio.onDeath((why) => deaths.push(why));
  });
  afterEach(async () => {
    await lio.withdraw();
    await target.close();
  });
  const made = (): readonly string[] => world.calls.map((call) => call.name);
  const serve = async (): Promise<void> => {
    for (const done of [await lio.warm(), await lio.fill(spec), await lio.openPortal(spec)]) assert.ok(done.ok);
  };

  it("is warm without a LUN, serves when filled and opened, and says who it is", async () => {
    await serve();
    const seen = await lio.observe();
    assert.deepEqual(seen.ok && seen.value, {
      running: true,
      pid: null,
      exported: ["iscsi1"],
      holds: true,
      portalOpen: true,
      allowed: ["ALL"],
      sessions: 0,
      writeCacheOff: true,
    });
    assert.deepEqual(world.calls.find((call) => call.name === "FILL")?.args, [
      "10",
      "tandem.10.iscsi1",
      "/dev/drbd1",
      "0000000011",
    ]);
  });

  it("expects a while before just what a hand-over then runs", async () => {
    await lio.warm();
    assert.deepEqual(expected, []);
    await delay(30);
    const before = [...expected];
    assert.equal(before.length, 3);
    for (const done of [await lio.fill(spec), await lio.openPortal(spec), await lio.withdraw()]) assert.ok(done.ok);
    assert.deepEqual(
      before.filter((one) => !ran.includes(one)),
      [],
    );
  });

  it("fills once", async () => {
    await serve();
    const again = await lio.fill(spec);
    assert.deepEqual(again, { ok: true, value: "already" });
    assert.equal(made().filter((name) => name === "FILL").length, 1);
  });

  it("gives a LUN without a serial number the same one on every host", async () => {
    await lio.warm();
    const [lun] = spec.luns;
    assert.ok(lun !== undefined);
    await lio.fill({ ...spec, luns: [{ ...lun, scsiSn: null }] });
    const serial = world.calls.find((call) => call.name === "FILL")?.args[3];
    assert.match(serial ?? "", /^[0-9a-f]{24}$/);
  });

  it("does not take a LUN with a write cache", async () => {
    await target.close();
    target = await startFakeTarget(false);
    const cached = createLio(
      { run: async () => exited(0, "tpg 1\nlun 10 tandem.10.iscsi1\nstore tandem.10.iscsi1 1 /dev/drbd1 0000000011") },
      spec,
      {
        loopback: target.portal,
      },
    );
    const filled = await cached.fill(spec);
    assert.ok(!filled.ok && filled.error.kind === "unverified");
    assert.match(filled.error.action, /write-cache off/);
  });

  it("does not call a LUN on another device filled", async () => {
    await lio.warm();
    world.does["FILL"] = () => void world.shows.push("lun 10 tandem.10.iscsi1", "store tandem.10.iscsi1 1 /dev/sdb");
    const filled = await lio.fill(spec);
    assert.ok(!filled.ok && filled.error.kind === "unverified");
  });

  for (const serial of ["", "0000000012"]) {
    it(`does not call a LUN with the serial number "${serial}" filled`, async () => {
      await lio.warm();
      const store = `store tandem.10.iscsi1 1 /dev/drbd1 ${serial}`;
      world.does["FILL"] = () => void world.shows.push("lun 10 tandem.10.iscsi1", store);
      const filled = await lio.fill(spec);
      assert.ok(!filled.ok && filled.error.kind === "unverified");
    });
  }

  it("holds a device that is enabled and not linked, and one that is not enabled it does not", async () => {
    await lio.warm();
    for (const on of [1, 0]) {
      world.shows = ["tpg 1", `store tandem.10.iscsi1 ${on} /dev/drbd1 `];
      const seen = await lio.observe();
      assert.deepEqual(seen.ok && [seen.value.exported, seen.value.holds], [[], on === 1]);
    }
  });

  it("is ended where the other target serves, with a device that it holds without a LUN", async () => {
    world.shows = ["store tandem.10.iscsi1 1 /dev/drbd1 "];
    const exclusive = createExclusive({ ...lio, warm: async () => ok("already") }, lio);
    assert.deepEqual(await exclusive.warm(), { ok: true, value: "already" });
    assert.deepEqual(world.shows, []);
  });

  for (const left of ["tpg 0", "portal 10.10.10.3:3260", "store tandem.10.iscsi1 1 /dev/drbd1 0000000011"]) {
    it(`is not withdrawn while "${left}" is left`, async () => {
      await serve();
      world.does["WITHDRAW"] = () => void (world.shows = [left]);
      const done = await lio.withdraw();
      assert.ok(!done.ok && done.error.kind === "unverified");
      world.does["WITHDRAW"] = () => void (world.shows = []);
    });
  }

  it("says that it hangs when the kernel does not let go", async () => {
    await serve();
    world.does["WITHDRAW"] = () => ({ kind: "timeout", pid: 7, afterMs: 3000 });
    const done = await lio.withdraw();
    assert.ok(!done.ok && done.error.kind === "timeout");
    assert.deepEqual(deaths, []);
  });

  it("bars by address: no route to it, and its sessions end, those of others do not", async () => {
    await serve();
    world.shows.push("dynamic iqn.x:peer", "dynamic iqn.x:own", "dynamic iqn.2026-11.local.tandem:watch");
    world.does["NAME"] = (names) => {
      world.shows = world.shows.filter((line) => !names.some((name) => line === `dynamic ${name}`));
      for (const name of names) world.shows.push(`acl ${name} ${name === "iqn.x:peer" ? "10.10.10.2" : "10.10.10.1"}`);
    };
    world.does["DROP"] = (names) => {
      world.shows = world.shows.filter((line) => !names.some((name) => line.startsWith(`acl ${name} `)));
    };
    const done = await lio.bar(spec, ["10.10.10.2"]);
    assert.deepEqual(done, { ok: true, value: "changed" });
    assert.deepEqual(world.calls.find((call) => call.name === "DROP")?.args, ["iqn.x:peer"]);
    assert.deepEqual(world.calls.find((call) => call.name === "NAME")?.args, ["iqn.x:peer", "iqn.x:own"]);
    const seen = await lio.observe();
    assert.ok(seen.ok);
    assert.deepEqual(seen.value.allowed, ["10.10.10.1"]);
    assert.equal(seen.value.sessions, 1);
    await lio.fill(spec);
    const after = await lio.observe();
    assert.deepEqual(after.ok && after.value.allowed, ["ALL"]);
  });

  it("leaves no entry to an initiator whose session ended before it was named: it would have no LUN", async () => {
    await serve();
    world.shows.push("dynamic iqn.x:own");
    world.does["NAME"] = () =>
      void (world.shows = world.shows.map((line) => line.replace(/^dynamic (.*)/, "acl $1 -")));
    world.does["DROP"] = (names) => {
      world.shows = world.shows.filter((line) => !names.some((name) => line.startsWith(`acl ${name} `)));
    };
    assert.ok((await lio.bar(spec, ["10.10.10.2"])).ok);
    assert.deepEqual(
      world.shows.filter((line) => line.startsWith("acl")),
      [],
    );
  });

  it("takes a network of all addresses for everybody: a rule for it is shown without it", async () => {
    await lio.warm();
    assert.ok((await lio.fill({ ...spec, allow: ["0.0.0.0/0"] })).ok);
    assert.equal(world.rules, "");
  });

  it("bars an IPv6 address however a person wrote it", async () => {
    await serve();
    world.shows.push("acl iqn.x:peer [fd00::2]");
    world.does["DROP"] = () => void (world.shows = world.shows.filter((line) => !line.startsWith("acl")));
    const wide = { ...spec, allow: ["fd00::1", "fd00::2"], portal: { address: "fd00::3", port: 3260 } };
    assert.deepEqual(await lio.bar(wide, ["fd00:0:0::2"]), { ok: true, value: "changed" });
    assert.deepEqual(world.calls.find((call) => call.name === "DROP")?.args, ["iqn.x:peer"]);
    assert.doesNotMatch(world.rules, /fd00::2/);
  });

  it("does not call an initiator barred whose session is still there", async () => {
    await serve();
    world.shows.push("acl iqn.x:peer 10.10.10.2");
    const done = await lio.bar(spec, ["10.10.10.2"]);
    assert.ok(!done.ok && done.error.kind === "unverified");
  });

  it("answers pings, and tells when its sessions end behind our back", async () => {
    await serve();
    target.ping(0x1234);
    for (let i = 0; i < 100 && target.received.length === 0; i++) await delay(5);
    const [answer] = target.received;
    assert.ok(answer !== undefined);
    assert.equal(answer[0], 0x40);
    assert.equal(answer.readUInt32BE(20), 0x1234);
    target.drop(true);
    for (let i = 0; i < 200 && deaths.length === 0; i++) await delay(5);
    assert.deepEqual(deaths, ["the kernel's target ended its sessions"]);
    assert.ok(made().includes("WITHDRAW"));
  });

  it("logs in again when only its own session ended, and tells nobody", async () => {
    await serve();
    const before = target.logins();
    target.drop(false);
    for (let i = 0; i < 200 && target.logins() === before; i++) await delay(5);
    assert.equal(target.logins(), before + 1);
    assert.deepEqual(deaths, []);
    assert.ok(!made().includes("WITHDRAW"));
  });

  it("does not call the portal open that an earlier configuration opened on another port", async () => {
    await serve();
    world.shows = world.shows.map((line) => (line === "portal 10.10.10.3:3260" ? "portal 10.10.10.3:3261" : line));
    const seen = await lio.observe();
    assert.equal(seen.ok && seen.value.portalOpen, false);
    assert.ok((await lio.openPortal(spec)).ok);
    const after = await lio.observe();
    assert.equal(after.ok && after.value.portalOpen, true);
  });

  it("logs in once, however many look at the same time", async () => {
    await world.does["WARM"]?.([]);
    const seen = await Promise.all([lio.warm(), lio.observe(), lio.observe()]);
    assert.ok(seen.every((one) => one.ok));
    await delay(100);
    assert.equal(target.logins(), 1);
  });

  it("takes it apart only after a change that is under way, and nobody fills it in the middle of that", async () => {
    await serve();
    const order: string[] = [];
    const slowly =
      (name: string, then: (args: readonly string[]) => ExecResult | void) =>
      async (args: readonly string[]): Promise<ExecResult | void> => {
        order.push(`${name} begins`);
        await delay(30);
        order.push(`${name} ends`);
        return then(args);
      };
    world.does["OPEN"] = slowly("OPEN", () => undefined);
    world.does["WITHDRAW"] = slowly("WITHDRAW", () => void (world.shows = []));
    world.does["FILL"] = slowly("FILL", () => exited(1, "", "there is no target"));
    const opening = lio.openPortal(spec);
    lio.end();
    lio.end();
    const filling = lio.fill(spec);
    await Promise.all([opening, filling]);
    assert.deepEqual(
      order,
      ["OPEN", "WITHDRAW", "FILL"].flatMap((name) => [`${name} begins`, `${name} ends`]),
    );
    assert.equal(deaths.length, 1);
  });

  it("reads the write cache back anew once a withdrawal was begun, however it ended", async () => {
    await serve();
    world.does["WITHDRAW"] = () => ({ kind: "timeout", pid: 7, afterMs: 3000 });
    await lio.withdraw();
    target.mute("all");
    const filled = await lio.fill(spec);
    assert.ok(!filled.ok && filled.error.kind === "timeout");
  });

  it("counts a target that refuses as one without an answer", async () => {
    await serve();
    const { host: address, port } = target.portal;
    const reached = { ...spec, portal: { address, port } };
    assert.equal(await lio.view(reached), "answers");
    const nowhere = { host: "127.0.0.1", port: 1 };
    const silent = createLio({ run: async () => exited(0) }, spec, { loopback: nowhere, requestTimeoutMs: 50 });
    assert.equal(await silent.view({ ...spec, portal: { address, port: 1 } }), "silent");
  });

  it("cannot be filled while an earlier script hangs in the kernel", async () => {
    await serve();
    world.does["LOOK"] = () => ({ kind: "busy", pid: 7 });
    const filled = await lio.fill(spec);
    assert.ok(!filled.ok && filled.error.kind === "busy");
    delete world.does["LOOK"];
  });

  it("is filled by one script and one change of rules, and rooms are made for its LUNs while it waits", async () => {
    await lio.warm();
    assert.deepEqual(world.calls.at(-1)?.args.slice(1), ["10", "tandem.10.iscsi1"]);
    world.calls = [];
    await lio.fill({ ...spec, allow: ["10.10.10.1"] });
    assert.deepEqual(made().toSorted(), ["FILL", "ip -batch -", "ip rule show"]);
  });

  it("is looked at before it is filled where nobody knows what is in it", async () => {
    await lio.warm();
    world.does["LOOK"] = () => ({ kind: "timeout", pid: 7, afterMs: 2000 });
    await lio.observe();
    delete world.does["LOOK"];
    world.calls = [];
    await lio.fill(spec);
    assert.deepEqual(
      made().filter((name) => !name.startsWith("ip")),
      ["LOOK", "FILL"],
    );
  });
});
