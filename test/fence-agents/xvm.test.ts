// The XVM agent against Debian's own sshd, with a root password and accounts of its own in a private mount namespace, and a
// stand-in for the outer host's `xe`.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { readXePower } from "../../src/fence-agents/xvm.ts";
import { must, runCommand } from "../lab/run-command.ts";
import { HOST } from "./call.ts";
import { debianTools, type DebianTools } from "./debian-tools.ts";
import { install, type Installed } from "./installed.ts";

const VM = "0838afcc-1c6c-549b-a28c-d7916ca7753a";
const PASSWORD = "hunter2 $(touch pwned)";
const tools = await debianTools();
const skip = await unavailable();

async function unavailable(): Promise<string | false> {
  if (typeof tools === "string") return tools;
  if (process.getuid?.() !== 0) return "sshd with accounts of its own needs root";
  const spaces = await runCommand("unshare", ["--mount", "true"], { timeoutMs: 5_000 });
  return spaces.code === 0 ? false : "sshd with accounts of its own needs a mount namespace (unshare failed)";
}

interface OuterHost {
  readonly port: number;
  readonly pin: string;
  readonly keyPath: string;
  power(): string;
  set(power: string): void;
  mood(mood: "honest" | "lies" | "hangs" | "fails"): void;
  /** Command lines of xe. */
  seen(): string;
  stop(): void;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => void server.close(() => resolve()));
  return port;
}

