// Every command line of the driver, with a scripted exec in the place of DRBD.

import assert from "node:assert/strict";
import { setImmediate as turn, setTimeout as delay } from "node:timers/promises";
import { describe, it } from "node:test";
import type { Instant, Millis } from "../../../src/core/model/time.ts";
import type { DrbdView } from "../../../src/core/model/drbd.ts";
import type { ClockPort } from "../../../src/drivers/clock/port.ts";
import { createDrbd } from "../../../src/drivers/drbd/drbdadm.ts";
import { exited, scriptedExec, type Answer } from "../exec/scripted-exec.ts";
import { captures84, fixture, output } from "./fixtures.ts";

const look = "drbdsetup events2 --now --statistics";
const stream = "drbdsetup events2 --statistics";
const status8 = "drbdsetup status --verbose --statistics";
const status9 = "drbdsetup status --json";

/** One resource, iscsi1 on minor 1, as 8.4 dumps it. */
function dump(role: string, disk = "UpToDate", connection = "Connected", suspended = "no"): string {
  return [
    `exists resource name:iscsi1 role:${role} suspended:${suspended} write-ordering:flush`,
    `exists connection name:iscsi1 peer-node-id:0 conn-name:peer connection:${connection} role:Secondary congested:no`,
    `exists device name:iscsi1 volume:0 minor:1 disk:${disk} size:1000`,
    "exists peer-device name:iscsi1 peer-node-id:0 conn-name:peer volume:0 replication:Established peer-disk:UpToDate out-of-sync:0",
    "exists -",
    "",
  ].join("\n");
}

/** Sleeps end only when the test says so, or by their signal. */
function handClock(): ClockPort & { readonly sleeps: Millis[]; wake(): void } {
  const sleeps: Millis[] = [];
  let wakers: (() => void)[] = [];
  let now: Instant = 0;
  return {
    sleeps,
    wake: () => {
      for (const one of wakers.splice(0)) one();
    },
    now: () => now++,
    wallMs: () => 0,
    sleep(ms, signal) {
      sleeps.push(ms);
      return new Promise((resolve) => {
        wakers.push(resolve);
        signal?.addEventListener("abort", () => resolve(), { once: true });
        if (signal?.aborted === true) resolve();
        wakers = wakers.slice(-20);
      });
    },
  };
}

function setUp(
  script: Readonly<Record<string, Answer | readonly Answer[]>>,
  version: string | null = "8.4.11",
  handlerRuns = false,
) {
  const exec = scriptedExec(script);
  const clock = handClock();
  let module = version;
  const expected: string[] = [];
  const expect = (file: string, args: readonly string[]): void => void expected.push([file, ...args].join(" "));
  const drbd = createDrbd(exec, clock, {
    module: { version: () => module },
    handlerRuns: () => handlerRuns,
    ahead: { port: { expect }, afterMs: 20 },
    ours: () => ["iscsi1", "iscsi2"],
  });
  return { exec, clock, drbd, expected, load: (loaded: string) => (module = loaded) };
}

