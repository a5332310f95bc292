import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { bench, HONEST, OWN, PASSWORD, PEER, type AgentBench } from "./agents.ts";

async function withBench(body: string, run: (at: AgentBench) => Promise<void>, method?: string): Promise<void> {
  const at = bench(body, method);
  try {
    await run(at);
  } finally {
    at.remove();
  }
}

test("an honest agent: off, read back off twice, verified", async () => {
  await withBench(HONEST, async (at) => {
    const result = await at.fence().off(PEER);
    assert.equal(result.kind, "verified-off", JSON.stringify(result));
    assert.deepEqual(at.calls(), ["stop", "status", "status"]);
  });
});

// Whatever an agent does wrong, the answer is `failed` with the reason, never `verified-off`.
const liars: readonly { what: string; body: string; reason: RegExp; timeoutMs?: number }[] = [
  {
    what: "exits 0 but leaves the host on",
    body: "case $2 in status) echo on; exit 0;; esac; exit 0",
    reason: /not verified off within 600 ms: it reads on/,
    timeoutMs: 600,
  },
  {
    what: "switches off but says it failed",
    body: `case $2 in stop) echo off >$state; echo "BMC said 0x42" >&2; exit 1;; esac\n${HONEST}`,
    reason: /"stop" ended with 1: BMC said 0x42/,
  },
  {
    what: "reads off only every other time",
    body: `case $2 in stop) exit 0;; status) if [ -e $state.x ]; then rm $state.x; echo on; exit 0; fi; touch $state.x; echo off; exit 2;; esac`,
    reason: /not verified off/,
    timeoutMs: 600,
  },
  {
    what: "reads off once and then nothing",
    body: `case $2 in stop) exit 0;; status) [ -e $state.x ] && { echo "no route" >&2; exit 1; }; touch $state.x; echo off; exit 2;; esac`,
    reason: /"status" ended with 1: no route/,
    timeoutMs: 600,
  },
  {
    what: "does not know status and ends with 1",
    body: 'case $2 in stop) exit 0;; *) echo "usage: start stop reset" >&2; exit 1;; esac',
    reason: /usage: start stop reset; the agent must support "status"/,
    timeoutMs: 600,
  },
  {
    what: "does not know status and ends with 2, as many scripts do",
    body: 'case $2 in stop) exit 0;; *) echo "usage: on|off" >&2; exit 2;; esac',
    reason: /ended with 2 but did not say off.*must support "status"/,
    timeoutMs: 600,
  },
  {
    what: "has a syntax error, on which bash ends with 2",
    body: 'if [ "$2" = stop ]; then exit 0; fi\nif then fi',
    reason: /ended with 2 but did not say off.*if then fi/,
    timeoutMs: 600,
  },
  {
    what: "says off but exits 0",
    body: "case $2 in stop) exit 0;; status) echo off; exit 0;; esac",
    reason: /contradiction/,
    timeoutMs: 600,
  },
  {
    what: "says on but exits 2",
    body: "case $2 in stop) exit 0;; status) echo on; exit 2;; esac",
    reason: /contradiction/,
    timeoutMs: 600,
  },
  {
    what: "ends with 0 for whatever it is asked (the contract of the seeds)",
    body: "exit 0",
    reason: /it reads on/,
    timeoutMs: 600,
  },
  {
    what: "is slower to stop than the deadline",
    body: "case $2 in stop) sleep 20; echo off >$state;; esac; exit 0",
    reason: /no answer to "stop" within \d+ ms and was killed/,
    timeoutMs: 400,
  },
  {
    what: "hangs in status and ignores SIGTERM",
    body: 'trap "" TERM; case $2 in stop) exit 0;; status) sleep 20;; esac; exit 2',
    reason: /no answer to "status"/,
    timeoutMs: 500,
  },
  { what: "kills itself", body: "kill -9 $$", reason: /"stop" ended with 137/ },
  {
    what: "is killed while it reads the state",
    body: "case $2 in stop) exit 0;; esac; kill -9 $$",
    reason: /"status" ended with 137/,
    timeoutMs: 600,
  },
  { what: "floods its output", body: "yes off", reason: /"stop" ended with -1/ },
];
for (const { what, body, reason, timeoutMs } of liars) {
  test(`an agent that ${what} never proves a power-off`, async () => {
    await withBench(body, async (at) => {
      const result = await at.fence(timeoutMs === undefined ? {} : { timeoutMs }).off(PEER);
      assert.equal(result.kind, "failed", JSON.stringify(result));
      if (result.kind === "failed") assert.match(result.reason, reason);
    });
  });
}

