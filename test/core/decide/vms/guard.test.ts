import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { HostRoom } from "../../../../src/core/decide/vms/capacity.ts";
import {
  guardPass,
  LEFT_KEY,
  noteStart,
  type GuardLook,
  type GuardMemory,
  type GuardPlan,
} from "../../../../src/core/decide/vms/guard.ts";
import type { VmFacts } from "../../../../src/core/decide/vms/protection.ts";
import { everyVm, vm } from "./vm.ts";

const room = (uuid: string, guestBytes = 1_000, usable = true): HostRoom => ({ uuid, name: uuid, guestBytes, usable });

/** Passes at instants of the test, over one memory; domains follow the records unless said otherwise. */
class Story {
  memory: GuardMemory = new Map();
  now = 1_000_000;
  hosts: readonly HostRoom[] = [room("one"), room("two")];
  private readonly answers = new Map<string, "on-purpose" | "by-itself">();

  look(vms: readonly VmFacts[], change: Partial<GuardLook> = {}): GuardPlan {
    const running = vms.filter((one) => one.powerState === "Running" || one.powerState === "Paused");
    const on = (host: string): Set<string> =>
      new Set(running.filter((one) => one.residentOn === host).map((one) => one.uuid));
    const plan = guardPass(this.memory, {
      now: this.now,
      wallMs: this.now,
      vms,
      hosts: this.hosts,
      policy: everyVm,
      domains: new Map(this.hosts.map((host) => [host.uuid, on(host.uuid)])),
      vacated: new Set(),
      active: true,
      refusal: null,
      xapiChooses: false,
      answers: this.answers,
      ...change,
    });
    this.memory = plan.memory;
    return plan;
  }

  answer(uuid: string, cause: "on-purpose" | "by-itself"): void {
    this.answers.set(uuid, cause);
  }

  /** It ran, is found halted, and xapi knows of nobody who wanted that. */
  crash(...uuids: readonly string[]): GuardPlan {
    this.look(uuids.map((uuid) => up(uuid)));
    this.look(uuids.map((uuid) => down(uuid)));
    this.now += 3_000;
    for (const uuid of uuids) this.answer(uuid, "by-itself");
    return this.look(uuids.map((uuid) => down(uuid)));
  }
}

const up = (uuid = "a", host = "one", change: Partial<VmFacts> = {}): VmFacts =>
  vm({ uuid, name: uuid, residentOn: host, ...change });
const down = (uuid = "a", change: Partial<VmFacts> = {}): VmFacts =>
  vm({ uuid, name: uuid, powerState: "Halted", residentOn: null, ...change });
const starts = (plan: GuardPlan) => plan.groups.map((group) => group.map((one) => `${one.vm.uuid}@${one.host}`));

