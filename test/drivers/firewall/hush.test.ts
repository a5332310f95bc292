// The silence of a switch is a word to a process that waits: it may have died, and what it was told may come late.

import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { describe, it } from "node:test";
import { createFirewall, type FirewallSettings } from "../../../src/drivers/firewall/iptables.ts";
import type { FeedPort } from "../../../src/drivers/exec/port.ts";
import { exited, type Answer, scriptedExec } from "../exec/scripted-exec.ts";

const restore = "iptables-restore --noflush";
const rules = (...more: string[]): string => ["*filter", ":TANDEM - [0:0]", ...more, "COMMIT", ""].join("\n");
const to = "-A TANDEM -d 10.10.10.3 -p tcp --dport 3260 -j DROP";
const from = "-A TANDEM -s 10.10.10.3 -p tcp --sport 3260 -j DROP";

/** The kernel's chain, a process that waits for orders, and processes that are started for one. */
function setUp(settings: FirewallSettings = {}, answer: Answer = exited(0)) {
  const kernel = { chain: "", writes: 0 };
  const waiting = { dead: false, lateMs: 0, started: 0, stopped: 0, hangs: null as Promise<void> | null };
  const process: Answer = async (call) => {
    const outcome = typeof answer === "function" ? await answer(call) : answer;
    if (outcome.kind === "exited" && outcome.code === 0) {
      kernel.chain = call.options?.stdin ?? "";
      kernel.writes += 1;
    }
    return outcome;
  };
  const hooked = { "iptables -C INPUT -j TANDEM": exited(0), "iptables -C OUTPUT -j TANDEM": exited(0) };
  const feed: FeedPort = {
    feed(_file, _args, onEnd) {
      waiting.started += 1;
      let alive = true;
      return {
        send(lines) {
          // A pipe takes what the process behind it never reads.
          if (!waiting.dead) setTimeout(() => alive && (kernel.chain = `${lines.join("\n")}\n`), waiting.lateMs);
          return alive;
        },
        stop() {
          alive = false;
          waiting.stopped += 1;
          if (waiting.hangs === null) setImmediate(onEnd, "killed");
          else void waiting.hangs.then(() => onEnd("killed"));
        },
      };
    },
  };
  const exec = scriptedExec({ [restore]: process, ...hooked });
  const reasons: string[] = [];
  const firewall = createFirewall(exec, {
    feed,
    settleMs: 60,
    connects: async () => kernel.chain === rules(),
    onUnsettled: (reason) => reasons.push(reason),
    ...settings,
  });
  return { firewall, kernel, waiting, reasons };
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let round = 0; round < 300; round++) {
    if (condition()) return;
    await delay(10);
  }
  assert.fail(`never happened: ${what}`);
}

describe("the silence of a switch", () => {
  it("is set and lifted without a process of its own", async () => {
    const { firewall, kernel } = setUp();
    await firewall.prepare();
    await firewall.hush("10.10.10.3", 3260, "requests");
    assert.equal(kernel.chain, rules(to));
    await firewall.hush("10.10.10.3", 3260, "all");
    assert.equal(kernel.chain, rules(to, from));
    await firewall.hush("10.10.10.3", 3260, "off");
    await until("lifted", () => kernel.chain === rules());
    await delay(150);
    assert.equal(kernel.writes, 1, "the portal answered: nothing had to be written");
  });

  it("has ended when its end is told, and not only been told to end", async () => {
    const { firewall, kernel, waiting } = setUp();
    await firewall.prepare();
    waiting.lateMs = 5;
    await firewall.hush("10.10.10.3", 3260, "all");
    await firewall.hush("10.10.10.3", 3260, "off");
    assert.equal(kernel.chain, rules());
  });

  it("is lifted by a process where the one that waited died with the order unread", async () => {
    const { firewall, kernel, waiting } = setUp();
    await firewall.prepare();
    await firewall.hush("10.10.10.3", 3260, "all");
    waiting.dead = true;
    await firewall.hush("10.10.10.3", 3260, "off");
    assert.equal(kernel.chain, rules(to, from), "the initiators of this host are still silenced");
    await until("verified", () => kernel.chain === rules());
    assert.equal(waiting.stopped, 1);
  });

  it("is tried to be lifted again and again, and the reason is told once", async () => {
    let broken = false;
    const { firewall, kernel, waiting, reasons } = setUp({}, () => (broken ? exited(1, "", "no memory") : exited(0)));
    await firewall.prepare();
    await firewall.hush("10.10.10.3", 3260, "all");
    waiting.dead = true;
    broken = true;
    await firewall.hush("10.10.10.3", 3260, "off");
    await delay(400);
    assert.equal(reasons.length, 1);
    assert.match(reasons[0] ?? "", /no memory/);
    broken = false;
    await until("verified", () => kernel.chain === rules());
  });

  it("does not undo a block that was asked for after it, however late its order is read", async () => {
    const { firewall, kernel, waiting } = setUp({ connects: async () => false });
    await firewall.prepare();
    await firewall.hush("10.10.10.3", 3260, "all");
    waiting.lateMs = 80;
    await firewall.hush("10.10.10.3", 3260, "off");
    assert.deepEqual(await firewall.block("10.10.10.3", 3260), { ok: true, value: "changed" });
    await delay(300);
    assert.equal(kernel.chain, rules(to, from));
  });

  it("waits for a block that is being written, and leaves it standing", async () => {
    let slow = false;
    const { firewall, kernel, waiting } = setUp({}, async () => {
      if (slow) await delay(80);
      return exited(0);
    });
    await firewall.prepare();
    slow = true;
    waiting.lateMs = 120;
    const blocking = firewall.block("10.10.10.4", 3260);
    await firewall.hush("10.10.10.3", 3260, "off");
    assert.deepEqual(await blocking, { ok: true, value: "changed" });
    await delay(200);
    assert.match(kernel.chain, /-d 10\.10\.10\.4 /);
  });

  it("is made sure of after a process that hung in the kernel is gone, with the order that it carried out last", async () => {
    const { firewall, kernel, waiting } = setUp({ settleMs: 20, connects: async () => false });
    await firewall.prepare();
    await firewall.hush("10.10.10.3", 3260, "all");
    const kernelGoesOn = Promise.withResolvers<void>();
    waiting.dead = true;
    waiting.hangs = kernelGoesOn.promise;
    await firewall.hush("10.10.10.3", 3260, "off");
    await until("written twice while it hangs", () => kernel.writes >= 3);
    kernel.chain = rules(to, from);
    kernelGoesOn.resolve();
    await until("written after its end", () => kernel.chain === rules());
  });

  it("is lifted when the daemon ends, and nothing is started for that where there is none", async () => {
    const { firewall, kernel, waiting } = setUp();
    await firewall.lift();
    assert.equal(waiting.started, 0);
    await firewall.prepare();
    await firewall.hush("10.10.10.3", 3260, "all");
    await firewall.lift();
    assert.equal(kernel.chain, rules());
  });

  it("ends by itself where the hand-over died half-way", async () => {
    const { firewall, kernel } = setUp({ hushLimitMs: 100 });
    await firewall.prepare();
    await firewall.hush("10.10.10.3", 3260, "all");
    await until("lifted", () => kernel.chain === rules());
  });
});