test("a reading that fails in between starts the count again, and two later ones verify", async () => {
  const body = `case $2 in stop) exit 0;; status) n=$(wc -l <${"$"}{state%/*}/calls); [ $n -eq 3 ] && exit 1; echo Status: OFF; exit 2;; esac`;
  await withBench(body, async (at) => {
    assert.equal((await at.fence().off(PEER)).kind, "verified-off");
    assert.deepEqual(at.calls(), ["stop", "status", "status", "status", "status"]);
  });
});

// V7: the agent is not even started.
const hosts: readonly (readonly [string, string, RegExp])[] = [
  ["this host itself", OWN, /this host itself/],
  ["a host of another pool", "33333333-3333-4333-8333-333333333333", /expected a host of this pool/],
  ["a name", "xcp2", /expected the UUID/],
  ["an option", "--help", /expected the UUID/],
  ["nothing", "", /expected the UUID/],
];
for (const [what, hostId, reason] of hosts) {
  test(`never fences ${what}`, async () => {
    await withBench(HONEST, async (at) => {
      const result = await at.fence().off(hostId);
      assert.equal(result.kind, "failed");
      if (result.kind === "failed") assert.match(result.reason, reason);
      assert.deepEqual(at.calls(), []);
    });
  });
}

test("POOL has no device, and that is no proof", async () => {
  await withBench(HONEST, async (at) => {
    const fence = at.fence({ method: "POOL" });
    assert.deepEqual(await fence.off(PEER), { kind: "no-device" });
    assert.equal((await fence.check(PEER)).kind, "failed");
    assert.equal((await fence.off(OWN)).kind, "failed", "V7 comes first");
  });
});

// The agent must not be started when anybody but root could have written it.
const unsafe: readonly { what: string; readonly spoil: (at: AgentBench) => void; reason: RegExp }[] = [
  { what: "is missing", spoil: (at) => rmSync(at.script), reason: /is missing; install it/ },
  {
    what: "is not executable",
    spoil: (at) => chmodSync(at.script, 0o644),
    reason: /not executable; check it, then chmod u\+x/,
  },
  { what: "is writable by others", spoil: (at) => chmodSync(at.script, 0o757), reason: /LAB\.sh has mode 0757/ },
  { what: "is writable by its group", spoil: (at) => chmodSync(at.script, 0o775), reason: /LAB\.sh has mode 0775/ },
  {
    what: "lies in a folder that others may write",
    spoil: (at) => chmodSync(dirname(at.script), 0o777),
    reason: /LAB has mode 0777/,
  },
  {
    what: "has a parent folder that others may write",
    spoil: (at) => chmodSync(at.folder, 0o777),
    reason: /mode 0777/,
  },
  {
    what: "has a hosts file that others may write",
    spoil: (at) => {
      const path = join(dirname(at.script), "LAB.hosts");
      writeFileSync(path, "");
      chmodSync(path, 0o666);
    },
    reason: /LAB\.hosts has mode 0666/,
  },
  {
    what: "is a folder",
    spoil: (at) => {
      rmSync(at.script);
      mkdirSync(at.script);
    },
    reason: /no regular file/,
  },
  {
    what: "is a link that leads out of the folder",
    spoil: (at) => {
      rmSync(at.script);
      symlinkSync("/bin/true", at.script);
    },
    reason: /expected a file below/,
  },
  {
    what: "is a link to nothing",
    spoil: (at) => {
      renameSync(at.script, `${at.script}.old`);
      symlinkSync("gone.sh", at.script);
    },
    reason: /is missing/,
  },
];
for (const { what, spoil, reason } of unsafe) {
  test(`an agent that ${what} is not started`, async () => {
    await withBench(HONEST, async (at) => {
      spoil(at);
      for (const result of [await at.fence().off(PEER), await at.fence().status(PEER), await at.fence().check(PEER)]) {
        assert.equal(result.kind, "failed");
        if (result.kind === "failed") assert.match(result.reason, reason);
      }
      assert.deepEqual(at.calls(), []);
    });
  });
}