describe("a VM that ought to run", () => {
  test("is started again on its host after it stopped by itself", () => {
    assert.deepEqual(starts(new Story().crash("a")), [["a@one"]]);
  });

  test("is not judged before xapi had time to write who stopped it, and then xapi is asked once it stands still", () => {
    const story = new Story();
    story.look([up()]);
    assert.deepEqual(story.look([down()]).questions, []);
    story.now += 3_000;
    assert.deepEqual(story.look([down("a", { operations: ["clean_shutdown"] })]).questions, []);
    assert.deepEqual(story.look([down()]).questions, [{ uuid: "a", sinceWallMs: 1_000_000 }]);
    assert.deepEqual(story.look([down()]).groups, []);
  });

  test("is not one that an older database calls running on a host that went away with nothing running", () => {
    const story = new Story();
    const away = { domains: new Map([["two", new Set<string>()]]), vacated: new Set(["one"]) };
    story.look([up()], away);
    story.now += 3_000;
    const reset = story.look([down()], away);
    assert.deepEqual([reset.questions, starts(reset), reset.waiting], [[], [], []]);
    assert.equal(story.memory.size, 0);
  });

  test("stays stopped when xapi says that somebody stopped it", () => {
    const story = new Story();
    story.look([up()]);
    story.look([down()]);
    story.now += 3_000;
    story.answer("a", "on-purpose");
    assert.deepEqual(
      story.look([down()]).given.map((one) => one.uuid),
      ["a"],
    );
    assert.equal(story.memory.size, 0);
    assert.deepEqual(story.look([down()]).questions, []);
  });

  test("stays stopped when an operation that stops it was seen while it ran", () => {
    for (const operation of ["shutdown", "clean_shutdown", "hard_shutdown", "suspend"]) {
      const story = new Story();
      story.look([up()]);
      story.look([up("a", "one", { operations: [operation] })]);
      story.look([down()]);
      assert.equal(story.memory.size, 0, operation);
    }
  });

  test("is no longer taken for one being stopped when the operation ended and it runs on", () => {
    const story = new Story();
    story.look([up("a", "one", { operations: ["clean_shutdown"] })]);
    assert.deepEqual(starts(story.crash("a")), [["a@one"]]);
  });

  test("stays as it is when it was suspended, or is gone from the pool", () => {
    const story = new Story();
    story.look([up(), up("b")]);
    const suspended = down("a", { powerState: "Suspended" });
    assert.deepEqual(story.look([suspended]).groups, []);
    assert.equal(story.memory.size, 0);
  });

  test("that never ran stays stopped", () => {
    const story = new Story();
    for (const later of [0, 60_000]) {
      story.now += later;
      assert.deepEqual(story.look([down()]).groups, []);
    }
    assert.equal(story.memory.size, 0);
  });

  test("is not started while it is not protected, and is when its flag returns", () => {
    const story = new Story();
    story.crash("a");
    const perVm = { ...everyVm, globalVmHa: false };
    assert.deepEqual(story.look([down()], { policy: perVm }).groups, []);
    assert.deepEqual(story.look([down()], { policy: { ...everyVm, masterOnly: true } }).groups, []);
    assert.deepEqual(starts(story.look([down()])), [["a@one"]]);
  });

  test("is nobody's business while HA is off, also when HA is switched on later", () => {
    const story = new Story();
    story.look([up()], { active: false });
    story.look([down()], { active: false });
    story.now += 60_000;
    assert.deepEqual(story.look([down()]).groups, []);
    assert.deepEqual(story.look([down()]).questions, []);
  });

  test("waits while nothing may be started from here, with the reason, and starts afterwards", () => {
    const story = new Story();
    story.look([up()]);
    story.look([down()]);
    story.now += 3_000;
    story.answer("a", "by-itself");
    const plan = story.look([down()], { refusal: "this host is in maintenance" });
    assert.deepEqual(plan.groups, []);
    assert.deepEqual(plan.waiting, [{ uuid: "a", name: "a", because: "this host is in maintenance" }]);
    assert.deepEqual(starts(story.look([down()])), [["a@one"]]);
  });
});

describe("a second copy of a VM", () => {
  const unseen = (host: string) =>
    new Map<string, Set<string> | null>([
      ["one", new Set()],
      ["two", new Set()],
      [host, null],
    ]);

  test("is never started while its last host cannot tell its domains", () => {
    const story = new Story();
    story.look([up()]);
    story.look([down()]);
    story.now += 3_000;
    story.answer("a", "by-itself");
    assert.deepEqual(story.look([down()], { domains: unseen("one") }).groups, []);
    assert.deepEqual(story.look([down()], { domains: new Map([["two", new Set<string>()]]) }).groups, []);
  });

  test("is never started on a host that cannot tell its domains", () => {
    const story = new Story();
    story.hosts = [room("one", 50), room("two", 1_000)];
    story.crash("a");
    assert.deepEqual(story.look([down()], { domains: unseen("two") }).groups, []);
    assert.deepEqual(starts(story.look([down()])), [["a@two"]]);
  });

  test("is never started while a domain of it exists anywhere", () => {
    for (const host of ["one", "two"]) {
      const story = new Story();
      story.crash("a");
      const domains = new Map([
        ["one", new Set<string>()],
        ["two", new Set<string>()],
      ]);
      domains.get(host)?.add("a");
      const plan = story.look([down()], { domains });
      assert.deepEqual(plan.groups, []);
      assert.deepEqual(
        plan.waiting.map((one) => one.because),
        [`a domain of it exists on ${host}`],
      );
    }
  });

  test("does not come from a restored database: what its host does not execute did not run", () => {
    const story = new Story();
    const domains = new Map([["one", new Set<string>()]]);
    story.look([up()], { domains });
    story.look([down()], { domains });
    story.now += 3_000;
    story.answer("a", "by-itself");
    assert.deepEqual(story.look([down()], { domains }).groups, []);
  });
});

