// Doing a plan and taking it back: in order, stopping at the first failure, going on from there, and never touching what
// somebody changed since.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { carryOut, undo } from "../../src/setup/carry-out/carry-out.ts";
import { readJournal } from "../../src/setup/carry-out/journal.ts";
import type { CommandStep, FileStep } from "../../src/setup/plan/step.ts";
import { exited, scriptedExec } from "../drivers/exec/scripted-exec.ts";

async function place(t: TestContext): Promise<(name: string) => string> {
  const folder = await mkdtemp(join(tmpdir(), "tandem-setup-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return (name) => join(folder, name);
}

/** DRBD runs nothing here. */
const NONE: ReadonlySet<string> = new Set();
const UP: ReadonlySet<string> = new Set(["iscsi1"]);

const file = (path: string, content: string, before: string | null, mode = 0o644): FileStep => ({
  kind: "file",
  title: "a file",
  path,
  content,
  mode,
  before,
});
const command = (line: string, more: Partial<CommandStep> = {}): CommandStep => {
  const [first = "", ...rest] = line.split(" ");
  return {
    kind: "command",
    title: line,
    argv: [first, ...rest],
    deadlineMs: 1_000,
    destroys: null,
    undo: null,
    ...more,
  };
};

test("files and commands are done in order, and an undo brings everything back", async (t) => {
  const at = await place(t);
  await writeFile(at("old"), "before\n", { mode: 0o640 });
  const exec = scriptedExec({ "systemctl disable tgt": exited(0), "systemctl enable tgt": exited(0) });
  const parts = { exec, progress: () => undefined, journalPath: at("journal") };
  const steps = [
    file(at("old"), "after\n", "before\n", 0o640),
    command("systemctl disable tgt", { undo: ["systemctl", "enable", "tgt"] }),
    file(at("deep/er/new"), "new\n", null, 0o600),
  ];
  assert.deepEqual(await carryOut(parts, steps, []), { ok: true, value: "done" });
  assert.equal(await readFile(at("old"), "utf8"), "after\n");
  assert.equal((await stat(at("old"))).mode & 0o777, 0o640);
  assert.equal((await stat(at("deep/er/new"))).mode & 0o777, 0o600);
  assert.equal((await stat(at("journal"))).mode & 0o777, 0o600, "the journal holds secrets");
  assert.deepEqual(await undo(parts, NONE), { ok: true, value: [] });
  assert.equal(await readFile(at("old"), "utf8"), "before\n");
  await assert.rejects(stat(at("deep/er/new")));
  assert.deepEqual(exec.commandLines(), ["systemctl disable tgt", "systemctl enable tgt"]);
  const left = await readJournal(at("journal"));
  assert.ok(left.ok && left.value.undo.length === 0);
});

test("a setup that is repeated keeps the first content of a file for the undo", async (t) => {
  const at = await place(t);
  await writeFile(at("conf"), "theirs\n");
  const parts = { exec: scriptedExec(), progress: () => undefined, journalPath: at("journal") };
  await carryOut(parts, [file(at("conf"), "first\n", "theirs\n")], []);
  await carryOut(parts, [file(at("conf"), "second\n", "first\n")], []);
  assert.deepEqual(await undo(parts, NONE), { ok: true, value: [] });
  assert.equal(await readFile(at("conf"), "utf8"), "theirs\n");
});

test("a command that fails stops the run with its own words; what came before stays", async (t) => {
  const at = await place(t);
  const exec = scriptedExec({ "drbdadm up iscsi1": exited(10, "", "no such disk") });
  const parts = { exec, progress: () => undefined, journalPath: at("journal") };
  const done = await carryOut(
    parts,
    [file(at("one"), "1", null), command("drbdadm up iscsi1"), file(at("two"), "2", null)],
    [],
  );
  assert.ok(!done.ok && /drbdadm up iscsi1 ended with 10: no such disk/.test(done.error));
  assert.equal(await readFile(at("one"), "utf8"), "1");
  await assert.rejects(stat(at("two")));
});

test("a step that destroys is not done without its name, whatever the plan says", async (t) => {
  const at = await place(t);
  const exec = scriptedExec({ "wipefs --all /dev/sdb": exited(0) });
  const parts = { exec, progress: () => undefined, journalPath: at("journal") };
  const wipe = command("wipefs --all /dev/sdb", { destroys: "xcp1:/dev/sdb" });
  const refused = await carryOut(parts, [wipe], ["xcp2:/dev/sdb"]);
  assert.ok(!refused.ok && /nobody typed xcp1:\/dev\/sdb/.test(refused.error));
  assert.deepEqual(exec.commandLines(), []);
  assert.ok((await carryOut(parts, [wipe], ["xcp1:/dev/sdb"])).ok);
});

test("an undo leaves what was changed since, says so once, and can be repeated", async (t) => {
  const at = await place(t);
  const parts = { exec: scriptedExec(), progress: () => undefined, journalPath: at("journal") };
  await carryOut(parts, [file(at("kept"), "ours", null), file(at("gone"), "ours", null)], []);
  await writeFile(at("kept"), "an administrator's");
  const done = await undo(parts, NONE);
  assert.ok(done.ok && done.value.length === 1 && /was changed since/.test(done.value[0] ?? ""));
  assert.equal(await readFile(at("kept"), "utf8"), "an administrator's");
  await assert.rejects(stat(at("gone")));
  await writeFile(at("gone"), "an administrator's too");
  assert.deepEqual(await undo(parts, NONE), { ok: true, value: [] });
  assert.equal(await readFile(at("kept"), "utf8"), "an administrator's");
  assert.equal(await readFile(at("gone"), "utf8"), "an administrator's too");
  await assert.rejects(stat(at("journal")), "nothing is left in it");
});

const DOWN = "drbdadm down iscsi1";
const up = (): CommandStep => command("drbdadm up iscsi1", { undo: ["drbdadm", "down", "iscsi1"] });
const rule = (): CommandStep => command("iptables -I IN", { undo: ["iptables", "-D", "IN"] });
const DONE = { "drbdadm up iscsi1": exited(0), "iptables -I IN": exited(0) };

test("a resource that does not come down stops an undo before anything else; the next one goes on", async (t) => {
  const at = await place(t);
  const exec = scriptedExec({
    ...DONE,
    [DOWN]: [exited(11, "", "held open"), exited(0)],
    "iptables -D IN": exited(0),
  });
  const parts = { exec, progress: () => undefined, journalPath: at("journal") };
  await carryOut(parts, [file(at("res"), "ours", null), up(), rule()], []);
  const refused = await undo(parts, UP);
  assert.ok(!refused.ok && /held open.*no file was touched/.test(refused.error), JSON.stringify(refused));
  assert.equal(await readFile(at("res"), "utf8"), "ours");
  assert.ok(!exec.commandLines().includes("iptables -D IN"), "the replication link stays open meanwhile");
  assert.deepEqual(await undo(parts, UP), { ok: true, value: [] });
  await assert.rejects(stat(at("res")));
  assert.deepEqual(exec.commandLines().slice(2), [DOWN, DOWN, "iptables -D IN"]);
});

test("an undo that is repeated runs no command a second time that was done, and none for a resource that is down", async (t) => {
  const at = await place(t);
  const timeout = { kind: "timeout", afterMs: 30_000, pid: 1 } as const;
  const exec = scriptedExec({ ...DONE, [DOWN]: exited(0), "iptables -D IN": [timeout, exited(0)] });
  const parts = { exec, progress: () => undefined, journalPath: at("journal") };
  await carryOut(parts, [up(), rule()], []);
  const first = await undo(parts, UP);
  assert.ok(first.ok && first.value.length === 1, JSON.stringify(first));
  const left = await readJournal(at("journal"));
  assert.deepEqual(left.ok && left.value.undo, [["iptables", "-D", "IN"]]);
  assert.deepEqual(await undo(parts, UP), { ok: true, value: [] });
  assert.deepEqual(exec.commandLines().slice(2), [DOWN, "iptables -D IN", "iptables -D IN"]);
  await carryOut(parts, [up()], []);
  assert.deepEqual(await undo(parts, NONE), { ok: true, value: [] });
  assert.equal(exec.commandLines().at(-1), "drbdadm up iscsi1");
});

test("a command that refuses is told once: it does not keep an undo from its end for ever", async (t) => {
  const at = await place(t);
  const exec = scriptedExec({ ...DONE, "iptables -D IN": exited(1, "", "does a matching rule exist?") });
  const parts = { exec, progress: () => undefined, journalPath: at("journal") };
  await carryOut(parts, [rule()], []);
  const first = await undo(parts, NONE);
  assert.ok(first.ok && /matching rule exist.*not tried again/.test(first.value.join()), JSON.stringify(first));
  assert.deepEqual(await undo(parts, NONE), { ok: true, value: [] });
});

test("a file that cannot be taken back stays in the journal; the others go on", async (t) => {
  const at = await place(t);
  const parts = { exec: scriptedExec(), progress: () => undefined, journalPath: at("journal") };
  await carryOut(parts, [file(at("other"), "ours", null), file(at("odd"), "ours", null)], []);
  await rm(at("odd"));
  await mkdir(at("odd"));
  const first = await undo(parts, NONE);
  assert.ok(first.ok && /Cannot take .*odd back/.test(first.value.join()), JSON.stringify(first));
  await assert.rejects(stat(at("other")));
  await rm(at("odd"), { recursive: true });
  assert.deepEqual(await undo(parts, NONE), { ok: true, value: [] });
});

test("a journal that cannot be read stops everything before anything is done", async (t) => {
  const at = await place(t);
  await writeFile(at("journal"), "{ torn");
  const parts = { exec: scriptedExec(), progress: () => undefined, journalPath: at("journal") };
  assert.ok(!(await carryOut(parts, [file(at("one"), "1", null)], [])).ok);
  await assert.rejects(stat(at("one")));
});