describe("DRBD commands on 8.4, without a followed stream", () => {
  const cases = [
    { verb: "promote", line: "drbdsetup primary 1", before: dump("Secondary"), after: dump("Primary") },
    { verb: "demote", line: "drbdsetup secondary 1", before: dump("Primary"), after: dump("Secondary") },
    {
      verb: "outdate",
      line: "drbdsetup outdate 1",
      before: dump("Secondary", "UpToDate", "Connecting"),
      after: dump("Secondary", "Outdated", "Connecting"),
    },
    {
      verb: "connect",
      line: "drbdadm connect iscsi1",
      before: dump("Secondary", "UpToDate", "StandAlone"),
      after: dump("Secondary", "UpToDate", "Connecting"),
    },
    {
      verb: "resumeIo",
      line: "drbdsetup resume-io 1",
      before: dump("Primary", "UpToDate", "Connecting", "fencing"),
      after: dump("Primary", "UpToDate", "Connecting"),
    },
  ] as const;

  for (const { verb, line, before, after } of cases) {
    it(`${verb} looks, acts and looks again`, async () => {
      const { exec, drbd } = setUp({ [look]: [exited(0, before), exited(0, after)], [line]: exited(0) });
      assert.deepEqual(await drbd[verb]("iscsi1"), { ok: true, value: "changed" });
      assert.deepEqual(exec.commandLines(), [look, line, look]);
    });

    it(`${verb} does not believe an exit code of 0 when nothing changed`, async () => {
      const { drbd } = setUp({ [look]: exited(0, before), [line]: exited(0) });
      const result = await drbd[verb]("iscsi1");
      assert.ok(!result.ok && result.error.kind === "unverified", JSON.stringify(result));
    });

    it(`${verb} hands on an exit code with its text, a hang and a lane that is held`, async () => {
      for (const [answer, kind] of [
        [exited(11, "", "1: State change failed: (-12) Device is held open by someone\n"), "exit"],
        [{ kind: "timeout", pid: 77, afterMs: 5000 }, "timeout"],
        [{ kind: "busy", pid: 77 }, "busy"],
        [{ kind: "not-started", reason: "ENOENT" }, "missing"],
      ] as const) {
        const { drbd } = setUp({ [look]: exited(0, before), [line]: answer });
        const result = await drbd[verb]("iscsi1");
        assert.ok(!result.ok && result.error.kind === kind, JSON.stringify(result));
        if (result.error.kind === "exit") assert.equal(result.error.code, 11);
      }
    });
  }

  it("asks the kernel to demote although the picture shows a Secondary: a picture may lag", async () => {
    const { exec, drbd } = setUp({ [look]: exited(0, dump("Secondary")), "drbdsetup secondary 1": exited(0) });
    assert.deepEqual(await drbd.demote("iscsi1"), { ok: true, value: "already" });
    assert.ok(exec.commandLines().includes("drbdsetup secondary 1"));
  });

  it("takes an Inconsistent copy for as good as outdated, because DRBD refuses both alike", async () => {
    const { drbd } = setUp({
      [look]: exited(0, dump("Secondary", "Inconsistent", "Connecting")),
      "drbdsetup outdate 1": exited(17, "", "Disk state is lower than outdated"),
    });
    assert.deepEqual(await drbd.outdate("iscsi1"), { ok: true, value: "already" });
  });

  it("does not take a refused outdate of an UpToDate copy for done", async () => {
    const { drbd } = setUp({
      [look]: exited(0, dump("Secondary", "UpToDate", "Connecting")),
      "drbdsetup outdate 1": exited(11, "", "refused"),
    });
    const result = await drbd.outdate("iscsi1");
    assert.ok(!result.ok && result.error.kind === "exit");
  });

  describe("abandon", () => {
    const given = {
      "drbdsetup resource-options iscsi1 --on-no-data-accessible=io-error": exited(0),
      "drbdsetup detach 1 --force": exited(0),
      "drbdsetup resume-io 1": exited(0),
      "drbdsetup secondary 1": exited(0),
      "drbdadm down iscsi1": exited(0),
      "drbdadm up iscsi1": exited(0),
    };
    const stuck = exited(0, dump("Primary", "UpToDate", "Connecting", "fencing"));

    it("lets the writes fail, thaws when the disk is gone, demotes, and sets the resource up anew", async () => {
      const { exec, drbd } = setUp({ [look]: [stuck, exited(0, dump("Primary", "Diskless", "Connecting"))], ...given });
      assert.deepEqual(await drbd.abandon("iscsi1"), { ok: true, value: "changed" });
      assert.deepEqual(
        exec.commandLines().filter((line) => line !== look),
        Object.keys(given),
      );
    });

    it("does not thaw a disk that is still there: that would begin a new generation on it", async () => {
      const { exec, drbd } = setUp({ [look]: stuck, ...given });
      const result = await drbd.abandon("iscsi1");
      assert.ok(!result.ok && result.error.kind === "unverified", JSON.stringify(result));
      assert.ok(!exec.commandLines().includes("drbdsetup resume-io 1"));
    });
  });

  it("gives up a connection that DRBD still believes in before it outdates", async () => {
    const { exec, drbd } = setUp({
      [look]: [exited(0, dump("Secondary")), exited(0, dump("Secondary", "Outdated", "StandAlone"))],
      "drbdadm disconnect --force iscsi1": exited(0),
      "drbdsetup outdate 1": exited(0),
    });
    assert.deepEqual(await drbd.outdate("iscsi1"), { ok: true, value: "changed" });
    assert.deepEqual(exec.commandLines().slice(1, 3), ["drbdadm disconnect --force iscsi1", "drbdsetup outdate 1"]);
  });

  it("lifts no suspension while DRBD waits for its handler, or acts on its answer", async () => {
    const { exec, drbd } = setUp(
      { [look]: exited(0, dump("Primary", "UpToDate", "Connecting", "fencing")) },
      "8.4.11",
      true,
    );
    const done = await drbd.resumeIo("iscsi1");
    assert.ok(!done.ok && done.error.kind === "unverified");
    assert.deepEqual(exec.commandLines(), [look]);
  });

  it("does not reconnect what is not StandAlone", async () => {
    const { exec, drbd } = setUp({ [look]: exited(0, dump("Secondary", "UpToDate", "Connecting")) });
    assert.deepEqual(await drbd.connect("iscsi1"), { ok: true, value: "already" });
    assert.deepEqual(exec.commandLines(), [look]);
  });

  it("leaves roles of a resource with two volumes to drbdadm", async () => {
    const two = (role: string) => `exists device name:iscsi1 volume:1 minor:2 disk:UpToDate size:9\n${dump(role)}`;
    const { exec, drbd } = setUp({
      [look]: [exited(0, two("Secondary")), exited(0, two("Primary"))],
      "drbdadm primary iscsi1": exited(0),
    });
    assert.deepEqual(await drbd.promote("iscsi1"), { ok: true, value: "changed" });
    assert.ok(exec.commandLines().includes("drbdadm primary iscsi1"));
  });

  it("does nothing to a resource that is not up, and says so", async () => {
    const { exec, drbd } = setUp({ [look]: exited(0, "exists -\n") });
    for (const verb of ["promote", "demote", "outdate", "resumeIo", "connect"] as const) {
      const result = await drbd[verb]("iscsi1");
      assert.ok(!result.ok && result.error.kind === "unverified" && result.error.found.includes("not up"), verb);
    }
    assert.deepEqual(new Set(exec.commandLines()), new Set([look]));
  });

  it("does nothing when the look itself fails, in either form", async () => {
    const { exec, drbd } = setUp({
      [look]: exited(0, dump("Secondary").replace("exists -\n", "")),
      [status8]: exited(0, "iscsi1 role:\n"),
    });
    const result = await drbd.promote("iscsi1");
    assert.ok(!result.ok && result.error.kind === "parse" && result.error.command === look);
    assert.deepEqual(exec.commandLines(), [look, status8]);
  });

  it("asks one that hangs in no other form", async () => {
    const { exec, drbd } = setUp({ [look]: { kind: "timeout", pid: 7, afterMs: 3000 } });
    assert.equal((await drbd.observe()).ok, false);
    assert.deepEqual(exec.commandLines(), [look]);
  });

  it("reads the status where the events cannot be had, each module's in its own form", async () => {
    const capture = captures84().find(({ name }) => name === "03-connected-primary-secondary @ n1");
    assert.ok(capture !== undefined);
    const old = setUp({ [look]: exited(1, "", "unknown command"), [status8]: exited(0, output(capture, status8)) });
    const seen8 = await old.drbd.observe();
    assert.deepEqual(old.exec.commandLines(), [look, status8]);
    assert.deepEqual(seen8.ok && [...seen8.value].map(([name, { role, peerDisk }]) => [name, role, peerDisk]), [
      ["r0", "Primary", "UpToDate"],
    ]);
    const json = fixture("drbd-9", "status.json");
    const { exec, drbd } = setUp({ [look]: exited(0, "exists nothing"), [status9]: exited(0, json) }, "9.2.11");
    const seen9 = await drbd.observe();
    assert.deepEqual(exec.commandLines(), [look, status9]);
    assert.ok(seen9.ok && seen9.value.size > 0);
  });

  it("keeps one lane per resource for what acts and another one for looks", async () => {
    const { exec, drbd } = setUp({
      [look]: [exited(0, dump("Secondary")), exited(0, dump("Primary"))],
      "drbdsetup primary 1": exited(0),
    });
    await drbd.promote("iscsi1");
    assert.deepEqual(
      exec.calls.map((call) => call.options?.lane),
      ["drbd-look", "drbd:iscsi1", "drbd-look"],
    );
  });
});

