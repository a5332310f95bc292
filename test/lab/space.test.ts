import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { dirOf, isUp, labsOnDisk } from "./space.ts";

const outside = process.env["TMPDIR"];
let dir = "";

before(() => {
  dir = mkdtempSync(join(tmpdir(), "space-test-"));
  process.env["TMPDIR"] = dir;
});

after(() => {
  if (outside === undefined) delete process.env["TMPDIR"];
  else process.env["TMPDIR"] = outside;
  rmSync(dir, { recursive: true, force: true });
});

/** proc(5): field 22 of stat, counted after the name in parentheses. */
function startTime(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}

function labOwnedBy(name: string, owner: string): void {
  mkdirSync(dirOf(name));
  writeFileSync(join(dirOf(name), "owner"), owner);
}

test("a lab is up while its owner lives", () => {
  labOwnedBy("lives", `${process.pid} ${startTime(process.pid)}`);
  assert.equal(isUp("lives"), true);
});

test("a later process with the owner's number does not keep a lab up", () => {
  labOwnedBy("reused", `${process.pid} 1`);
  assert.equal(isUp("reused"), false);
});

test("a lab whose owner has ended is not up", () => {
  labOwnedBy("gone", "4194305 77");
  assert.equal(isUp("gone"), false);
});

test("a lab without an owner on record is not up", () => {
  labOwnedBy("blank", "");
  assert.equal(isUp("blank"), false);
  assert.equal(isUp("never"), false);
});

test("only folders with a lab's name count as labs", () => {
  mkdirSync(join(dir, "tandem-lab-Not.A.Lab"));
  mkdirSync(join(dir, "something-else"));
  writeFileSync(join(dir, "tandem-lab-file"), "");
  mkdirSync(dirOf("another"));
  const found = labsOnDisk();
  assert.ok(found.includes("another"));
  for (const name of ["file", "Not.A.Lab", "something-else"]) assert.equal(found.includes(name), false, name);
});