test(
  "a file of another owner is refused",
  { skip: process.getuid?.() === 0 ? false : "needs root to give a file away" },
  async () => {
    await withBench(HONEST, async (at) => {
      const { chownSync } = await import("node:fs");
      chownSync(at.script, 1234, 0);
      const result = await at.fence().off(PEER);
      assert.ok(result.kind === "failed" && result.reason.includes("belongs to user 1234"), JSON.stringify(result));
    });
  },
);

test("every parent is checked up to the root: a folder below /tmp is refused", async () => {
  await withBench(HONEST, async (at) => {
    const result = await at.fence({}, { ascendTo: "/" }).off(PEER);
    assert.ok(result.kind === "failed" && /\/tmp has mode 1777/.test(result.reason), JSON.stringify(result));
  });
});

test("a link inside the folder is followed to the real file, which is then checked", async () => {
  await withBench(HONEST, async (at) => {
    renameSync(at.script, join(at.folder, "real.sh"));
    symlinkSync("../real.sh", at.script);
    assert.equal((await at.fence().off(PEER)).kind, "verified-off");
    chmodSync(join(at.folder, "real.sh"), 0o777);
    assert.equal((await at.fence().off(PEER)).kind, "failed");
  });
});

for (const method of ["../LAB", "lab", "LAB.sh", "A B", "", "X".repeat(33)]) {
  test(`the method ${JSON.stringify(method.slice(0, 12))} is refused`, async () => {
    await withBench(HONEST, async (at) => {
      const result = await at.fence({ method }).off(PEER);
      assert.ok(result.kind === "failed" && /Cannot use fence method/.test(result.reason));
      assert.deepEqual(at.calls(), []);
    });
  });
}

test("the password goes by stdin only: not argv, not environment, not the reason of a failure", async () => {
  const body = `tr '\\0' '\\n' </proc/$$/cmdline >\${state%/*}/argv; env >\${state%/*}/env; cat >\${state%/*}/stdin; grep password= \${state%/*}/stdin >&2; exit 1`;
  await withBench(body, async (at) => {
    const result = await at.fence().off(PEER);
    assert.ok(result.kind === "failed");
    assert.match(
      at.read("stdin"),
      new RegExp(`^action=stop\nhost=${PEER}\nmethod=LAB\naddress=192\\.0\\.2\\.1\nhosts_file=\npassword=`),
    );
    assert.ok(at.read("stdin").includes(PASSWORD));
    for (const text of [at.read("argv"), at.read("env"), result.reason]) assert.ok(!text.includes("hunter2"), text);
    assert.match(result.reason, /password=\[password\]/);
    assert.equal(at.read("pwned"), "", "nothing of it was evaluated");
    assert.deepEqual(at.read("argv").trim().split("\n").slice(-2), [PEER, "stop"]);
  });
});

test("the agent sees a fixed environment, nothing of the daemon's", async () => {
  process.env["TANDEM_TEST_LEAK"] = "leak";
  try {
    await withBench("env >${state%/*}/env; exit 1", async (at) => {
      await at.fence().off(PEER);
      const names = at
        .read("env")
        .trim()
        .split("\n")
        .map((line) => line.split("=")[0] ?? "")
        .filter((name) => !["_", "PWD", "SHLVL", "OLDPWD"].includes(name));
      assert.deepEqual(names.toSorted(), [
        "FENCE_FILE_LOC",
        "FENCE_HOSTS_FILE",
        "FENCE_IPADDRESS",
        "FENCE_METHOD",
        "LC_ALL",
        "PATH",
      ]);
    });
  } finally {
    delete process.env["TANDEM_TEST_LEAK"];
  }
});

test("the children of a hanging agent are ended with it", async () => {
  await withBench("case $2 in stop) sleep 30 & echo $! >${state%/*}/child; wait;; esac", async (at) => {
    await at.fence({ timeoutMs: 500 }).off(PEER);
    const pid = Number(at.read("child").trim());
    assert.ok(pid > 1);
    for (let round = 0; round < 40 && isAlive(pid); round += 1) await sleep(25);
    assert.equal(isAlive(pid), false);
  });
});

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

