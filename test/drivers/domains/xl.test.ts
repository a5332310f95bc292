import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, it } from "node:test";
import { parseXlList } from "../../../src/drivers/domains/parse.ts";
import { createDomains } from "../../../src/drivers/domains/xl.ts";
import { exited, scriptedExec } from "../exec/scripted-exec.ts";

const list = readFileSync(
  join(dirname(fileURLToPath(import.meta.url)), "../../fixtures/xl/list-verbose-4.17.txt"),
  "utf8",
);
const without = (id: number) =>
  list
    .split("\n")
    .filter((line) => !new RegExp(`\\s${id}\\s+\\d+\\s+\\d+\\s+[r-]`).test(line))
    .join("\n");
const state = (id: number, letters: string) =>
  list.replace(new RegExp(`(\\s${id}\\s+\\d+\\s+\\d+\\s+)[-rbpscd]{6}`), `$1${letters}`);

describe("xl list", () => {
  it("reads domains with blanks in their names, paused and dying ones, never domain 0", () => {
    const domains = parseXlList(list);
    assert.ok(domains.ok);
    assert.deepEqual(
      domains.value.map(({ domId, name, paused, dying }) => [domId, name, paused, dying]),
      [
        [3, "web server 01", false, false],
        [7, "db", true, false],
        [9, "(null)", true, true],
        [12, "a-very-long-name-of-a-virtual-machine-that-pushes-the-columns", false, false],
      ],
    );
    assert.equal(domains.value[0]?.uuid, "0f6c1a52-63b1-4f0e-9a3e-2c57d3a1b001");
  });

  it("fails without its heading, on a list without UUIDs, and on a line it cannot read", () => {
    assert.equal(parseXlList("").ok, false);
    assert.equal(parseXlList("Name ID Mem VCPUs\tState\tTime(s)\n").ok, false);
    assert.equal(parseXlList(list.replace("-b----", "-b--")).ok, false);
    assert.equal(parseXlList("libxl: error: cannot open xenstore").ok, false);
  });
});

describe("domains through xl", () => {
  it("lists what executes or could: not domain 0, not dying ones", async () => {
    const domains = await createDomains(scriptedExec({ "xl list -v": exited(0, list) })).list();
    assert.deepEqual(domains.ok && domains.value.map((domain) => domain.domId), [3, 7, 12]);
  });

  const cases = [
    { verb: "pause", id: 3, before: list, after: state(3, "--p---") },
    { verb: "unpause", id: 7, before: list, after: state(7, "-b----") },
    { verb: "destroy", id: 3, before: list, after: without(3) },
  ] as const;
  for (const { verb, id, before, after } of cases) {
    it(`${verb} looks, acts and looks again`, async () => {
      const exec = scriptedExec({
        "xl list -v": [exited(0, before), exited(0, after)],
        [`xl ${verb} ${id}`]: exited(0),
      });
      assert.deepEqual(await createDomains(exec)[verb](id), { ok: true, value: "changed" });
      assert.deepEqual(exec.commandLines(), ["xl list -v", `xl ${verb} ${id}`, "xl list -v"]);
    });

    it(`${verb} does nothing when it is so already`, async () => {
      const exec = scriptedExec({ "xl list -v": exited(0, after) });
      assert.deepEqual(await createDomains(exec)[verb](id), { ok: true, value: "already" });
      assert.deepEqual(exec.commandLines(), ["xl list -v"]);
    });

    it(`${verb} does not believe an exit code of 0, and hands on a failure`, async () => {
      const lie = scriptedExec({ "xl list -v": exited(0, before), [`xl ${verb} ${id}`]: exited(0) });
      const lied = await createDomains(lie)[verb](id);
      assert.ok(!lied.ok && lied.error.kind === "unverified");
      const refusal = scriptedExec({ "xl list -v": exited(0, before), [`xl ${verb} ${id}`]: exited(1, "", "no\n") });
      const refused = await createDomains(refusal)[verb](id);
      assert.ok(!refused.ok && refused.error.kind === "exit");
    });
  }

  it("believes what it sees, not a complaint, when the domain went by itself", async () => {
    const exec = scriptedExec({
      "xl list -v": [exited(0, list), exited(0, without(3))],
      "xl destroy 3": exited(1, "", "gone"),
    });
    assert.deepEqual(await createDomains(exec).destroy(3), { ok: true, value: "changed" });
  });

  it("does not call a dying domain destroyed: its disks may still be open", async () => {
    const exec = scriptedExec({ "xl list -v": exited(0, list), "xl destroy 9": exited(0) });
    const result = await createDomains(exec).destroy(9);
    assert.ok(!result.ok && result.error.kind === "unverified" && result.error.found === "dying");
  });

  it("never touches domain 0 or what is no domain id", async () => {
    const exec = scriptedExec({});
    for (const id of [0, -1, 1.5, Number.NaN]) assert.equal((await createDomains(exec).destroy(id)).ok, false);
    assert.deepEqual(exec.commandLines(), []);
  });

  it("cannot unpause a domain that is gone", async () => {
    const exec = scriptedExec({ "xl list -v": exited(0, without(7)), "xl unpause 7": exited(1, "", "invalid domain") });
    const result = await createDomains(exec).unpause(7);
    assert.ok(!result.ok && result.error.kind === "exit");
  });
});
