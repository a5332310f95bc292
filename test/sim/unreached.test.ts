// The list of branches that cannot be taken is judged by every run of the simulator; here, that the judge is awake.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { FileCoverage } from "./coverage.ts";
import { unexplained, untrue, UNREACHED } from "./unreached.ts";

const [listed] = UNREACHED;
assert.ok(listed);
const run = (missing: readonly number[], text = listed.text): FileCoverage => ({
  file: listed.file,
  rules: "",
  branches: 3,
  taken: 3 - missing.length,
  missing,
  lines: ["first();", text, "third();"],
});

test("a listed branch that is taken, or whose line is gone, is told", () => {
  assert.deepEqual(untrue([run([2])], [listed]), []);
  assert.match(untrue([run([3])], [listed])[0] ?? "", /taken after all/);
  assert.match(untrue([run([2], "another();")], [listed])[0] ?? "", /no line/);
  assert.match(untrue([], [listed])[0] ?? "", /no line/);
});

test("only what has no reason is printed as missing", () => {
  assert.deepEqual(unexplained(run([2, 3])), [3]);
});
