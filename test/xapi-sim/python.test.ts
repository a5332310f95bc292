import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { before, test } from "node:test";
import { type Pair, PASSWORD, startPair } from "./pair.ts";

const CACHE = resolve(import.meta.dirname, "../../.build/fence-agents");
const FENCE = join(CACHE, "usr/share/fence");
/** The agent's library imports these for devices reached by web or terminal, which XenAPI is not. */
const STUBS = join(CACHE, "stubs");

const run = (program: string, args: string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) =>
  new Promise<{ code: number; stdout: string; stderr: string }>((done) => {
    execFile(program, args, { timeout: 60_000, ...options }, (error, stdout, stderr) => {
      done({ code: typeof error?.code === "number" ? error.code : error ? -1 : 0, stdout, stderr });
    });
  });

/** Why the Debian package cannot be had, or undefined. */
const fetchPackage = async (): Promise<string | undefined> => {
  if (!existsSync(join(FENCE, "XenAPI.py"))) {
    mkdirSync(CACHE, { recursive: true });
    const download = await run("apt-get", ["download", "fence-agents"], { cwd: CACHE });
    const file = readdirSync(CACHE).find((name) => name.endsWith(".deb"));
    if (file === undefined) return `fence-agents cannot be downloaded: ${download.stderr.slice(0, 200)}`;
    const unpacked = await run("dpkg-deb", ["-x", file, CACHE], { cwd: CACHE });
    if (unpacked.code !== 0) return `fence-agents cannot be unpacked: ${unpacked.stderr.slice(0, 200)}`;
  }
  mkdirSync(STUBS, { recursive: true });
  writeFileSync(join(STUBS, "pycurl.py"), "");
  writeFileSync(
    join(STUBS, "pexpect.py"),
    "class spawn: pass\nclass ExceptionPexpect(Exception): pass\nclass TIMEOUT(ExceptionPexpect): pass\nclass EOF(ExceptionPexpect): pass\n",
  );
  return (await run("python3", ["--version"])).code === 0 ? undefined : "python3 is not installed";
};

let missing: string | undefined;
before(async () => {
  missing = await fetchPackage();
});

const withPair = async (work: (pair: Pair) => Promise<void>): Promise<void> => {
  const pair = await startPair();
  try {
    await work(pair);
  } finally {
    await pair.close();
  }
};

const env = (): NodeJS.ProcessEnv => ({ ...process.env, PYTHONPATH: `${STUBS}:${FENCE}`, PYTHONWARNINGS: "ignore" });

const SCRIPT = `
import sys, XenAPI
url, supporter, password = sys.argv[1:4]
s = XenAPI.Session(url)
s.xenapi.login_with_password("root", password)
x = s.xenapi
vm = x.VM.get_by_name_label("vm1")[0]
record = x.VM.get_record(vm)
assert record["power_state"] == "Halted", record["power_state"]
assert record["memory_static_max"] == str(256 * 1048576), record["memory_static_max"]
assert record["is_a_template"] is False
metrics = list(x.host_metrics.get_all_records().values())
assert all(m["live"] is True for m in metrics), metrics
first = s.xenapi_request("event.from", (["vm"], "", 1.0))
assert all(e["operation"] == "add" and e["class"] == "vm" for e in first["events"])
x.VM.start(vm, False, False)
seen = s.xenapi_request("event.from", (["vm"], first["token"], 5.0))
states = [e["snapshot"]["power_state"] for e in seen["events"] if e["ref"] == vm]
assert states[-1] == "Running", states
try:
    x.VM.start(vm, False, False)
    raise SystemExit("a second start was accepted")
except XenAPI.Failure as e:
    assert e.details[:1] == ["VM_BAD_POWER_STATE"], e.details
try:
    XenAPI.Session(supporter).xenapi.login_with_password("root", password)
    raise SystemExit("the supporter let us in over TCP")
except XenAPI.Failure as e:
    assert e.details[0] == "HOST_IS_SLAVE", e.details
x.VM.hard_shutdown(vm)
assert x.VM.get_power_state(vm) == "Halted"
s.xenapi.session.logout()
print("done")
`;

test("Python's XenAPI.py logs in, reads records, follows events and starts a VM", async (t) => {
  if (missing !== undefined) return t.skip(missing);
  await withPair(async (pair) => {
    const urls = pair.hosts.map((host) => `http://${host.address}:${pair.httpPort}`);
    const result = await run("python3", ["-c", SCRIPT, ...urls, PASSWORD], { env: env() });
    assert.deepEqual(
      { code: result.code, out: result.stdout.trim(), err: result.stderr },
      { code: 0, out: "done", err: "" },
    );
  });
});

test("fence_xenapi lists the VMs and turns one on and off", async (t) => {
  if (missing !== undefined) return t.skip(missing);
  await withPair(async (pair) => {
    const agent = async (...args: string[]): Promise<string> => {
      const url = `http://${pair.hosts[0].address}:${pair.httpPort}`;
      const login = [`--session-url=${url}`, "--username=root", `--password=${PASSWORD}`];
      // The agent adds its own folder to the path; this one runs from the unpacked package.
      const file = join(CACHE, "usr/sbin/fence_xenapi");
      const result = await run("python3", [file, ...login, ...args], { env: env() });
      return `${result.code} ${result.stdout.trim()} ${result.stderr.trim()}`.trim();
    };
    assert.match(await agent("--action=list"), /^0 [\s\S]*vm1/);
    assert.match(await agent("--action=status", "--plug=vm1"), /^2 Status: OFF/);
    assert.match(await agent("--action=on", "--plug=vm1"), /^0 Success: Powered ON/);
    assert.match(await agent("--action=status", "--plug=vm1"), /^0 Status: ON/);
    assert.match(await agent("--action=off", "--plug=vm1"), /^0 Success: Powered OFF/);
  });
});
