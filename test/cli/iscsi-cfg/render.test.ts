// The dashboard: goldens of seven situations at three sizes, and what must hold at every size.
// TANDEM_UPDATE_GOLDEN=1 writes the goldens anew; look at the difference before committing it.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { renderDashboard } from "../../../src/cli/iscsi-cfg/render.ts";
import type { RenderOptions } from "../../../src/cli/iscsi-cfg/render.ts";
import { sampleWallMs, statusWith } from "../../drivers/control/status-sample.ts";
import { situations } from "./views.ts";

process.env["TZ"] = "UTC";

const sizes = [
  [80, 24],
  [100, 30],
  [160, 40],
] as const;

/* oxlint-disable-next-line no-control-regex */
const withoutColour = (line: string): string => line.replaceAll(/\u001b\[[\d;]*m/g, "");

function render(name: string, options: Partial<RenderOptions>): string[] {
  const situation = situations[name];
  assert.ok(situation);
  return renderDashboard(situation.view, {
    columns: 80,
    rows: 24,
    colour: false,
    now: situation.now,
    keys: true,
    ...options,
  });
}

describe("goldens", () => {
  for (const name of Object.keys(situations)) {
    test(`${name} looks as recorded at three sizes`, () => {
      const pictures = sizes.map(([columns, rows]) =>
        [`==== ${columns}x${rows}`, ...render(name, { columns, rows })].join("\n"),
      );
      const found = `${pictures.join("\n")}\n`;
      const path = new URL(`golden/${name}.txt`, import.meta.url);
      if (process.env["TANDEM_UPDATE_GOLDEN"] === "1") {
        mkdirSync(new URL("golden/", import.meta.url), { recursive: true });
        writeFileSync(path, found);
      }
      assert.equal(found, readFileSync(path, "utf8"));
    });
  }
});

describe("at every size", () => {
  for (const name of Object.keys(situations)) {
    test(`${name}: never wider or higher than the terminal, with or without colour, on every screen`, () => {
      for (const screen of ["main", "help", "events"] as const) {
        for (const columns of [10, 40, 60, 79, 80, 81, 132, 250]) {
          for (const rows of [1, 2, 5, 12, 23, 24, 60]) {
            const plain = render(name, { columns, rows, screen });
            const coloured = render(name, { columns, rows, screen, colour: true });
            assert.equal(plain.length, Math.max(2, rows), `${screen} ${columns}x${rows}`);
            assert.deepEqual(
              plain.filter((line) => line.length > columns),
              [],
            );
            assert.deepEqual(
              coloured.map((line) => withoutColour(line).trimEnd()),
              plain,
            );
            assert.ok(!plain.join("").includes("\u001b"));
          }
        }
      }
    });
  }
});

describe("what must stay on the smallest terminal", () => {
  const text = (name: string): string => render(name, { columns: 80, rows: 24 }).join("\n");

  test("an episode: lease, vote, countdown, and what is waited for", () => {
    assert.match(text("episode"), /EPISODE +6\.2 s; lease 0\.2 s left; vote held; takeover in 6\.8 s/);
    assert.match(text("episode"), /waiting for 13 s of silence/);
    assert.match(text("episode"), /management DOWN 6\.2 s ago; replication DOWN/);
    assert.match(text("episode"), /xcp2 \(peer, silent 6\.2 s: old data\)/);
  });

  test("a resync: bar, percent and ETA; an unknown resource with its reason", () => {
    assert.match(text("resync"), /\[#+\.+\] 43\.2% ETA 3m10s/);
    assert.match(text("resync"), /unknown: drbdsetup gave/);
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
    ]) {
      assert.match(text("blocked"), word);
    }
  });

  test("a vote is never called fencing", () => {
    assert.match(text("serving"), /policy VOTE \(not fencing\)/);
    assert.doesNotMatch(text("blocked"), /not fencing/);
  });

  test("stale data and a dead daemon: causes, commands, and no pane that could pass for the present", () => {
    for (const name of ["stale", "daemon-down"]) {
      assert.match(text(name), /Possible causes:/);
      assert.match(text(name), /systemctl (status|start) tandemd/);
      assert.doesNotMatch(text(name), /\| xcp2|State +OWNER|is local/);
      assert.match(text(name), /Last known, Fri Nov 20 23:55:06 2026/);
    }
  });
});

test("countdowns and ages move with the clock between two documents", () => {
  const later = render("episode", { now: sampleWallMs + 1700 }).join("\n");
  assert.match(later, /EPISODE +8\.2 s; lease ENDED; vote held; takeover in 4\.8 s/);
  assert.match(later, /2\.0 s old, tolerance 15 s/);
});

test("the limit of staleness is the tolerance that was asked for", () => {
  const at = (ageMs: number): boolean =>
    render("serving", { now: sampleWallMs - 300 + ageMs, toleranceMs: 2000 })
      .join("\n")
      .includes("The status is");
  assert.deepEqual([at(2000), at(2001)], [false, true]);
});

test("a clock that went back shows fresh data as fresh", () => {
  assert.match(render("serving", { now: sampleWallMs - 60_000 }).join("\n"), /0\.0 s old/);
});

test("says where the floating IP is in every state", () => {
  const said = (["local", "peer", "absent", "elsewhere", "unknown"] as const).map((state) => {
    const status = statusWith({ vip: { address: "10.10.10.3", state, mac: "52:54:00:00:00:01" } });
    const lines = renderDashboard(
      { kind: "live", status },
      { columns: 80, rows: null, colour: false, now: sampleWallMs },
    );
    return lines.find((line) => line.startsWith("Floating IP"));
  });
  assert.deepEqual(said, [
    "Floating IP 10.10.10.3 is local",
    "Floating IP 10.10.10.3 is on xcp2",
    "Floating IP 10.10.10.3 is nowhere: nobody serves the storage",
    "Floating IP 10.10.10.3 answers on ANOTHER host, MAC 52:54:00:00:00:01",
    "Floating IP 10.10.10.3 state unknown",
  ]);
});
