// The rows of protocol.md 9 and of the matrix, each under the policies it applies to, in virtual time.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { MATRIX_ROWS, SECTION9, TESTED_ELSEWHERE } from "./row-list.ts";
import { missing, runRow, type Row } from "./row.ts";

const folder = fileURLToPath(new URL("rows", import.meta.url));
const root = fileURLToPath(new URL("../..", import.meta.url));
const names = readdirSync(folder).toSorted();
const rows = new Map(
  await Promise.all(
    names.map(async (name) => {
      const { row } = (await import(`./rows/${name}/row.ts`)) as { readonly row: Row };
      return [name, row] as const;
    }),
  ),
);

for (const [name, row] of rows) {
  for (const policy of row.policies) {
    test(`row ${name}, ${policy}`, () => {
      const expected = row.expect[policy] ?? row.expect.all;
      assert.ok(expected !== undefined, `nothing is expected of ${policy}`);
      const outcome = runRow(row, policy);
      const timeline = outcome.world.log.slice(-40).map((l) => `${Math.round(l.at)} ${l.host} ${l.event}: ${l.detail}`);
      const wrong = missing(expected, outcome);
      assert.ok(wrong.length === 0, `${wrong.join("\n")}\ntold: ${outcome.told.join(" / ")}\n${timeline.join("\n")}`);
    });
  }
}

test("every folder says in a sentence what happens", () => {
  for (const name of names) {
    const text = readFileSync(`${folder}/${name}/README.md`, "utf8").trim();
    assert.match(text, /^[A-Z][^]{20,300}\.$/, name);
  }
});

test("every row of protocol.md 9 has its folder, and no folder names another", () => {
  const stood = [...rows.values()].flatMap(({ section9 }) => section9);
  assert.deepEqual(
    SECTION9.filter((row) => !stood.includes(row)),
    [],
  );
  assert.deepEqual(
    stood.filter((row) => !SECTION9.includes(row)),
    [],
  );
});

test("every row of the matrix has its folder, or its test elsewhere", () => {
  const stood = new Set([...rows.values()].flatMap(({ matrix }) => matrix));
  for (let number = 1; number <= MATRIX_ROWS; number++) {
    const places = [stood.has(number), number in TESTED_ELSEWHERE].filter(Boolean);
    assert.equal(places.length, 1, `row ${number} of the matrix`);
  }
  for (const { file } of Object.values(TESTED_ELSEWHERE)) assert.ok(existsSync(`${root}/${file}`), file);
});
