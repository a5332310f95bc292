// The live screen on a pseudo-terminal (util-linux's script): what keys do, and that the terminal is given back.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { healthyStatus, statusWith } from "../../../../drivers/control/status-sample.ts";
import { startDouble } from "../../../daemon-double.ts";
import type { Double } from "../../../daemon-double.ts";

const hasScript = spawnSync("script", ["--version"]).status === 0;
const skip = hasScript ? false : "script (util-linux) is not installed: keys were not tried";
const tool = new URL("../../../../../src/bin/iscsi-cfg.ts", import.meta.url).pathname;
/** A node starts in a tenth of this; the machine may be busy. */
const patienceMs = 30_000;

const enterScreen = "\u001b[?1049h";
const leaveScreen = "\u001b[?1049l";
const showCursor = "\u001b[?25h";
/* oxlint-disable-next-line no-control-regex */
const colour = /\u001b\[[0-9;]*m/;

let double: Double;
const opened: ChildProcess[] = [];

before(async () => {
  double = await startDouble();
  const now = { ...healthyStatus, wallMs: Date.now() };
  double.script.status = [{ kind: "status", status: now }];
  const events = [{ wallMs: Date.now(), event: "takeover", detail: "epoch 8 by vote" }];
  const one = { startWallMs: Date.now(), endWallMs: Date.now(), node: "xcp1", isOver: true, events };
  double.script.history = [{ kind: "history", failovers: [{ ...one, summary: "xcp1 took the storage over" }] }];
  writeFileSync(join(double.directory, "log"), '{"level":"info","event":"vip.added","msg":"a line of the log"}\n');
});
after(async () => {
  for (const child of opened) child.kill("SIGKILL");
  await double.stop();
});

/** A terminal of 80x24 with the dashboard in it. */
function open(environment: Readonly<Record<string, string>> = {}) {
  const command = `stty cols 80 rows 24; exec ${process.execPath} ${tool} status`;
  const child = spawn("script", ["-qfec", command, "/dev/null"], {
    env: {
      PATH: process.env["PATH"],
      TZ: "UTC",
      TERM: "xterm-256color",
      LANG: "C.UTF-8",
      SHELL: "/bin/sh",
      TANDEM_SOCKET: double.path,
      TANDEM_LOG: join(double.directory, "log"),
      ...environment,
    },
  });
  opened.push(child);
  let seen = "";
  child.stdout.on("data", (chunk) => (seen += String(chunk)));
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  return {
    all: () => seen,
    press(keys: string): void {
      seen = "";
      child.stdin.write(keys);
    },
    async shows(what: RegExp): Promise<void> {
      const end = performance.now() + patienceMs;
      while (!what.test(seen)) {
        assert.ok(performance.now() < end, `${what} was not shown, but:\n${seen}`);
        await delay(20);
      }
    },
    ended,
  };
}

test(
  "each key opens its screen, the same key or Escape leads back, q ends and gives the terminal back",
  { skip },
  async () => {
    const terminal = open();
    await terminal.shows(/this host/);
    assert.ok(terminal.all().includes(enterScreen));
    assert.match(terminal.all(), colour);
    for (const [key, what] of [
      ["h", /this help/],
      ["l", /a line of the log/],
      ["y", /xcp1 took the storage over/],
      ["e", /storage\.activated/],
    ] as const) {
      terminal.press(key);
      await terminal.shows(what);
      terminal.press(key === "e" ? "\u001b" : key);
      await terminal.shows(/this host/);
    }
    // News are shown without a key.
    double.publish(statusWith({ outcome: "something new" }, {}, { wallMs: Date.now() }));
    await terminal.shows(/something new/);
    terminal.press("q");
    assert.equal(await terminal.ended, 0);
    assert.ok(terminal.all().includes(leaveScreen));
    assert.ok(terminal.all().includes(showCursor));
  },
);

test("Ctrl-C ends it like q", { skip }, async () => {
  const terminal = open();
  await terminal.shows(/this host/);
  terminal.press("\u0003");
  assert.equal(await terminal.ended, 0);
  assert.ok(terminal.all().includes(leaveScreen));
});

test("NO_COLOR takes the colour and leaves the screen", { skip }, async () => {
  const terminal = open({ NO_COLOR: "1" });
  await terminal.shows(/this host/);
  assert.doesNotMatch(terminal.all(), colour);
  terminal.press("q");
  assert.equal(await terminal.ended, 0);
});

test("a screen reader gets lines that follow one another, and then what changes", { skip }, async () => {
  const terminal = open({ ACCESSIBLE: "1" });
  await terminal.shows(/xcp1, State: OWNER, serving\.[\s\S]*xcp2, State: STANDBY\./);
  double.publish(statusWith({ outcome: "read this aloud" }, {}, { wallMs: Date.now() }));
  await terminal.shows(/xcp1: read this aloud\./);
  assert.ok(!terminal.all().includes("\u001b"));
  terminal.press("\u0003");
  assert.equal(await terminal.ended, 0);
});
