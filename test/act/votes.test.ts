import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test, type TestContext } from "node:test";
import { createVotes } from "../../src/act/votes.ts";
import type { ExecPort } from "../../src/drivers/exec/port.ts";

const GATEWAY = "192.0.2.1";
const WINDOW_MS = 450;

/** Pings of hosts that answer five times a second while `alive`, in virtual time. */
function pings(context: TestContext) {
  context.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  let at = 0;
  let asked = 0;
  const alive = new Map<string, boolean>();
  const ends: ((why: string) => void)[] = [];
  const answers = new Map<string, number>();
  const started: string[] = [];
  const exec: Pick<ExecPort, "lines"> = {
    lines(_file, args, onLine, onEnd, from) {
      const address = args.at(-1) ?? "";
      started.push(args.slice(3).join(" "));
      assert.equal(from, "stderr");
      answers.set(address, 0);
      ends.push(onEnd);
      return {
        pid: 1,
        signal(name) {
          assert.equal(name, "SIGQUIT");
          asked += 1;
          setTimeout(() => onLine(`\r${answers.get(address)}/9 packets, 0% loss, min/avg/ewma/max = 1/1/1/1 ms`), 2);
        },
        stop: () => undefined,
      };
    },
  };
  // Two methods are all that the votes use of it.
  const votes = createVotes(exec as ExecPort, () => at);
  context.after(() => votes.stop());
  async function pass(ms: number, looks = false): Promise<void> {
    const end = at + ms;
    while (at < end) {
      at += 1;
      if (at % 200 === 0)
        for (const [address, count] of answers) if (alive.get(address) === true) answers.set(address, count + 1);
      if (looks && at % 1000 === 0) votes.look();
      context.mock.timers.tick(1);
      await new Promise(setImmediate);
    }
  }
  async function sample(
    addresses: readonly string[],
    windowMs = WINDOW_MS,
  ): Promise<{ passed: boolean; tookMs: number }> {
    const from = at;
    let passed: boolean | null = null;
    void votes.sample(addresses, windowMs).then((result) => (passed = result));
    while (passed === null) {
      await pass(1);
      await new Promise(setImmediate);
    }
    return { passed, tookMs: at - from };
  }
  /** The program does nothing for so long; then everything that is due comes at once. */
  async function heldUp(ms: number): Promise<void> {
    at += ms;
    for (const [address, count] of answers) if (alive.get(address) === true) answers.set(address, count + ms / 200);
    context.mock.timers.tick(ms);
    await Promise.resolve();
  }
  return { votes, alive, started, pass, heldUp, sample, asked: () => asked, end: (why: string) => ends.shift()?.(why) };
}

test("a sample passes when every address answered in its window, and the next ones need not wait", async (context) => {
  const { votes, alive, pass, sample } = pings(context);
  alive.set(GATEWAY, true).set("192.0.2.2", true);
  votes.watch([GATEWAY, "192.0.2.2"]);
  await pass(3_100, true);
  const first = await sample([GATEWAY, "192.0.2.2"]);
  assert.ok(first.passed && first.tookMs <= 300, JSON.stringify(first));
  await pass(500);
  const next = await sample([GATEWAY, "192.0.2.2"]);
  assert.ok(next.passed && next.tookMs <= 60, JSON.stringify(next));
  alive.set("192.0.2.2", false);
  await pass(500);
  const last = await sample([GATEWAY, "192.0.2.2"]);
  assert.deepEqual({ passed: last.passed, late: last.tookMs > WINDOW_MS + 5 }, { passed: false, late: false });
});

test("a sample that was expected has its answers at once", async (context) => {
  const { votes, alive, pass, sample } = pings(context);
  alive.set(GATEWAY, true);
  votes.watch([GATEWAY]);
  await pass(3_100, true);
  votes.expect();
  await pass(500);
  const first = await sample([GATEWAY]);
  assert.ok(first.passed && first.tookMs <= 60, JSON.stringify(first));
});

test("a sample is not lost because this program was held up for most of its window", async (context) => {
  const { votes, alive, pass, heldUp } = pings(context);
  votes.watch([GATEWAY, "192.0.2.2"]);
  const told: Record<string, boolean> = {};
  const sample = (address: string): void =>
    void votes.sample([address], WINDOW_MS).then((passed) => (told[address] = passed));
  alive.set(GATEWAY, true);
  votes.expect();
  // No answer is young at its begin.
  await pass(190);
  sample(GATEWAY);
  sample("192.0.2.2");
  await heldUp(400);
  await pass(60);
  await new Promise(setImmediate);
  assert.deepEqual(told, { [GATEWAY]: true, "192.0.2.2": false });
});