test("two fencings of one host at once: the second is refused (D14)", async () => {
  await withBench(`sleep 0.2\n${HONEST}`, async (at) => {
    const fence = at.fence();
    const [first, second] = await Promise.all([fence.off(PEER), fence.off(PEER)]);
    assert.equal(first.kind, "verified-off");
    assert.ok(second.kind === "failed" && second.reason.includes("D14"));
    assert.equal((await fence.off(PEER)).kind, "verified-off", "afterwards it is possible again");
  });
});

for (const action of ["reset", "start"] as const) {
  test(`FENCE_ACTION=${action}: off is proven first, the start comes later and is read back`, async () => {
    await withBench(HONEST, async (at) => {
      const fence = at.fence({ action });
      assert.equal((await fence.off(PEER)).kind, "verified-off");
      assert.deepEqual(at.calls(), ["stop", "status", "status"], "the proof is handed over before the start");
      for (let round = 0; round < 100 && at.started.length === 0; round += 1) await sleep(20);
      assert.deepEqual(at.started, [{ hostId: PEER, result: { kind: "power", state: "on" } }]);
      assert.deepEqual(at.calls().slice(3), ["start", "status"]);
    });
  });
}

test("a pending start is dropped by stop() and by a new fencing", async () => {
  await withBench(HONEST, async (at) => {
    const fence = at.fence({ action: "reset" }, { startAfterMs: 250 });
    await fence.off(PEER);
    fence.stop();
    await sleep(400);
    assert.ok(!at.calls().includes("start"));
    await fence.off(PEER);
    await sleep(100);
    await fence.off(PEER);
    for (let round = 0; round < 100 && at.started.length === 0; round += 1) await sleep(20);
    await sleep(300);
    assert.equal(at.calls().filter((one) => one === "start").length, 1);
    assert.equal(at.started.length, 1);
  });
});

test("FENCE_ACTION=stop leaves the host off", async () => {
  await withBench(HONEST, async (at) => {
    await at.fence().off(PEER);
    await sleep(250);
    assert.ok(!at.calls().includes("start"));
  });
});

test("status and check answer on and off; check remembers the worst time (I-h)", async () => {
  await withBench(HONEST, async (at) => {
    const fence = at.fence();
    assert.equal(fence.worstAnswerMs(), null);
    assert.deepEqual(await fence.status(PEER), { kind: "power", state: "on" });
    assert.equal(fence.worstAnswerMs(), null);
    assert.deepEqual(await fence.check(PEER), { kind: "power", state: "on" });
    assert.ok((fence.worstAnswerMs() ?? 0) > 0);
    await fence.off(PEER);
    assert.deepEqual(await fence.status(PEER), { kind: "power", state: "off" });
    assert.deepEqual(await fence.on(PEER), { kind: "power", state: "on" });
  });
});

test("the own device may be asked, but not switched", async () => {
  await withBench(HONEST, async (at) => {
    assert.equal((await at.fence().status(OWN)).kind, "power");
    assert.equal((await at.fence().off(OWN)).kind, "failed");
  });
});

void test("a look at the power reads twice, switches nothing, and is no for everything but off", async () => {
  const cases = [
    ["echo off; exit 2", true, 2],
    ["echo on; exit 0", false, 1],
    ["[ -e $state.x ] && { echo on; exit 0; }; touch $state.x; echo off; exit 2", false, 2],
    ["echo usage; exit 2", false, 1],
    ["exit 1", false, 1],
  ] as const;
  for (const [status, wanted, readings] of cases) {
    const at = bench(`case $2 in status) ${status};; esac; exit 0`);
    try {
      assert.equal(await at.fence().readsOff(PEER), wanted, status);
      assert.deepEqual(at.calls(), Array<string>(readings).fill("status"));
      assert.equal(await at.fence().readsOff(OWN), false);
      assert.equal(await at.fence({ method: "POOL" }).readsOff(PEER), false);
    } finally {
      at.remove();
    }
  }
});

void test("a look that hangs ends by itself and does not hold up the command", async () => {
  const at = bench(
    "case $2 in status) [ -e $state.off ] || sleep 20; echo off; exit 2;; stop) touch $state.off;; esac; exit 0",
  );
  try {
    const fence = at.fence();
    const look = fence.readsOff(PEER);
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal((await fence.off(PEER)).kind, "verified-off");
    assert.equal(await look, false);
  } finally {
    at.remove();
  }
});
