// The IPMI agent with Debian's ipmitool against OpenIPMI's simulator of a BMC (`ipmi_sim`), over real RMCP+.

import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { createSocket } from "node:dgram";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { readIpmiPower } from "../../src/fence-agents/ipmi.ts";
import { HOST } from "./call.ts";
import { debianTools, type DebianTools } from "./debian-tools.ts";
import { install, type Installed } from "./installed.ts";

const tools = await debianTools();
const skip = typeof tools === "string" ? tools : false;
const PASSWORD = "s3cret-pass";

interface Bmc {
  readonly port: number;
  readonly child: ChildProcess;
  readonly power: () => string;
  set(power: "0" | "1"): void;
  /** True: orders are accepted and ignored. */
  lie(on: boolean): void;
  stop(): void;
}

async function freeUdpPort(): Promise<number> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => void socket.bind(0, "127.0.0.1", resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => void socket.close(resolve));
  return port;
}

async function startBmc({ ipmiSim, env }: DebianTools): Promise<Bmc> {
  const dir = mkdtempSync(join(tmpdir(), "tandem-bmc-"));
  const port = await freeUdpPort();
  const file = (name: string): string => join(dir, name);
  mkdirSync(file("state"));
  writeFileSync(file("power"), "1");
  writeFileSync(
    file("chassis"),
    `#!/bin/bash
case "$2 $3" in
  "get power") echo "power:$(cat ${file("power")})" ;;
  "set power") [ -e ${file("lie")} ] || echo "$4" >${file("power")} ;;
esac
exit 0
`,
  );
  chmodSync(file("chassis"), 0o755);
  const auth = ["callback", "user", "operator", "admin"].map(
    (one) => `    allowed_auths_${one} none md2 md5 straight\n`,
  );
  writeFileSync(
    file("lan.conf"),
    `name "bmc"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 ${port}
    priv_limit admin
${auth.join("")}    guid a123456789abcdefa123456789abcdef
  endlan
  chassis_control "${file("chassis")} 0x20"
  user 1 true "" "" user 10 none md2 md5 straight
  user 2 true "fence" "${PASSWORD}" admin 10 none md2 md5 straight
`,
  );
  writeFileSync(
    file("emu"),
    "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\nmc_enable 0x20\n",
  );
  const args = ["-c", file("lan.conf"), "-f", file("emu"), "-s", file("state"), "-n"];
  const child = spawn(ipmiSim, args, { stdio: "ignore", env: { ...process.env, ...env } });
  return {
    port,
    child,
    power: () => readFileSync(file("power"), "utf8").trim(),
    set: (power) => writeFileSync(file("power"), power),
    lie: (on) => (on ? writeFileSync(file("lie"), "") : rmSync(file("lie"))),
    stop() {
      child.kill("SIGKILL");
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function withBmc(
  run: (bmc: Bmc, agent: Installed) => Promise<void>,
  line = "user=fence,cipher=3",
  method = "IPMI",
): Promise<void> {
  if (typeof tools === "string") return;
  const bmc = await startBmc(tools);
  const path = dirname(tools.ipmitool);
  const agent = await install(method, `127.0.0.1,port=${bmc.port},${line}`, {
    password: PASSWORD,
    path,
    env: tools.env,
  });
  try {
    await answering(agent);
    await run(bmc, agent);
  } finally {
    agent.remove();
    bmc.stop();
  }
}

/** The simulator needs a moment to listen; a refused login shows as well that it does. */
async function answering(agent: Installed): Promise<void> {
  for (let round = 0; round < 20; round += 1) {
    const seen = await agent.fence({ timeoutMs: 1_500 }).status(HOST);
    if (seen.kind === "power" || !/in time/.test(seen.reason)) return;
    await sleep(100);
  }
}

for (const [method, line] of [
  ["IPMI", "user=fence,cipher=3"],
  ["IRMC", "via=ipmi,user=fence,cipher=3"],
] as const) {
  test(`${method}: self-test, off twice, on, over RMCP+`, { skip }, async () => {
    await withBmc(
      async (bmc, agent) => {
        const fence = agent.fence();
        assert.deepEqual(await fence.check(HOST), { kind: "power", state: "on" });
        const off = await fence.off(HOST);
        assert.equal(off.kind, "verified-off", JSON.stringify(off));
        assert.equal(bmc.power(), "0");
        assert.deepEqual(await fence.on(HOST), { kind: "power", state: "on" });
        assert.equal(bmc.power(), "1");
      },
      line,
      method,
    );
  });
}

test("a BMC that accepts the order and does nothing is not off", { skip }, async () => {
  await withBmc(async (bmc, agent) => {
    bmc.lie(true);
    const off = await agent.fence({ timeoutMs: 4_000 }).off(HOST);
    assert.ok(off.kind === "failed" && /still says on/.test(off.reason), JSON.stringify(off));
  });
});

test("a BMC that hangs is not off, and the agent ends in time", { skip }, async () => {
  await withBmc(async (bmc, agent) => {
    bmc.child.kill("SIGSTOP");
    const began = performance.now();
    const off = await agent.fence({ timeoutMs: 1_500 }).off(HOST);
    assert.ok(off.kind === "failed" && /in time/.test(off.reason), JSON.stringify(off));
    assert.ok(performance.now() - began < 2_500);
    bmc.child.kill("SIGCONT");
    assert.equal(bmc.power(), "1");
  });
});

test("a wrong password is not off", { skip }, async () => {
  await withBmc(async (bmc, agent) => {
    const wrong = await agent.fence({ password: { reveal: () => "wrong" } }).off(HOST);
    assert.ok(wrong.kind === "failed" && /ipmitool ended with 1/.test(wrong.reason), JSON.stringify(wrong));
    assert.equal(bmc.power(), "1");
  });
});

test("without ipmitool the agent says what to install", async () => {
  const agent = await install("IPMI", "127.0.0.1,user=x", { password: "x", path: "/nonexistent" });
  try {
    const found = await agent.fence().status(HOST);
    // A machine that has one gets no answer from port 623 instead.
    assert.ok(found.kind === "failed" && /not installed|ended with|in time/.test(found.reason), JSON.stringify(found));
  } finally {
    agent.remove();
  }
});

test("only ipmitool's own sentence is a power state", () => {
  assert.deepEqual(readIpmiPower("Chassis Power is off\n"), { ok: true, value: "off" });
  assert.deepEqual(readIpmiPower("Chassis Power is on\n"), { ok: true, value: "on" });
  for (const text of ["", "off", "Chassis Power is unknown", "Chassis Power is off\nChassis Power is on"])
    assert.equal(readIpmiPower(text).ok, false, text);
});