test("an answer that was in the pipe when the window ended counts, for timers come before what is read", async (context) => {
  const echo = spawn("cat", { stdio: ["pipe", "pipe", "inherit"] });
  context.after(() => echo.kill());
  const windowMs = 400;
  let told = 0;
  const exec: Pick<ExecPort, "lines"> = {
    lines(_file, _args, onLine) {
      echo.stdout.on("data", (data) => {
        onLine(String(data));
        // What a message from the brain can make of this thread: nothing is read until the window has ended.
        if (++told !== 5) return;
        echo.stdin.write("1/2 packets\n");
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, windowMs - 170);
      });
      return {
        pid: 1,
        signal: () => void (told < 5 && echo.stdin.write("0/1 packets\n")),
        stop: () => undefined,
      };
    },
  };
  const votes = createVotes(exec as ExecPort);
  context.after(() => votes.stop());
  votes.watch([GATEWAY]);
  assert.equal(await votes.sample([GATEWAY], windowMs), true);
});

test("an answer is too old from half a window before the sample, and too late a window after it came", async (context) => {
  const { votes, alive, pass, heldUp, sample } = pings(context);
  alive.set(GATEWAY, true);
  votes.watch([GATEWAY]);
  votes.expect();
  await pass(1_000);
  alive.set(GATEWAY, false);
  await pass(WINDOW_MS / 2 + 60);
  assert.equal((await sample([GATEWAY])).passed, false);
  alive.set(GATEWAY, true);
  await pass(1_000);
  alive.set(GATEWAY, false);
  await pass(WINDOW_MS / 2 + 60);
  let passed: boolean | null = null;
  void votes.sample([GATEWAY], WINDOW_MS).then((result) => (passed = result));
  alive.set(GATEWAY, true);
  await heldUp(WINDOW_MS + 50);
  await new Promise(setImmediate);
  assert.equal(passed, false);
});

test("an answer is not younger because this program was held up before it read of it", async (context) => {
  let at = 0;
  let tell: (line: string) => void = () => undefined;
  const exec: Pick<ExecPort, "lines"> = {
    lines(_file, _args, onLine) {
      tell = onLine;
      return { pid: 1, signal: () => undefined, stop: () => undefined };
    },
  };
  const votes = createVotes(exec as ExecPort, () => at);
  context.after(() => votes.stop());
  votes.watch([GATEWAY]);
  for (at of [0, 9]) {
    votes.look();
    await new Promise(setImmediate);
    if (at === 0) tell("1/1 packets");
  }
  // What it told then waits in the pipe until 800. The last answer came at 100.
  at = 800;
  let passed = false;
  const sampled = votes.sample([GATEWAY], WINDOW_MS).then((result) => (passed = result));
  tell("1/1 packets");
  await new Promise(setImmediate);
  at = 801;
  tell("2/4 packets");
  await new Promise(setImmediate);
  assert.equal(passed, false);
  // The sample ends with its window.
  at = 10_000;
  await sampled;
});

test("answers from before an outage do not make its first sample pass", async (context) => {
  const { votes, alive, pass, sample } = pings(context);
  alive.set(GATEWAY, true);
  votes.watch([GATEWAY]);
  await pass(3_900, true);
  // Told last at 3.0 s, answered until 3.9 s: what the first question finds is news, but may be 0.9 s old.
  alive.set(GATEWAY, false);
  await pass(90);
  assert.equal((await sample([GATEWAY])).passed, false);
});

test("nobody asks a ping more than once a second while no samples are taken", async (context) => {
  const { votes, alive, pass, sample, asked } = pings(context);
  alive.set(GATEWAY, true);
  votes.watch([GATEWAY]);
  await pass(10_000, true);
  assert.equal(asked(), 10);
  await sample([GATEWAY]);
  await pass(3_000, true);
  const calm = asked();
  await pass(5_000, true);
  assert.equal(asked() - calm, 5);
});

test("an address is known to answer or not, and unknown before there was time", async (context) => {
  const { votes, alive, pass } = pings(context);
  assert.equal(votes.answering(GATEWAY), null);
  alive.set(GATEWAY, true);
  votes.watch([GATEWAY]);
  assert.equal(votes.answering(GATEWAY), null);
  await pass(3_000, true);
  assert.equal(votes.answering(GATEWAY), true);
  alive.set(GATEWAY, false);
  await pass(4_000, true);
  assert.equal(votes.answering(GATEWAY), false);
});

test("a ping that ended is started again and counts from nothing", async (context) => {
  const { votes, alive, pass, sample, end } = pings(context);
  alive.set(GATEWAY, true);
  votes.watch([GATEWAY]);
  await pass(5_100, true);
  end("ping ended with 2: connect: Network is unreachable");
  await pass(1_100, true);
  assert.equal((await sample([GATEWAY])).passed, true);
});

test("no address, no vote (A3)", async (context) => {
  const { sample } = pings(context);
  assert.equal((await sample([])).passed, false);
});

test("an IPv6 address is pinged as one, which a dom0's ping does only with -6", (context) => {
  const { votes, started } = pings(context);
  votes.watch([GATEWAY, "fd00::1"]);
  assert.deepEqual(started, [`-n -q -i 0.2 -W 1 ${GATEWAY}`, "-6 -n -q -i 0.2 -W 1 fd00::1"]);
});
