import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Hypervisor } from "./hypervisor.ts";
import { createProcessHypervisor } from "./hypervisor-process.ts";
import { eventually } from "./pair.ts";

/** A guest that counts, writes its count when asked to move and goes on from it. */
const GUEST = `
const fs = require("node:fs");
const given = (name) => { const at = process.argv.indexOf(name); return at < 0 ? undefined : process.argv[at + 1]; };
const from = given("--resume-from");
const count = from === undefined ? 7 : JSON.parse(fs.readFileSync(from, "utf8")).count + 1;
setInterval(() => {}, 1000);
process.on("SIGUSR2", () => { fs.writeFileSync(given("--state-file"), JSON.stringify({ count })); process.exit(0); });
console.log("ready " + count);
`;

const UUID = "dddddddd-0000-4000-8000-000000000001";
const SPEC = { vmUuid: UUID, name: "guest one", args: [], memoryBytes: 64 * 1048576, vcpus: 1 };

interface Bench {
  readonly folder: string;
  readonly hypervisor: Hypervisor;
  readonly again: () => Hypervisor;
  readonly log: () => string;
  readonly xl: (...args: string[]) => Promise<{ code: number; stdout: string; stderr: string }>;
}

const withBench = async (work: (bench: Bench) => Promise<void>): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), "xapi-sim-domains-"));
  writeFileSync(join(folder, "guest.cjs"), GUEST);
  const [domains, logFolder] = [join(folder, "domains"), join(folder, "logs")];
  const command = [process.execPath, join(folder, "guest.cjs")];
  const again = (): Hypervisor => createProcessHypervisor({ folder: domains, command, logFolder, pollMs: 20 });
  const hypervisor = again();
  const xl = (...args: string[]) =>
    new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
      const env = { ...process.env, XL_DOMAINS: domains };
      execFile(join(import.meta.dirname, "xl"), args, { env }, (error, stdout, stderr) => {
        resolve({ code: typeof error?.code === "number" ? error.code : 0, stdout, stderr });
      });
    });
  try {
    await work({ folder, hypervisor, again, xl, log: () => readFileSync(join(logFolder, `${UUID}.log`), "utf8") });
  } finally {
    await hypervisor.destroy(UUID);
    rmSync(folder, { recursive: true, force: true });
  }
};

test("a domain outlives the hypervisor object that started it and a second one adopts it", async () => {
  await withBench(async ({ hypervisor, again }) => {
    const domid = await hypervisor.start(SPEC, { paused: false });
    const adopted = again();
    assert.deepEqual(await adopted.list(), [{ vmUuid: UUID, domid, state: "running" }]);
    await assert.rejects(adopted.start(SPEC, { paused: false }), /already runs here/);
    await adopted.destroy(UUID);
    assert.deepEqual(await hypervisor.list(), []);
  });
});

test("a domain started paused does nothing until it is unpaused", async () => {
  await withBench(async ({ hypervisor, log }) => {
    await hypervisor.start(SPEC, { paused: true });
    await eventually("stopped", async () => (await hypervisor.list())[0]?.state === "paused");
    assert.equal(log(), "");
    await hypervisor.unpause(UUID);
    await eventually("the guest runs", () => log().includes("ready 7"));
  });
});

test("saving takes the guest's state away and starting with it goes on from there", async () => {
  await withBench(async ({ hypervisor, log }) => {
    await hypervisor.start(SPEC, { paused: false });
    await eventually("the guest runs", () => log().includes("ready 7"));
    const image = await hypervisor.save(UUID);
    assert.deepEqual(await hypervisor.list(), []);
    await hypervisor.start(SPEC, { paused: false, image });
    await eventually("the guest goes on", () => log().includes("ready 8"));
  });
});

test("the xl shim lists, pauses and destroys what the hypervisor started, and the hypervisor notices", async () => {
  await withBench(async ({ hypervisor, xl }) => {
    const domid = await hypervisor.start(SPEC, { paused: false });
    let changes = 0;
    const stop = hypervisor.watch(() => (changes += 1));
    const listed = (await xl("list", "-v")).stdout.split("\n");
    assert.match(listed[0] ?? "", /^Name +ID +Mem VCPUs\tState\tTime\(s\) +UUID +Reason-Code\tSecurity Label$/);
    assert.match(listed[1] ?? "", /^Domain-0 +0 /);
    assert.match(listed[2] ?? "", new RegExp(`^guest one +${domid} +64 +1 +[-rb]{2}---- +\\d+\\.\\d ${UUID} +- +-$`));
    assert.equal((await xl("pause", String(domid))).code, 0);
    await eventually("paused is seen", async () => (await hypervisor.list())[0]?.state === "paused");
    assert.match((await xl("list")).stdout, /guest one .* --p---/);
    assert.equal((await xl("destroy", "guest one")).code, 0);
    assert.deepEqual(await hypervisor.list(), []);
    await eventually("the watcher was told", () => changes >= 2);
    stop();
    const missing = await xl("pause", String(domid));
    assert.deepEqual(missing, { code: 1, stdout: "", stderr: `${domid} is an invalid domain identifier (rc=-6)\n` });
  });
});
