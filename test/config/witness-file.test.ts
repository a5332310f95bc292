// The witness's file: the shipped example, and what wrong ones are answered.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { describeProblem } from "../../src/config/problem.ts";
import { parseWitnessFile } from "../../src/config/witness-file.ts";

const example = readFileSync(new URL("../../conf/witness.yaml", import.meta.url), "utf8");
const problems = (text: string): string => {
  const parsed = parseWitnessFile(text);
  return parsed.ok ? "" : parsed.error.map(describeProblem).join("\n");
};

test("the example is valid as it is shipped, and with its comments taken off shows the defaults", () => {
  const opened = example.replaceAll(/^# (listen|state): /gm, "$1: ");
  const [shipped, full] = [parseWitnessFile(example), parseWitnessFile(opened)];
  assert.ok(shipped.ok && full.ok, problems(example) + problems(opened));
  assert.notEqual(opened, example);
  assert.deepEqual(full.value, shipped.value);
  assert.deepEqual(full.value.listen, [{ host: "0.0.0.0", port: 7695 }]);
});

const pool = "pools: [{ uuid: 0d6a2b1c-7f7e-4c55-9f39-6f1d3a1b2c4d, keys: KEY }]".replace("KEY", "f".repeat(64));
const wrong: readonly (readonly [name: string, text: string, said: RegExp])[] = [
  ["no pools", "listen: 0.0.0.0:7695\n", /pools.*a list of pools/],
  ["an unknown name", `${pool}\nlisten_on: x\n`, /listen_on/],
  ["a name to listen on", `${pool}\nlisten: witness:7695\n`, /listen.*an address and a port/],
  ["a relative path", `${pool}\nstate: grants.json\n`, /state.*absolute path/],
  ["a short key", pool.replace("f".repeat(64), "ffff"), /keys.*64 hexadecimal digits.*--new-key/],
  ["three keys", pool.replace("f".repeat(64), "[a, b, c]"), /keys/],
  ["no UUID", pool.replace("0d6a", "xx"), /uuid.*a UUID/],
];
for (const [name, text, said] of wrong) {
  test(`a witness file with ${name} is refused with the reason`, () => assert.match(problems(text), said));
}

test("no error shows a key", () =>
  assert.doesNotMatch(problems(pool.replace("f".repeat(64), `${"e".repeat(63)}x`)), /eeee/));