async function startOuterHost({ sshd, env }: DebianTools): Promise<OuterHost> {
  const dir = mkdtempSync(join(tmpdir(), "tandem-xvm-"));
  chmodSync(dir, 0o755);
  const file = (name: string): string => join(dir, name);
  const port = await freePort();
  mkdirSync(file("bin"));
  writeFileSync(file("power"), "running");
  writeFileSync(file("mood"), "honest");
  writeFileSync(
    file("bin/xe"),
    `#!/bin/bash
echo "$*" >>${file("seen")}
read -r mood <${file("mood")}
[ $mood = hangs ] && exec sleep 60
[ $mood = fails ] && { echo "The host toolstack is still initialising" >&2; exit 1; }
[[ $2 == uuid=${VM} ]] || { echo "The uuid you supplied was invalid." >&2; exit 1; }
case $1 in
  vm-param-get)
    case $3 in
      param-name=power-state) cat ${file("power")} ;;
      param-name=allowed-operations) echo "changing_dynamic_range; hard_reboot; hard_shutdown; pause" ;;
    esac ;;
  vm-shutdown) [[ $3 == force=true && $mood != lies ]] && echo halted >${file("power")} ;;
  vm-start) echo running >${file("power")} ;;
esac
exit 0
`,
  );
  chmodSync(file("bin/xe"), 0o755);
  for (const name of ["host", "client"]) await must("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", file(name)]);
  const hash = (await must("openssl", ["passwd", "-6", PASSWORD])).trim();
  writeFileSync(file("passwd"), "root:x:0:0:root:/root:/bin/bash\nsshd:x:74:74::/run/sshd:/usr/sbin/nologin\n");
  writeFileSync(file("shadow"), `root:${hash}:19000:0:99999:7:::\nsshd:!:19000::::::\n`, { mode: 0o600 });
  writeFileSync(file("authorized"), readFileSync(file("client.pub")));
  writeFileSync(
    file("config"),
    `ListenAddress 127.0.0.1:${port}
HostKey ${file("host")}
PidFile none
UsePAM no
PermitRootLogin yes
AuthorizedKeysFile ${file("authorized")}
StrictModes no
SetEnv PATH=${file("bin")}:/usr/bin:/bin
`,
  );
  const steps = [
    "mount --make-rprivate /",
    "mount -t tmpfs none /run",
    "mkdir /run/sshd",
    `mount --bind ${file("passwd")} /etc/passwd`,
    `mount --bind ${file("shadow")} /etc/shadow`,
    `exec ${sshd} -D -e -f ${file("config")}`,
  ].join(" && ");
  const child = spawn("unshare", ["--mount", "sh", "-c", steps], {
    stdio: ["ignore", "ignore", "ignore"],
    detached: true,
    env: { ...process.env, ...env },
  });
  const pin = /(SHA256:\S+)/.exec(await must("ssh-keygen", ["-l", "-f", file("host.pub")]))?.[1] ?? "";
  for (let round = 0; round < 100 && !(await listens(port)); round += 1) await sleep(50);
  return {
    port,
    pin,
    keyPath: file("client"),
    power: () => readFileSync(file("power"), "utf8").trim(),
    set: (power) => writeFileSync(file("power"), power),
    mood: (mood) => writeFileSync(file("mood"), mood),
    seen: () => readFileSync(file("seen"), "utf8"),
    stop() {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

async function withOuterHost(run: (outer: OuterHost, agent: Installed, line: string) => Promise<void>): Promise<void> {
  if (typeof tools === "string") return;
  const outer = await startOuterHost(tools);
  const line = `${VM},port=${outer.port},pin=${outer.pin}`;
  const agent = await install("XVM", line, { password: PASSWORD });
  try {
    await run(outer, agent, line);
  } finally {
    agent.remove();
    outer.stop();
  }
}

test("password login at a real sshd: self-test, off twice, on", { skip }, async () => {
  await withOuterHost(async (outer, agent) => {
    const fence = agent.fence();
    assert.deepEqual(await fence.check(HOST), { kind: "power", state: "on" });
    const off = await fence.off(HOST);
    assert.equal(off.kind, "verified-off", JSON.stringify(off));
    assert.equal(outer.power(), "halted");
    assert.match(outer.seen(), new RegExp(`^vm-shutdown uuid=${VM} force=true$`, "m"));
    assert.deepEqual(await fence.on(HOST), { kind: "power", state: "on" });
  });
});

test("login with a key instead of the password", { skip }, async () => {
  await withOuterHost(async (outer, agent, line) => {
    agent.hosts(`${line},key=${outer.keyPath}`);
    const off = await agent.fence({ password: null }).off(HOST);
    assert.equal(off.kind, "verified-off", JSON.stringify(off));
  });
});

test("a lie, a hang, an error, a wrong password and a wrong host key are not off", { skip }, async () => {
  await withOuterHost(async (outer, agent, line) => {
    outer.mood("lies");
    const lie = await agent.fence({ timeoutMs: 6_000 }).off(HOST);
    assert.ok(lie.kind === "failed" && /still says on/.test(lie.reason), JSON.stringify(lie));
    outer.mood("hangs");
    const hang = await agent.fence({ timeoutMs: 3_000 }).off(HOST);
    assert.ok(hang.kind === "failed" && /in time/.test(hang.reason), JSON.stringify(hang));
    outer.mood("fails");
    const fails = await agent.fence().off(HOST);
    assert.ok(fails.kind === "failed" && /still initialising/.test(fails.reason), JSON.stringify(fails));
    outer.mood("honest");
    const wrong = await agent.fence({ password: { reveal: () => "wrong" } }).off(HOST);
    assert.ok(wrong.kind === "failed" && /authentication methods failed/.test(wrong.reason), JSON.stringify(wrong));
    agent.hosts(line.replace(/pin=.*/, `pin=SHA256:${"A".repeat(43)}`));
    const stranger = await agent.fence().off(HOST);
    assert.ok(stranger.kind === "failed" && /Cannot trust/.test(stranger.reason), JSON.stringify(stranger));
    assert.equal(outer.power(), "running");
  });
});

test("paused and suspended VMs are not off", { skip }, async () => {
  await withOuterHost(async (outer, agent) => {
    for (const state of ["paused", "suspended"]) {
      outer.set(state);
      assert.deepEqual(await agent.fence().status(HOST), { kind: "power", state: "on" }, state);
    }
    outer.set("Unknown");
    assert.equal((await agent.fence().status(HOST)).kind, "failed");
  });
});

test("only halted is off", () => {
  assert.deepEqual(readXePower("halted"), { ok: true, value: "off" });
  for (const word of ["", "Halted", "halted halted", "off"]) assert.equal(readXePower(word).ok, false);
});