describe("DRBD commands on 9", () => {
  it("address the resource for roles and the minor for the rest", async () => {
    const { exec, drbd } = setUp(
      { [look]: [exited(0, dump("Secondary")), exited(0, dump("Primary"))], "drbdsetup primary iscsi1": exited(0) },
      "9.2.4",
    );
    assert.deepEqual(await drbd.promote("iscsi1"), { ok: true, value: "changed" });
    assert.deepEqual(exec.commandLines(), [look, "drbdsetup primary iscsi1", look]);
  });
});

describe("DRBD up", () => {
  it("loads the module, then brings the resource up", async () => {
    const { exec, drbd, load } = setUp(
      {
        "modprobe drbd": () => {
          load("8.4.11");
          return exited(0);
        },
        [look]: [exited(0, "exists -\n"), exited(0, dump("Secondary", "UpToDate", "Connecting"))],
        "drbdadm up iscsi1": exited(0),
      },
      null,
    );
    assert.deepEqual(await drbd.up("iscsi1"), { ok: true, value: "changed" });
    assert.deepEqual(exec.commandLines(), ["modprobe drbd", look, "drbdadm up iscsi1", look]);
  });

  it("names the kernel's helper once the module is there, whether the resource is up or not", async () => {
    const exec = scriptedExec({ [look]: exited(0, dump("Secondary")) });
    const helpers: string[] = [];
    const settings = {
      module: { version: () => "8.4.11" },
      helperPath: "/x/fence-peer",
      setHelper: (path: string) => helpers.push(path),
    };
    assert.deepEqual(await createDrbd(exec, handClock(), settings).up("iscsi1"), { ok: true, value: "already" });
    assert.deepEqual(helpers, ["/x/fence-peer"]);
  });

  it("leaves a resource alone that is up, also without its disk", async () => {
    for (const disk of ["UpToDate", "Diskless"]) {
      const { exec, drbd } = setUp({ [look]: exited(0, dump("Secondary", disk)) });
      assert.deepEqual(await drbd.up("iscsi1"), { ok: true, value: "already" });
      assert.deepEqual(exec.commandLines(), [look]);
    }
  });

  it("is not done while the disk is not attached", async () => {
    const { drbd } = setUp({
      [look]: [exited(0, "exists -\n"), exited(0, dump("Secondary", "Diskless"))],
      "drbdadm up iscsi1": exited(0),
    });
    const result = await drbd.up("iscsi1");
    assert.ok(!result.ok && result.error.kind === "unverified");
  });
});