describe("attempts", () => {
  test("of a VM that stops again and again come later each time, and end with an alarm", () => {
    const story = new Story();
    let restarts = 0;
    let plan = story.crash("a");
    for (let second = 0; second < 3_600 && plan.alarms.length === 0; second += 1) {
      if (plan.groups.length > 0) {
        restarts += 1;
        story.memory = noteStart(story.memory, "a", null, story.now);
        story.look([up()]);
      }
      story.now += 1_000;
      plan = story.look([down()]);
    }
    assert.equal(restarts, 5);
    assert.match(plan.alarms[0]?.because ?? "", /stopped by itself again after 5 restarts/);
    story.now += 3_600_000;
    assert.deepEqual(story.look([down()]).groups, []);
  });

  test("begin anew after the VM ran for ten minutes", () => {
    const story = new Story();
    story.crash("a");
    for (let i = 0; i < 5; i += 1) story.memory = noteStart(story.memory, "a", null, story.now);
    story.look([up()]);
    story.now += 600_000;
    story.look([up()]);
    assert.deepEqual(starts(story.crash("a")), [["a@one"]]);
  });

  test("that fail are repeated later and later, and end with the reason of the last one", () => {
    const story = new Story();
    let plan = story.crash("a");
    let attempts = 0;
    const begun = story.now;
    while (plan.alarms.length === 0) {
      if (plan.groups.length > 0) {
        attempts += 1;
        story.memory = noteStart(story.memory, "a", "SR_BACKEND_FAILURE_46", story.now);
      }
      story.now += 1_000;
      plan = story.look([down()]);
    }
    assert.equal(attempts, 7);
    assert.ok(story.now - begun > 240_000);
    assert.match(plan.alarms[0]?.because ?? "", /7 starts failed.*SR_BACKEND_FAILURE_46/);
    // A person starts it: it counts as well again.
    story.look([up()]);
    assert.deepEqual(starts(story.crash("a")), [["a@one"]]);
  });
});

describe("where and in what order", () => {
  test("groups follow tier and order", () => {
    const story = new Story();
    const fields: Record<string, Partial<VmFacts>> = {
      a: { order: 2 },
      b: { order: 1 },
      c: { restartPriority: "restart", order: 9 },
      d: { restartPriority: "best-effort" },
      e: { order: 1 },
    };
    const all = Object.entries(fields);
    story.look(all.map(([uuid, change]) => up(uuid, "one", change)));
    story.look(all.map(([uuid, change]) => down(uuid, change)));
    story.now += 3_000;
    for (const [uuid] of all) story.answer(uuid, "by-itself");
    assert.deepEqual(starts(story.look(all.map(([uuid, change]) => down(uuid, change)))), [
      ["c@one"],
      ["b@one", "e@one"],
      ["a@one"],
      ["d@one"],
    ]);
  });

  test("a VM whose host has no room, or is disabled, goes to the one with the most", () => {
    const story = new Story();
    story.hosts = [room("one", 1_000, false), room("two", 300), room("three", 400)];
    assert.deepEqual(starts(story.crash("a")), [["a@three"]]);
  });

  test("memory is given out in start order, and what fits nowhere is an alarm until there is room", () => {
    const story = new Story();
    story.hosts = [room("one", 250), room("two", 0)];
    const plan = story.crash("a", "b", "c");
    assert.deepEqual(starts(plan), [["a@one", "b@one"]]);
    assert.match(plan.alarms[0]?.because ?? "", /no host has .* memory free/);
    story.hosts = [room("one", 250), room("two", 100)];
    assert.deepEqual(starts(story.look([up("a"), up("b"), down("c")])), [["c@two"]]);
  });

  test("HOST_SELECT_METHOD 1 leaves host and memory to xapi", () => {
    const story = new Story();
    story.hosts = [room("one", 0), room("two", 0)];
    story.crash("a");
    assert.deepEqual(starts(story.look([down()], { xapiChooses: true })), [["a@null"]]);
  });
});

describe("a VM that its host shut down while it left", () => {
  const marked = { otherConfig: { [LEFT_KEY]: "one" } };

  test("starts with that host, and not before, although nobody here saw it run", () => {
    const story = new Story();
    story.hosts = [room("one", 1_000, false), room("two")];
    const away = new Map<string, Set<string> | null>([
      ["one", null],
      ["two", new Set()],
    ]);
    assert.deepEqual(story.look([down("a", marked)], { domains: away }).groups, []);
    // The daemon is back, xapi has not enabled the host yet.
    const plan = story.look([down("a", marked)]);
    assert.deepEqual(plan.groups, []);
    assert.match(plan.waiting[0]?.because ?? "", /is not back yet/);
    story.hosts = [room("one"), room("two")];
    assert.deepEqual(starts(story.look([down("a", marked)])), [["a@one"]]);
  });

  test("loses the mark when it runs again", () => {
    const story = new Story();
    assert.deepEqual(story.look([up("a", "two", marked)]).unmark, ["a"]);
    assert.deepEqual(story.look([up("a", "two", marked)], { refusal: "no" }).unmark, []);
    const emptied = [room("one"), room("two", 1_000, false)];
    assert.deepEqual(
      story.look([up("a", "two", marked)], { hosts: emptied }).unmark,
      [],
      "it is about to be shut down",
    );
  });
});
