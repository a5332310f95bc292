import assert from "node:assert/strict";
import { test } from "node:test";
import { withoutRepeats } from "../../src/report/repeats.ts";

function recorded() {
  const lines: string[] = [];
  const clock = { now: 0 };
  const tell = withoutRepeats(
    (event, detail, level) => lines.push(`${event} ${detail} ${level}`),
    () => clock.now,
  );
  return { lines, clock, tell };
}

test("a refusal every 0.3 s is one line in ten seconds, and the next says how many there were", () => {
  const { lines, clock, tell } = recorded();
  for (; clock.now <= 10_200; clock.now += 300)
    tell("action.failed", "the other host did not outdate its copy", "warn");
  assert.deepEqual(lines, [
    "action.failed the other host did not outdate its copy warn",
    "action.failed the other host did not outdate its copy (and 33 times more in 10 s) warn",
  ]);
});

test("another text, and what is only information, is told each time", () => {
  const { lines, tell } = recorded();
  tell("action.failed", "one", "warn");
  tell("action.failed", "two", "error");
  for (let i = 0; i < 3; i++) tell("peer.contact", "the other host answers again", "info");
  assert.equal(lines.length, 5);
});

test("a line that comes again after ten seconds without it is told plainly", () => {
  const { lines, clock, tell } = recorded();
  tell("action.failed", "one", "warn");
  clock.now = 60_000;
  tell("action.failed", "one", "warn");
  assert.deepEqual(lines, ["action.failed one warn", "action.failed one warn"]);
});
