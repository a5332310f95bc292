import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { refFor } from "./db.ts";
import { eventually, HOSTS, login, must, SEED, VM_UUIDS } from "./pair.ts";
import { asRec } from "./types.ts";

const GUEST = `console.log("up"); setInterval(() => {}, 1000); process.on("SIGTERM", () => process.exit(0));`;
const PORT = 30_000 + (process.pid % 10_000) * 2;
const VM1 = refFor("VM", VM_UUIDS[0]);
const HOST1 = refFor("host", HOSTS[0].uuid);
const HOST2 = refFor("host", HOSTS[1].uuid);
const TIMINGS = JSON.stringify({ fuseMs: 300, enableMs: 100, bootMs: 20, helloRetryMs: 100, forwardRetryMs: 100 });

interface Node {
  readonly root: string;
  readonly socket: string;
  child: ChildProcess;
}

const boot = (folder: string, index: 0 | 1): ChildProcess => {
  const root = join(folder, `h${index}`);
  const { uuid, address } = HOSTS[index];
  const who = ["--root", root, "--host", uuid, "--listen", address, "--seed", join(folder, "seed.json")];
  const ports = ["--http-port", String(PORT), "--https-port", String(PORT + 1)];
  const guests = ["--vm", join(folder, "guest.cjs"), "--domains", join(root, "run"), "--vm-logs", join(root, "vms")];
  const args = [join(import.meta.dirname, "main.ts"), ...who, ...ports, ...guests, "--timings", TIMINGS];
  return spawn(process.execPath, args, {
    stdio: ["ignore", "ignore", process.env["XAPI_SIM_LOG"] === undefined ? "ignore" : "inherit"],
  });
};

const start = (folder: string, index: 0 | 1): Node => {
  const root = join(folder, `h${index}`);
  mkdirSync(join(root, "etc/xensource"), { recursive: true });
  writeFileSync(join(root, "etc/xensource/ptoken"), "secret-of-the-pool");
  writeFileSync(join(root, "etc/xensource/pool.conf"), index === 0 ? "master" : `slave:${HOSTS[0].address}`);
  return { root, socket: join(root, "var/lib/xcp/xapi"), child: boot(folder, index) };
};

const guestPids = ({ root }: Node): number[] => {
  const domains = [1, 2, 3].map((id) => join(root, "run", String(id))).filter((path) => existsSync(path));
  return domains.map((path) => Number(/^pid=(\d+)$/m.exec(readFileSync(path, "utf8"))?.[1]));
};

test("guests outlive a killed xapi, are adopted by the next one, and end when the pool moved them elsewhere", async () => {
  const folder = mkdtempSync(join(tmpdir(), "xapi-sim-main-"));
  writeFileSync(join(folder, "guest.cjs"), GUEST);
  writeFileSync(join(folder, "seed.json"), JSON.stringify(SEED));
  const nodes = [start(folder, 0), start(folder, 1)] as const;
  const [one, two] = nodes;
  const kill = (node: Node): Promise<void> =>
    new Promise((resolve) => {
      node.child.once("exit", () => resolve());
      node.child.kill("SIGKILL");
    });
  try {
    const enabled = async (socketPath: string): Promise<boolean> => {
      const hosts = asRec(await must({ socketPath }, "host.get_all_records", [await login(socketPath)]));
      return Object.values(hosts).every((host) => asRec(host)["enabled"] === true);
    };
    await eventually("both programs are up", () => enabled(one.socket), 20_000);
    const session = await login(one.socket);
    await must({ socketPath: one.socket }, "VM.start_on", [session, VM1, HOST1, false, false]);
    await must({ socketPath: one.socket }, "pool.sync_database", [session]);
    const [pid = 0] = guestPids(one);
    assert.ok(process.kill(pid, 0), "the guest's process lives");

    await kill(one);
    assert.ok(process.kill(pid, 0), "it lives without its xapi");
    one.child = boot(folder, 0);
    await eventually("the master is up again", () => enabled(one.socket), 20_000);
    const again = await login(one.socket);
    assert.equal(await must({ socketPath: one.socket }, "VM.get_power_state", [again, VM1]), "Running");

    // The lower copy of the pool goes on without this host, as after a cut link.
    await kill(one);
    const local = await must({ socketPath: two.socket }, "session.slave_local_login_with_password", ["root", ""]);
    await must({ socketPath: two.socket }, "pool.emergency_transition_to_master", [local]);
    await eventually("the other is master", async () => {
      const fresh = await login(two.socket);
      return (await must({ socketPath: two.socket }, "host.get_enabled", [fresh, HOST2])) === true;
    });
    const fresh = await login(two.socket);
    await must({ socketPath: two.socket }, "host.declare_dead", [fresh, HOST1]);
    await must({ socketPath: two.socket }, "VM.start_on", [fresh, VM1, HOST2, false, false]);
    one.child = boot(folder, 0);
    await eventually(
      "the first host's copy is ended",
      () => {
        const stat = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, "utf8") : ") Z";
        return stat.includes(") Z");
      },
      20_000,
    );
    await eventually("it is a supporter now", () => enabled(two.socket), 20_000);
    const [other = 0] = guestPids(two);
    process.kill(other, "SIGTERM");
    await eventually("a guest that ended by itself is Halted", async () => {
      return (await must({ socketPath: two.socket }, "VM.get_power_state", [fresh, VM1])) === "Halted";
    });
  } finally {
    for (const pid of [...guestPids(one), ...guestPids(two)]) process.kill(pid, "SIGKILL");
    await Promise.all(nodes.map(kill));
    if (process.env["XAPI_SIM_KEEP"] !== undefined) cpSync(folder, process.env["XAPI_SIM_KEEP"], { recursive: true });
    rmSync(folder, { recursive: true, force: true });
  }
});
