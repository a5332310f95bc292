import assert from "node:assert/strict";
import { test } from "node:test";
import type { Problem } from "../../../src/config/problem.ts";
import { createProblemTeller } from "../../../src/daemon/settings/config-problems.ts";

const problem = (found: string): Problem => ({
  path: "the pool's other-config",
  line: null,
  severity: "error",
  found,
  expected: "the pool parameters",
  action: "check that xapi runs",
});
const UNREAD = problem("no answer from XAPI");
const WRONG = problem("FENCE_METHOD=MAGIC");

test("what is over before it lasts is in the log and calls nobody; what lasts is an alert, and its end is told", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const logged: string[] = [];
  const alerts: string[] = [];
  const tell = createProblemTeller(
    { event: (_name, { detail }: { detail?: unknown } = {}) => void logged.push(String(detail)) },
    { raise: (_id, text) => void alerts.push(text), clear: (id) => void alerts.push(`clear ${id}`) },
  );
  tell({ problems: [UNREAD] });
  t.mock.timers.tick(9_000);
  tell({ problems: [] });
  t.mock.timers.tick(60_000);
  assert.deepEqual(alerts, ["clear config-problems"], "a daemon that starts reads the pool a second later");
  assert.equal(logged.length, 1);

  tell({ problems: [UNREAD] });
  tell({ problems: [WRONG, UNREAD] });
  t.mock.timers.tick(10_000);
  assert.match(alerts.at(-1) ?? "", /MAGIC.*\(and 1 more\)$/);
  tell({ problems: [WRONG] });
  assert.match(alerts.at(-1) ?? "", /MAGIC[^(]*$/, "a change of what was told is told at once");
  tell({ problems: [] });
  assert.equal(alerts.at(-1), "clear config-problems");
  assert.equal(alerts.length, 4);
});
