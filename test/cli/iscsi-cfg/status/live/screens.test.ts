// The live screen as text: goldens of every situation at three sizes, and what must hold at every size.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { renderToString } from "ink";
import { createElement as h } from "react";
import { keepFitting } from "../../../../../src/cli/iscsi-cfg/status/live/fit.ts";
import { Dashboard } from "../../../../../src/cli/iscsi-cfg/status/live/screens.ts";
import type { Screen, ScreenProps } from "../../../../../src/cli/iscsi-cfg/status/live/screens.ts";
import { defaultToleranceMs } from "../../../../../src/cli/iscsi-cfg/status/sections.ts";
import { assertGolden } from "../golden.ts";
import { situations } from "../views.ts";

process.env["TZ"] = "UTC";

const sizes = [
  [80, 24],
  [120, 36],
  [200, 50],
] as const;

function screen(name: string, props: Partial<ScreenProps> = {}): string[] {
  const situation = situations[name];
  assert.ok(situation);
  const all: ScreenProps = {
    ...situation,
    columns: 80,
    rows: 24,
    colour: false,
    unicode: true,
    toleranceMs: defaultToleranceMs,
    screen: "main",
    scroll: 0,
    texts: [],
    ...props,
  };
  return renderToString(h(Dashboard, all), { columns: all.columns }).split("\n");
}

describe("goldens", () => {
  for (const name of Object.keys(situations))
    test(`${name} looks as recorded at three sizes`, () => {
      const pictures = sizes.flatMap(([columns, rows]) => [
        `==== ${columns}x${rows}`,
        ...screen(name, { columns, rows }).map((line) => line.trimEnd()),
      ]);
      assertGolden(`${pictures.join("\n")}\n`, new URL(`golden/${name}.txt`, import.meta.url));
    });
});

describe("at every size", () => {
  const texts = Array.from({ length: 90 }, (_, index) => `line ${index} ${"of a long text ".repeat(index % 9)}`);
  const terminals: readonly (readonly [number, number, ...Screen[]])[] = [
    [20, 2],
    [60, 5, "log"],
    [80, 12, "help", "events"],
    [80, 24, "help", "log", "history", "events"],
    [141, 24],
    [250, 60],
  ];
  for (const name of Object.keys(situations))
    test(`${name}: never wider or higher than the terminal, on every screen`, () => {
      for (const [columns, rows, ...more] of terminals)
        for (const one of ["main" as const, ...more]) {
          const lines = screen(name, { columns, rows, screen: one, texts });
          assert.equal(lines.length, rows, `${one} ${columns}x${rows}`);
          assert.deepEqual(
            lines.filter((line) => Array.from(line).length > columns),
            [],
          );
          assert.ok(!lines.join("").includes("\u001b"), "no colour was asked for");
        }
    });
});

describe("what must stay on the smallest terminal", () => {
  const text = (name: string): string => screen(name).join("\n");

  test("an outage: lease, vote, countdown, and what is waited for", () => {
    assert.match(text("episode"), /EPISODE +the hosts do not hear one another for 6\.2 s; vote held/);
    assert.match(text("episode"), /Lease +\[#\.+\] 0\.2 s left/);
    assert.match(text("episode"), /Takeover +\[#+\.+\] in 6\.8 s/);
    assert.match(text("episode"), /Waits for +13 s of silence/);
    assert.match(text("episode"), /management DOWN 6\.2 s ago; replication DOWN/);
    assert.match(text("episode"), /xcp2 \(peer, silent 6\.2 s: old data\)/);
  });

  test("a resync: bar, percent and ETA on both sides; an unknown resource with its reason", () => {
    assert.match(text("resync"), /\[#+\.+\] 43\.2% ETA 3m10s.*\[#+\.+\] 43\.2% ETA/);
    assert.match(text("resync"), /unknown: drbdsetup gave/);
  });

  test("copies that grew apart: the command that ends it", () => {
    assert.match(text("split-brain"), /iscsi-cfg\s+resolve-split-brain/);
    assert.match(text("split-brain"), /StandAlone/);
  });

  test("a blocked host: why, the foreign MAC, suspended writes, flags, alerts, what was expected of the target", () => {
    for (const word of [
      /BLOCKED/,
      /neither host/,
      /MAC 52:54:00:de:ad:01/,
      /I\/O SUSPENDED/,
      /MANUAL, MAINTENANCE/,
      /Alerts \(6\)/,
      /stopped \[expected running\]/,
    ])
      assert.match(text("blocked"), word);
  });

  test("stale data and a dead daemon: causes, commands, and no pane that could pass for the present", () => {
    for (const name of ["stale", "daemon-down"]) {
      assert.match(text(name), /Possible causes:/);
      assert.match(text(name), /systemctl (status|start) tandemd/);
      assert.doesNotMatch(text(name), /│|State +OWNER|is local/);
      assert.match(text(name), /Last known, Fri Nov 20 23:55:06 2026/);
    }
  });
});

test("countdowns and ages move with the clock between two documents", () => {
  const now = (situations["episode"]?.now ?? 0) + 2000;
  const later = screen("episode", { now }).join("\n");
  assert.match(later, /for 8\.2 s; vote held/);
  assert.match(later, /Lease +\[\.+\] ENDED/);
  assert.match(later, /Takeover +\[#+\.+\] in 4\.8 s/);
  assert.match(later, /2\.0 s old, tolerance 15 s/);
});

test("a terminal without UTF-8 gets boxes of plain characters", () => {
  const lines = screen("serving", { unicode: false });
  assert.deepEqual(
    lines.filter((line) => /[^ -~]/.test(line)),
    [],
  );
  assert.match(lines.join("\n"), /\+-+\+/);
});

test("the end of a long text is reached, and scrolling stops there", () => {
  const texts = Array.from({ length: 90 }, (_, index) => `line ${index}.`);
  assert.match(screen("serving", { screen: "log", texts }).join("\n"), /line 0\.\s+line 1\./);
  const end = screen("serving", { screen: "log", texts, scroll: 5000 }).join("\n");
  assert.match(end, /line 88\.\s+line 89\./);
  assert.match(end, /line 69\./);
});

test("rows go by their priority, of equals the last first, and keep their order", () => {
  const rows = [0, 5, 0, 3, 5, 0].map((drop, id) => ({ id, drop }));
  const left = [6, 5, 4, 3, 2, 0].map((limit) => keepFitting(rows, limit).map(({ id }) => id));
  assert.deepEqual(left, [[0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 5], [0, 2, 3, 5], [0, 2, 5], [0, 2], []]);
});