describe("DRBD looks", () => {
  it("sees nothing while the module is not loaded, without a process", async () => {
    const { exec, drbd } = setUp({}, null);
    assert.deepEqual(await drbd.observe(), { ok: true, value: new Map() });
    assert.deepEqual(exec.commandLines(), []);
  });

  it("reads generation and versions", async () => {
    const { drbd } = setUp({
      "drbdadm get-gi iscsi1": exited(
        0,
        "EDCCEA3131383141:29B77B2D07434E9E:0000000000000000:0000000000000000:1:1:1:0:0:0:0\n",
      ),
      "drbdadm --version": exited(
        0,
        "DRBDADM_BUILDTAG=GIT-hash:\\ 4090\nDRBDADM_API_VERSION=2\nDRBDADM_VERSION=9.22.0\n",
      ),
    });
    const generation = await drbd.generation("iscsi1");
    assert.deepEqual(generation.ok && [generation.value.current, generation.value.bitmap], [
      "EDCCEA3131383140",
      "29B77B2D07434E9E",
    ]);
    assert.deepEqual(await drbd.version(), { ok: true, value: { module: "8.4.11", utils: "9.22.0" } });
  });
});

describe("DRBD followed by its event stream", () => {
  async function following(script: Readonly<Record<string, Answer | readonly Answer[]>> = {}) {
    const parts = setUp(script);
    const pictures: (DrbdView | undefined)[] = [];
    const lost: string[] = [];
    const follow = parts.drbd.follow(
      (views) => pictures.push(views.get("iscsi1")),
      (why) => lost.push(why),
    );
    await turn();
    const current = () => {
      const last = parts.exec.streams.at(-1);
      assert.ok(last !== undefined);
      return last;
    };
    return { ...parts, pictures, lost, follow, current };
  }

  it("shows one picture for the first dump and one for each burst of changes", async () => {
    const { exec, pictures, current } = await following();
    assert.deepEqual(exec.commandLines(), [stream]);
    current().say(...dump("Secondary").trim().split("\n").slice(0, 3));
    await turn();
    assert.equal(pictures.length, 0, "half a dump is no picture");
    current().say(...dump("Secondary").trim().split("\n").slice(3));
    await turn();
    current().say(
      "change connection name:iscsi1 peer-node-id:0 conn-name:peer connection:NetworkFailure role:Unknown",
      "change resource name:iscsi1 suspended:fencing",
    );
    await turn();
    assert.deepEqual(
      pictures.map((view) => [view?.connection, view?.suspended]),
      [
        ["Connected", false],
        ["NetworkFailure", true],
      ],
    );
  });

  it("throws the picture away when the stream ends, tells it, and starts again after a growing pause", async () => {
    const { exec, clock, lost, pictures, current } = await following();
    current().say(...dump("Primary").trim().split("\n"));
    await turn();
    current().end("drbdsetup ended with 1");
    await turn();
    assert.deepEqual(lost, ["drbdsetup ended with 1"]);
    for (let round = 0; round < 8; round++) {
      clock.wake();
      await turn();
      current().end("no module");
      await turn();
    }
    assert.deepEqual(lost, ["drbdsetup ended with 1", "no module"], "the same complaint is told once");
    assert.deepEqual(clock.sleeps, [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
    clock.wake();
    await turn();
    current().say(...dump("Secondary").trim().split("\n"));
    await turn();
    assert.equal(pictures.at(-1)?.role, "Secondary");
    assert.equal(exec.streams.length, 10);
  });

  it("stops the stream whose line it cannot read and starts a new one", async () => {
    const { exec, lost, clock, current } = await following();
    current().say(...dump("Primary").replace("disk:UpToDate", "disk:Splendid").trim().split("\n"));
    await turn();
    assert.match(lost[0] ?? "", /Splendid/);
    assert.ok(exec.streams[0]?.stopped());
    clock.wake();
    await turn();
    assert.equal(exec.streams.length, 2);
  });

  it("stops for good when told to", async () => {
    const { exec, clock, lost, follow } = await following();
    follow.stop();
    await turn();
    assert.ok(exec.streams[0]?.stopped());
    clock.wake();
    await turn();
    assert.deepEqual([exec.streams.length, lost.length], [1, 0]);
  });

  it("promotes with a single process: the stream is the look before and after", async () => {
    const parts = await following({
      "drbdsetup primary 1": () => {
        // The event may come before or after the exit of the command.
        queueMicrotask(() => parts.current().say("change resource name:iscsi1 role:Primary suspended:no"));
        return exited(0);
      },
    });
    parts.current().say(...dump("Secondary").trim().split("\n"));
    await turn();
    assert.deepEqual(await parts.drbd.promote("iscsi1"), { ok: true, value: "changed" });
    assert.deepEqual(parts.exec.commandLines(), [stream, "drbdsetup primary 1"]);
  });

  it("looks with a process when the event does not come in time", async () => {
    const parts = await following({ "drbdsetup primary 1": exited(0), [look]: exited(0, dump("Primary")) });
    parts.current().say(...dump("Secondary").trim().split("\n"));
    await turn();
    const promoting = parts.drbd.promote("iscsi1");
    await turn();
    parts.clock.wake();
    assert.deepEqual(await promoting, { ok: true, value: "changed" });
    assert.deepEqual(parts.exec.commandLines(), [stream, "drbdsetup primary 1", look]);
  });

  it("has the next change of role ready, of the resources that are ours and up, a while after the last one", async () => {
    const { current, expected, exec } = await following();
    current().say(...dump("Secondary").trim().split("\n"));
    await turn();
    assert.deepEqual(expected, []);
    await delay(40);
    assert.deepEqual(expected, ["drbdsetup primary 1"]);
    current().say("change resource name:iscsi1 role:Primary suspended:no");
    await delay(40);
    assert.deepEqual(expected, ["drbdsetup primary 1", "drbdsetup secondary 1"]);
    current().end("the module was unloaded");
    await delay(40);
    assert.equal(expected.length, 2);
    assert.deepEqual(exec.commandLines(), [stream]);
  });

  it("reads the generation without drbdadm while the resource is up, with it when that fails", async () => {
    const line = "EDCCEA3131383141:29B77B2D07434E9E:0000000000000000:0000000000000000:1:1:1:0:0:0:0\n";
    const parts = await following({
      "drbdsetup get-gi 1": [exited(0, line), exited(10, "", "not attached")],
      "drbdadm get-gi iscsi1": exited(0, line),
    });
    parts.current().say(...dump("Secondary").trim().split("\n"));
    await turn();
    assert.equal((await parts.drbd.generation("iscsi1")).ok, true);
    assert.deepEqual(parts.exec.commandLines().slice(1), ["drbdsetup get-gi 1"]);
    assert.equal((await parts.drbd.generation("iscsi1")).ok, true);
    assert.deepEqual(parts.exec.commandLines().slice(2), ["drbdsetup get-gi 1", "drbdadm get-gi iscsi1"]);
  });

  it("does not answer from the picture of a stream that is gone", async () => {
    const parts = await following({ [look]: exited(0, dump("Secondary")), "drbdsetup secondary 1": exited(0) });
    parts.current().say(...dump("Primary").trim().split("\n"));
    await turn();
    parts.current().end("killed");
    await turn();
    assert.deepEqual(await parts.drbd.demote("iscsi1"), { ok: true, value: "already" });
    assert.equal(parts.exec.commandLines()[1], look);
  });
});
