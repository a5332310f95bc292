import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createFirewall } from "../../../src/drivers/firewall/iptables.ts";
import { exited, type Answer, scriptedExec } from "../exec/scripted-exec.ts";

const restore = "iptables-restore --noflush";
const hooks = {
  "iptables -C INPUT -j TANDEM": exited(1),
  "iptables -I INPUT 1 -j TANDEM": exited(0),
  "iptables -C OUTPUT -j TANDEM": exited(1),
  "iptables -I OUTPUT 1 -j TANDEM": exited(0),
};
const empty = "*filter\n:TANDEM - [0:0]\nCOMMIT\n";
const blocked = [
  "*filter",
  ":TANDEM - [0:0]",
  "-A TANDEM -d 10.10.10.3 -p tcp --dport 3260 -j DROP",
  "-A TANDEM -s 10.10.10.3 -p tcp --sport 3260 -j DROP",
  "COMMIT",
  "",
].join("\n");

function setUp(script: Readonly<Record<string, Answer | readonly Answer[]>> = {}) {
  const exec = scriptedExec({ [restore]: exited(0), ...hooks, ...script });
  const written = () => exec.calls.flatMap((call) => (call.options?.stdin === undefined ? [] : [call.options.stdin]));
  return { exec, firewall: createFirewall(exec, { connects: async () => false }), written };
}

describe("firewall", () => {
  it("is prepared once: an empty chain and its two hooks", async () => {
    const { exec, firewall, written } = setUp();
    assert.deepEqual(await firewall.prepare(), { ok: true, value: "changed" });
    assert.deepEqual(exec.commandLines(), [restore, ...Object.keys(hooks)]);
    assert.deepEqual(written(), [empty]);
  });

  it("adds no second hook", async () => {
    const there = { "iptables -C INPUT -j TANDEM": exited(0), "iptables -C OUTPUT -j TANDEM": exited(0) };
    const { exec, firewall } = setUp(there);
    assert.deepEqual(await firewall.prepare(), { ok: true, value: "already" });
    assert.deepEqual(exec.commandLines(), [restore, ...Object.keys(there)]);
  });

  it("blocks and unblocks with one process each, and with none when it is so already", async () => {
    const { exec, firewall, written } = setUp();
    await firewall.prepare();
    const before = exec.calls.length;
    assert.deepEqual(await firewall.unblock("10.10.10.3", 3260), { ok: true, value: "already" });
    assert.deepEqual(await firewall.block("10.10.10.3", 3260), { ok: true, value: "changed" });
    assert.deepEqual(await firewall.block("10.10.10.3", 3260), { ok: true, value: "already" });
    assert.deepEqual(await firewall.unblock("10.10.10.3", 3260), { ok: true, value: "changed" });
    assert.equal(exec.calls.length - before, 2);
    assert.deepEqual(written().slice(1), [blocked, empty]);
  });

  it("prepares itself when nobody did", async () => {
    const { firewall, written } = setUp();
    assert.deepEqual(await firewall.block("10.10.10.3", 3260), { ok: true, value: "changed" });
    assert.deepEqual(written(), [empty, blocked]);
  });

  it("keeps what is blocked when it is prepared again", async () => {
    const { firewall, written } = setUp();
    await firewall.block("10.10.10.3", 3260);
    await firewall.prepare();
    assert.equal(written().at(-1), blocked);
  });

  it("keeps a second portal blocked when the first is let through", async () => {
    const { firewall, written } = setUp();
    await Promise.all([firewall.block("10.10.10.3", 3260), firewall.block("10.10.10.4", 3260)]);
    await firewall.unblock("10.10.10.3", 3260);
    assert.match(written().at(-1) ?? "", /-d 10\.10\.10\.4 /);
    assert.doesNotMatch(written().at(-1) ?? "", /-d 10\.10\.10\.3 /);
  });

  it("does not know what holds after a failure, so the next change is written whatever it is", async () => {
    const { firewall, written } = setUp({
      [restore]: [exited(0), { kind: "timeout", pid: 7, afterMs: 3000 }, exited(0)],
    });
    await firewall.prepare();
    const failed = await firewall.block("10.10.10.3", 3260);
    assert.ok(!failed.ok && failed.error.kind === "timeout");
    assert.deepEqual(await firewall.unblock("10.10.10.3", 3260), { ok: true, value: "changed" });
    assert.equal(written().at(-1), empty);
  });

  it("tries once more when somebody holds the lock of iptables", async () => {
    const { firewall } = setUp({ [restore]: [exited(0), exited(4, "", "xtables lock"), exited(0)] });
    await firewall.prepare();
    assert.deepEqual(await firewall.block("10.10.10.3", 3260), { ok: true, value: "changed" });
  });

  it("uses the legacy flavour by its own name where the plain name is not linked", async () => {
    const lines = Object.keys(hooks).map((line) => line.replace("iptables", "iptables-legacy"));
    const legacy = "iptables-legacy-restore --noflush";
    const { exec, firewall } = setUp({
      [restore]: { kind: "not-started", reason: "spawn ENOENT" },
      [legacy]: exited(0),
      ...Object.fromEntries(lines.map((line) => [line, exited(line.includes("-C") ? 1 : 0)])),
    });
    assert.deepEqual(await firewall.block("10.10.10.3", 3260), { ok: true, value: "changed" });
    assert.deepEqual(exec.commandLines(), [restore, legacy, ...lines, legacy]);
  });

  it("uses nft where there is no iptables, and says so when there is neither", async () => {
    const missing = { kind: "not-started", reason: "spawn ENOENT" } as const;
    const legacy = "iptables-legacy-restore --noflush";
    const { exec, firewall, written } = setUp({ [restore]: missing, [legacy]: missing, "nft -f -": exited(0) });
    assert.deepEqual(await firewall.block("10.10.10.3", 3260), { ok: true, value: "changed" });
    assert.deepEqual(exec.commandLines(), [restore, legacy, "nft -f -", "nft -f -"]);
    assert.match(written().at(-1) ?? "", /ip daddr 10\.10\.10\.3 tcp dport 3260 drop/);
    const none = await setUp({ [restore]: missing, [legacy]: missing, "nft -f -": missing }).firewall.block(
      "10.10.10.3",
      3260,
    );
    assert.ok(!none.ok && none.error.kind === "missing");
  });

  it("kicks this host's connections without waiting", () => {
    const { exec, firewall } = setUp();
    firewall.kick("10.10.10.3", 3260);
    assert.deepEqual(exec.commandLines(), ["ss -K dst 10.10.10.3 dport = :3260"]);
  });
});
