import assert from "node:assert/strict";
import { test } from "node:test";
import { untilMayStop } from "../../src/daemon/orderly-stop.ts";
import { systemClock } from "../../src/drivers/clock/system.ts";
import type { ControlReply } from "../../src/drivers/control/port.ts";

const refusal: ControlReply = {
  kind: "refused",
  rule: "A7",
  reason: "the other host does not answer, so it cannot agree to a pause",
  next: "stop it when both hosts talk again",
};

function setUp(replies: readonly ControlReply[], goesDown: () => boolean = () => false) {
  const asked: string[] = [];
  const refused: string[] = [];
  const emptied: string[] = [];
  const targets: string[] = [];
  const force = new AbortController();
  const done = untilMayStop(
    {
      ask: async (command) => {
        asked.push(command.kind);
        return replies[Math.min(asked.length, replies.length) - 1] ?? refusal;
      },
      host: { goesDown: async () => goesDown() },
      empty: async () => {
        emptied.push("asked");
        return { ok: true, value: "2 VMs moved" };
      },
      endTarget: async () => {
        targets.push("ended");
        return { ok: true, value: "changed" };
      },
      onProgress: (text) => emptied.push(text),
      clock: systemClock(),
      onRefused: (reason) => refused.push(reason),
      retryMs: 5,
    },
    force.signal,
  );
  return { asked, refused, emptied, targets, force, done };
}

test("a stop that the other host agrees to is done after one question", async () => {
  const { asked, refused, targets, done } = setUp([{ kind: "done", text: "both hosts know it" }]);
  assert.equal(await done, "agreed");
  assert.deepEqual([asked, refused, targets], [["pause"], [], []]);
});

test("a refused stop leaves the daemon running, tells the reason once, and is asked again", async () => {
  const { asked, refused, done } = setUp([refusal, refusal, refusal, { kind: "done", text: "" }]);
  assert.equal(await done, "agreed");
  assert.equal(asked.length, 4);
  assert.deepEqual(refused, [`${refusal.reason}; ${refusal.next}`]);
});

test("a second signal ends the waiting without agreement, also while a question is open", async () => {
  const { force, refused, done } = setUp([refusal]);
  while (refused.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  force.abort();
  assert.equal(await done, "forced");
  const silent = new AbortController();
  const parts = {
    ask: () => new Promise<ControlReply>(() => undefined),
    host: { goesDown: async () => false },
    empty: async () => ({ ok: true, value: "" }) as const,
    onProgress: () => undefined,
    clock: systemClock(),
    onRefused: () => undefined,
  };
  const waiting = untilMayStop(parts, silent.signal);
  silent.abort();
  assert.equal(await waiting, "forced");
});

test("a host that goes down leaves instead of pausing, and says so again until everything is given back (A13)", async () => {
  const running: ControlReply = { kind: "failed", reason: "2 VMs still run here", next: "stop the VMs" };
  const { asked, refused, emptied, targets, done } = setUp(
    [running, running, { kind: "done", text: "all is given back" }],
    () => true,
  );
  assert.equal(await done, "left");
  assert.deepEqual(asked, ["leave", "leave", "leave"]);
  assert.deepEqual(emptied, ["asked", "2 VMs moved", "all is given back"]);
  assert.deepEqual(targets, ["ended"], "tgtd ignores SIGTERM, and systemd would wait for it");
  assert.deepEqual(refused, ["2 VMs still run here; stop the VMs"]);
});

test("a shutdown that begins while a pause is refused turns it into leaving, which is final", async () => {
  let looks = 0;
  const down = (): boolean => (looks += 1) === 2;
  const { asked, done } = setUp([refusal, refusal, { kind: "done", text: "" }], down);
  assert.equal(await done, "left");
  assert.deepEqual([asked, looks], [["pause", "leave", "leave"], 2]);
});

test("a look at the host that hangs does not keep a second signal from forcing the stop", async () => {
  const force = new AbortController();
  const waiting = untilMayStop(
    {
      ask: async () => refusal,
      host: { goesDown: () => new Promise(() => undefined) },
      empty: async () => ({ ok: true, value: "" }) as const,
      onProgress: () => undefined,
      clock: systemClock(),
      onRefused: () => undefined,
    },
    force.signal,
  );
  force.abort();
  assert.equal(await waiting, "forced");
});

test("a host that goes down does not wait for ever: after its limit the daemon ends with the watchdog armed", async () => {
  const refused: string[] = [];
  const parts = {
    ask: async () =>
      ({ kind: "failed", reason: "waiting: 1 protected VMs still run here", next: "stop the VMs" }) as const,
    host: { goesDown: async () => true },
    empty: async () => ({ ok: false, error: "xapi gave no answer" }) as const,
    onProgress: () => undefined,
    clock: systemClock(),
    onRefused: (reason: string) => void refused.push(reason),
    retryMs: 5,
    limitMs: 40,
  };
  assert.equal(await untilMayStop(parts, new AbortController().signal), "forced");
  assert.deepEqual(refused, ["xapi gave no answer", "waiting: 1 protected VMs still run here; stop the VMs"]);
});
