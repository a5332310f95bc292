// Real routing rules on a pair of interfaces, each end in a network namespace of its own.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { after, before, describe, it } from "node:test";
import { createExec } from "../../../../src/drivers/exec/run.ts";
import { createAdmission, parseRules } from "../../../../src/drivers/iscsi-target/lio/admission.ts";
import { isInNamespace, runInNamespace } from "../../exec/namespace.ts";
import { realTools } from "../../exec/real-tools.ts";

const tools = realTools(["ip"], ["iproute2"]);
const setup = [
  "mount -t tmpfs tmpfs /run",
  "ip netns add other",
  "ip link add repl type veth peer name repl netns other",
  "ip addr add 10.10.10.1/24 dev repl",
  "ip addr add 10.10.10.3/32 dev repl",
  "ip link set repl up",
  "ip netns exec other ip link set lo up",
  "ip netns exec other ip addr add 10.10.10.2/24 dev repl",
  "ip netns exec other ip addr add 10.10.10.4/24 dev repl",
  "ip netns exec other ip link set repl up",
];

if (!isInNamespace()) {
  describe("admission in a namespace", { skip: tools.skip ?? false }, () => {
    it("passes every real test", () => {
      const report = runInNamespace(fileURLToPath(import.meta.url), setup, {});
      assert.equal(report, null, report ?? "");
    });
  });
} else {
  const exec = createExec({ path: tools.path, env: tools.env });
  const PORTAL = "10.10.10.3";
  const server = createServer((socket) => socket.end("in"));
  const env = { ...tools.env, PATH: tools.path };
  const rules = () => execFileSync("ip", ["rule", "show"], { encoding: "utf8", env });

  /** A connection from there, made by a program of its own: in this process it would share the namespace. */
  async function arrives(from: string): Promise<boolean> {
    const script = `const s = require("net").connect({ host: "${PORTAL}", port: 3260, localAddress: "${from}" });
      s.on("data", () => process.exit(0)); s.on("error", () => process.exit(1)); setTimeout(() => process.exit(1), 700);`;
    const where = from === "10.10.10.1" ? [] : ["ip", "netns", "exec", "other"];
    const [file, ...args] = [...where, process.execPath, "-e", script];
    const done = await exec.run(file, args, { timeoutMs: 10_000 });
    return done.kind === "exited" && done.code === 0;
  }

  describe("admission by address", () => {
    before(() => new Promise<void>((resolve) => void server.listen(3260, PORTAL, resolve)));
    after(() => void server.close());

    it("lets everybody in, then some, then everybody again, and is known to the next daemon", async () => {
      const admission = createAdmission(exec, 2000);
      assert.deepEqual(await admission.admitted(PORTAL), { ok: true, value: null });
      assert.equal(await arrives("10.10.10.2"), true);

      assert.deepEqual(await admission.admit(PORTAL, ["10.10.10.1", "10.10.10.4"]), { ok: true, value: "changed" });
      assert.deepEqual(await Promise.all(["10.10.10.1", "10.10.10.2", "10.10.10.4"].map(arrives)), [true, false, true]);
      const next = await createAdmission(exec, 2000).admitted(PORTAL);
      assert.deepEqual(next.ok && next.value?.toSorted(), ["10.10.10.1", "10.10.10.4"]);
      assert.deepEqual(await admission.admit(PORTAL, ["10.10.10.4", "10.10.10.1"]), { ok: true, value: "already" });

      assert.deepEqual(await admission.admit(PORTAL, ["10.10.10.0/24"]), { ok: true, value: "changed" });
      assert.equal(await arrives("10.10.10.2"), true);
      assert.deepEqual(await admission.admit(PORTAL, null), { ok: true, value: "changed" });
      assert.doesNotMatch(rules(), /10\.10\.10\.3/);
      assert.equal(await arrives("10.10.10.2"), true);
    });

    it("clears away what a change that broke off left, and touches no rule of others", async () => {
      const add = (...args: string[]) => execFileSync("ip", ["rule", "add", ...args], { env });
      add("from", PORTAL, "to", "10.10.10.2", "lookup", "main", "pref", "17600");
      add("from", "10.10.10.9", "lookup", "main", "pref", "17600");
      const admission = createAdmission(exec, 2000);
      assert.deepEqual(await admission.admitted(PORTAL), { ok: true, value: null });
      assert.deepEqual(await admission.admit(PORTAL, null), { ok: true, value: "changed" });
      assert.deepEqual(parseRules(rules(), PORTAL), { closed: false, letIn: [], clearing: [] });
      assert.match(rules(), /from 10\.10\.10\.9/);
    });

    it("does the same with IPv6", async () => {
      const admission = createAdmission(exec, 2000);
      const wanted = ["fd00:0:0::1", "10.10.10.1"];
      assert.deepEqual(await admission.admit("fd00:0::3", wanted), { ok: true, value: "changed" });
      assert.deepEqual(await admission.admitted("fd00::3"), { ok: true, value: ["fd00::1"] });
      assert.deepEqual(await admission.admit("fd00::3", null), { ok: true, value: "changed" });
    });
  });
}
