import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemClock } from "../../../src/drivers/clock/system.ts";

describe("system clock", () => {
  it("never runs backwards and moves on across a sleep", async () => {
    const clock = systemClock();
    const before = clock.now();
    await clock.sleep(20);
    assert.ok(clock.now() - before >= 19, "a timer may fire up to a millisecond early, not more");
  });

  it("ends a sleep at once, without an error, when the signal aborts", async () => {
    const clock = systemClock();
    const abort = new AbortController();
    const sleeping = clock.sleep(60_000, abort.signal);
    abort.abort();
    await sleeping;
    await clock.sleep(60_000, AbortSignal.abort());
  });

  it("shows the wall clock in milliseconds of the epoch", () => {
    assert.ok(Math.abs(systemClock().wallMs() - Date.now()) < 1000);
  });
});
