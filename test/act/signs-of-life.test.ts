import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { createSignsOfLife } from "../../src/act/signs-of-life.ts";
import type { ExecPort } from "../../src/drivers/exec/port.ts";

const PEER = [
  { address: "10.10.10.2", device: "repl" },
  { address: "192.0.2.2", device: "mgmt" },
];
const VIP = { address: "10.10.10.3", device: "repl" };
const MAC = "02:00:00:00:00:02";

/** arpings in virtual time: when each was started, by address, and what it says or that it ends. */
function arpings(context: TestContext) {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  let at = 1_000;
  const started: [address: string, at: number][] = [];
  const stopped: string[] = [];
  const running = new Map<string, { says: (line: string) => void; ends: () => void }>();
  const exec: Pick<ExecPort, "lines"> = {
    lines(_file, args, onLine, onEnd) {
      const address = args.at(-1) ?? "";
      started.push([address, at]);
      running.set(address, { says: onLine, ends: () => onEnd("it ended") });
      return { pid: 1, signal: () => undefined, stop: () => stopped.push(address) };
    },
  };
  // One method is all that the probe uses of it.
  const signs = createSignsOfLife(exec as ExecPort, () => at);
  context.after(() => signs.stop());
  function pass(ms: number): void {
    for (const end = at + ms; at < end;) {
      at += 1;
      context.mock.timers.tick(1);
    }
  }
  return { signs, started, stopped, running, pass };
}

test("the processes start one after the other: answers to vote samples are read in between", (context) => {
  const { signs, started, pass } = arpings(context);
  signs.look(PEER, VIP);
  assert.equal(started.length, 0, "the look itself waits for none");
  pass(200);
  signs.look(PEER, VIP);
  pass(400);
  assert.deepEqual(
    started.map(([address]) => address),
    ["10.10.10.2", "192.0.2.2", "10.10.10.3"],
  );
  const times = started.map(([, startedAt]) => startedAt);
  // A timer of no time takes one millisecond.
  assert.ok(
    times.slice(1).every((time, i) => time - (times[i] ?? 0) >= 199),
    times.join(" "),
  );
});

test("silence is a finding only after two questions of every process, and before the other host counts as dead", (context) => {
  const { signs, pass } = arpings(context);
  const unknown = { peer: "unknown", vip: "unknown", mac: null };
  assert.deepEqual(signs.look(PEER, VIP), unknown);
  pass(1_400);
  assert.deepEqual(signs.look(PEER, VIP), unknown);
  // T_dead - T_susp.
  pass(600);
  assert.deepEqual(signs.look(PEER, VIP), { peer: "silent", vip: "free", mac: null });
});

test("an answer is a sign of life for a second, and one that ended finds nothing", (context) => {
  const { signs, started, running, pass } = arpings(context);
  signs.look(PEER, VIP);
  pass(2_000);
  running.get(VIP.address)?.says(`Unicast reply from 10.10.10.3 [${MAC.toUpperCase()}]  0.6ms`);
  assert.deepEqual(signs.look(PEER, VIP), { peer: "silent", vip: "answered", mac: MAC });
  pass(1_300);
  assert.equal(signs.look(PEER, VIP).vip, "free");
  running.get("192.0.2.2")?.ends();
  assert.equal(signs.look(PEER, VIP).peer, "unknown");
  pass(300);
  assert.equal(started.filter(([address]) => address === "192.0.2.2").length, 2, "it is started again");
});

test("nobody asks any more after the outage, also where a start was still to come", (context) => {
  const { signs, started, stopped, pass } = arpings(context);
  signs.look(PEER, VIP);
  pass(100);
  signs.stop();
  pass(1_000);
  assert.deepEqual(
    started.map(([address]) => address),
    stopped,
  );
  signs.look(PEER, null);
  pass(20_000);
  assert.deepEqual(started.map(([address]) => address).toSorted(), [...stopped].toSorted());
});
