import assert from "node:assert/strict";
import { test } from "node:test";
import type { Timers } from "../../src/core/model/config.ts";
import {
  agreement,
  checkTimers,
  DEFAULT_FACTS,
  deriveTimers,
  EXPECTED_DRBD_TIMINGS,
  feedPeriodMs,
  PROFILES,
  type Inequality,
  type TimerFacts,
  type TimerInput,
  type TimerProfile,
} from "../../src/config/timers.ts";

const input: TimerInput = {
  profile: "balanced",
  fastDetect: true,
  xapiCount: 2,
  xapiDelayMs: 10_000,
  managementGraceMs: 60_000,
  single: {},
};
const timersOf = (single: Partial<Timers>): Timers => ({ ...deriveTimers(input), ...single });

for (const profile of ["conservative", "balanced", "fast"] satisfies TimerProfile[]) {
  test(`profile ${profile} keeps every inequality`, () => {
    assert.deepEqual(checkTimers(deriveTimers({ ...input, profile })), []);
  });
}

test("the profiles have the figures of the protocol", () => {
  const pick = (profile: TimerProfile): number[] => {
    const one = PROFILES[profile];
    return [one.dead, one.drbd, one.lease, one.watchdog, one.take];
  };
  assert.deepEqual(pick("conservative"), [5000, 1500, 8000, 10_000, 22_000]);
  assert.deepEqual(pick("balanced"), [3000, 1500, 5000, 5000, 13_000]);
  assert.deepEqual(pick("fast"), [2000, 1500, 3500, 3000, 9500]);
});

const drbd = (change: Partial<typeof EXPECTED_DRBD_TIMINGS>): TimerFacts => ({
  ...DEFAULT_FACTS,
  drbd: { ...EXPECTED_DRBD_TIMINGS, ...change },
});

// Each row breaks exactly one inequality; the row beside it stands on the border and breaks none.
const rows: readonly {
  rule: Inequality;
  what: string;
  timers: Partial<Timers>;
  facts?: TimerFacts;
  border: Partial<Timers>;
  borderFacts?: TimerFacts;
}[] = [
  { rule: "I-a", what: "T_DEAD below 4 T_HB", timers: { hb: 760, echo: 2000 }, border: { hb: 750, echo: 2000 } },
  { rule: "I-a", what: "T_DEAD below 2 T_SAMPLE + 0.5 s", timers: { sample: 1251 }, border: { sample: 1250 } },
  {
    rule: "I-a",
    what: "T_DEAD below DRBD's timeout + ping-timeout",
    timers: { drbd: 4000, lease: 7000, take: 15_000 },
    facts: drbd({ pingTimeoutMs: 2101 }),
    border: { drbd: 4000, lease: 7000, take: 15_000 },
    borderFacts: drbd({ pingTimeoutMs: 2100 }),
  },
  { rule: "I-b", what: "LEASE below T_DEAD + T_DRBD", timers: { lease: 4499 }, border: { lease: 4500 } },
  {
    rule: "I-c",
    what: "T_TAKE below LEASE + WATCHDOG + T_RESET with skew and margin",
    timers: { take: 12_510 },
    border: { take: 12_511 },
  },
  {
    rule: "I-c",
    what: "a watchdog held by the daemon itself counts twice",
    timers: { take: 17_515 },
    facts: { ...DEFAULT_FACTS, k: 2 },
    border: { take: 17_516 },
    borderFacts: { ...DEFAULT_FACTS, k: 2 },
  },
  { rule: "I-d", what: "T_SOFT above WATCHDOG", timers: { soft: 5001 }, border: { soft: 5000 } },
  {
    rule: "I-d",
    what: "DRBD's timeout not below ping-int",
    timers: {},
    facts: drbd({ timeoutMs: 1000, connectIntMs: 3000 }),
    border: {},
    borderFacts: drbd({ timeoutMs: 999, connectIntMs: 3000 }),
  },
  {
    rule: "I-d",
    what: "DRBD's timeout not below connect-int",
    timers: {},
    facts: drbd({ connectIntMs: 900 }),
    border: {},
    borderFacts: drbd({ connectIntMs: 901 }),
  },
  {
    rule: "I-d",
    what: "T_DRBD below DRBD's own ping-int + ping-timeout",
    timers: { drbd: 1499 },
    border: { drbd: 1500 },
  },
  {
    rule: "I-e",
    what: "T_TAKE beyond the patience of the initiators",
    timers: { take: 56_001 },
    border: { take: 56_000 },
  },
  {
    rule: "I-g",
    what: "T_TAKE below T_DEAD + T_SAMPLE + WATCHDOG + T_RESET + T_MARGIN",
    timers: { sample: 3000, dead: 7000, lease: 8500, take: 17_499, watchdog: 5000 },
    border: { sample: 3000, dead: 7000, lease: 8500, take: 17_500 },
  },
  {
    rule: "I-h",
    what: "T_FDELAY below the measured time to the off command + T_MARGIN",
    timers: {},
    facts: { ...DEFAULT_FACTS, measuredOffMs: 501 },
    border: {},
    borderFacts: { ...DEFAULT_FACTS, measuredOffMs: 500 },
  },
  { rule: "order", what: "T_ECHO below 2 T_HB", timers: { echo: 499 }, border: { echo: 500 } },
  { rule: "order", what: "T_SUSPECT above T_DEAD", timers: { suspect: 3001 }, border: { suspect: 3000 } },
  { rule: "order", what: "T_QUIET above T_TAKE", timers: { quiet: 13_001 }, border: { quiet: 13_000 } },
];

