// The whole path: the daemon's driver, the shipped script, the bundle, a peer. What a device does wrong never proves a
// power-off, and no password is seen in any command line.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { methodNames } from "../../src/fence-agents/methods.ts";
import { root } from "../build.ts";
import { HOST } from "./call.ts";
import { install } from "./installed.ts";
import * as redfish from "./redfish-peer.ts";
import * as ssh from "./ssh-peer.ts";

test("every method has its script, executable, all of them the same", () => {
  const texts = methodNames.map((method) => {
    const path = join(root, "agents", method, `${method}.sh`);
    assert.equal(statSync(path).mode & 0o777, 0o755, path);
    return readFileSync(path, "utf8");
  });
  assert.equal(new Set(texts).size, 1);
});

test("REDFISH as installed: self-test, off twice, on; then each lie is a failure", async () => {
  const peer = await redfish.startRedfish();
  const line = `127.0.0.1,port=${peer.port},user=${redfish.USER},pin=${peer.pin}`;
  const agent = await install("REDFISH", line, { password: redfish.PASSWORD });
  try {
    const fence = agent.fence();
    assert.deepEqual(await fence.check(HOST), { kind: "power", state: "on" });
    assert.ok((fence.worstAnswerMs() ?? 0) > 0);
    const off = await fence.off(HOST);
    assert.equal(off.kind, "verified-off", JSON.stringify(off));
    assert.equal(peer.power, "Off");
    assert.deepEqual(await fence.on(HOST), { kind: "power", state: "on" });
    for (const mood of ["lies", "silent", "half", "garbage", "not-json-off", "powering-off"] as const) {
      peer.mood = mood;
      const result = await agent.fence({ timeoutMs: 900 }).off(HOST);
      assert.equal(result.kind, "failed", `${mood}: ${JSON.stringify(result)}`);
    }
    peer.power = "On";
    peer.mood = "no-force-off";
    assert.equal((await fence.status(HOST)).kind, "power");
    const tested = await fence.check(HOST);
    assert.ok(tested.kind === "failed" && /expected ForceOff/.test(tested.reason), JSON.stringify(tested));
    peer.mood = "honest";
    agent.hosts(line.replace(/pin=.*/, `pin=SHA256:${"A".repeat(43)}`));
    const before = peer.credentials.length;
    const stranger = await fence.off(HOST);
    assert.ok(stranger.kind === "failed" && /Cannot trust/.test(stranger.reason), JSON.stringify(stranger));
    assert.equal(peer.credentials.length, before, "no password went to the stranger");
  } finally {
    agent.remove();
    await peer.stop();
  }
});

test("ILO as installed: off twice; killed in the middle it proves nothing; no password in any command line", async () => {
  const peer = await ssh.startIlo();
  const agent = await install("ILO", `127.0.0.1,port=${peer.port},pin=${peer.pin}`, { password: ssh.PASSWORD });
  try {
    const off = await agent.fence().off(HOST);
    assert.equal(off.kind, "verified-off", JSON.stringify(off));
    peer.power = "On";
    peer.mood = "silent-at-command";
    const pending = agent.fence({ timeoutMs: 8_000 }).off(HOST);
    const pid = await agentPid(agent.folder);
    const lines = commandLines();
    assert.ok(lines.some((one) => one.includes("fence-agent.mjs")));
    assert.ok(!lines.some((one) => one.includes("hunter2")), "argv");
    assert.ok(!readFileSync(`/proc/${pid}/environ`, "utf8").includes("hunter2"), "environment");
    process.kill(pid, "SIGKILL");
    const killed = await pending;
    assert.ok(killed.kind === "failed" && /ended with 137/.test(killed.reason), JSON.stringify(killed));
  } finally {
    agent.remove();
    await peer.stop();
  }
});

const isNumber = (name: string): boolean => /^\d+$/.test(name);
function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "";
  }
}
const commandLines = (): string[] => readdirSync("/proc").filter(isNumber).map(commandLine);

/** Of the agent that runs from this installation; its own cache folder is in its environment. */
async function agentPid(folder: string): Promise<number> {
  for (let round = 0; round < 200; round += 1) {
    for (const pid of readdirSync("/proc").filter(isNumber)) {
      if (!commandLine(pid).includes("fence-agent.mjs ILO")) continue;
      try {
        if (readFileSync(`/proc/${pid}/environ`, "utf8").includes(folder)) return Number(pid);
      } catch {
        continue;
      }
    }
    await sleep(20);
  }
  throw new Error("the agent did not start");
}