for (const row of rows) {
  test(`${row.rule} alone is broken by ${row.what}`, () => {
    const found = checkTimers(timersOf(row.timers), row.facts);
    assert.deepEqual(
      found.map((one) => one.rule),
      [row.rule],
    );
    assert.match(found[0]?.message ?? "", new RegExp(`\\(${row.rule}\\)$`));
    assert.deepEqual(
      checkTimers(timersOf(row.border), row.borderFacts ?? row.facts),
      [],
      "the border itself must hold",
    );
  });
}

test("I-d: the watchdog is fed four times within its timeout at every allowed value (A21)", () => {
  for (const watchdog of [2000, 3000, 5000, 10_000, 60_000]) {
    assert.ok(feedPeriodMs(timersOf({ watchdog })) <= watchdog / 4);
  }
  assert.equal(feedPeriodMs(timersOf({ watchdog: 3000 })), 600);
  assert.equal(feedPeriodMs(timersOf({ watchdog: 60_000 })), 1000);
});

test("I-f: hosts whose hashes differ do not agree", () => {
  assert.equal(agreement("aa", "aa"), null);
  assert.match(agreement("aa", "bb") ?? "", /found bb at the peer, expected aa \(I-f\)/);
});

test("several broken inequalities are all named", () => {
  const rules = checkTimers(timersOf({ lease: 4000, take: 5000 })).map((one) => one.rule);
  assert.deepEqual(rules, ["I-b", "I-c", "I-g"]);
});

test("FAST_DETECT=0 restores XAPI_COUNT x XAPI_DELAY and moves lease and takeover along", () => {
  const slow = deriveTimers({ ...input, fastDetect: false });
  assert.equal(slow.dead, 20_000);
  assert.deepEqual(checkTimers(slow), []);
  assert.ok(slow.lease >= 21_500 && slow.take >= 29_500);
  const short = deriveTimers({ ...input, fastDetect: false, xapiCount: 1, xapiDelayMs: 1000 });
  assert.equal(short.dead, 3000, "never below 3 s");
});

test("the seeds' XAPI_COUNT=5 x XAPI_DELAY=15 with FAST_DETECT=0 breaks I-e instead of being adjusted", () => {
  const found = checkTimers(deriveTimers({ ...input, fastDetect: false, xapiCount: 5, xapiDelayMs: 15_000 }));
  assert.deepEqual(
    found.map((one) => one.rule),
    ["I-e"],
  );
});

test("single values win over the profile and over FAST_DETECT=0", () => {
  const timers = deriveTimers({ ...input, profile: "fast", fastDetect: false, single: { dead: 4000, take: 12_000 } });
  assert.equal(timers.dead, 4000);
  assert.equal(timers.take, 12_000);
  assert.equal(timers.watchdog, 3000);
});
