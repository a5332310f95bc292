// The plain picture and the plain lines: goldens of every situation, and what must hold in them.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { drbdNotes } from "../../../../src/cli/iscsi-cfg/status/drbd-notes.ts";
import { linearChanges, linearLines } from "../../../../src/cli/iscsi-cfg/status/linear.ts";
import { renderPicture } from "../../../../src/cli/iscsi-cfg/status/picture.ts";
import type { PictureOptions } from "../../../../src/cli/iscsi-cfg/status/picture.ts";
import { defaultToleranceMs } from "../../../../src/cli/iscsi-cfg/status/sections.ts";
import type { StatusDocument } from "../../../../src/core/model/status.ts";
import { healthyStatus, ownHost, sampleWallMs, statusWith } from "../../../drivers/control/status-sample.ts";
import { assertGolden } from "./golden.ts";
import { situations } from "./views.ts";

process.env["TZ"] = "UTC";

const documents: readonly (readonly [string, StatusDocument, number])[] = Object.entries(situations).flatMap(
  ([name, { view, now }]) => (view.kind === "live" ? [[name, view.status, now] as const] : []),
);

/* oxlint-disable-next-line no-control-regex */
const withoutColour = (line: string): string => line.replaceAll(/\u001b\[[\d;]*m/g, "");

const picture = (status: StatusDocument, now: number, more: Partial<PictureOptions> = {}): string[] =>
  renderPicture(status, { columns: 80, colour: false, now, toleranceMs: defaultToleranceMs, ...more });

describe("goldens", () => {
  for (const [name, status, now] of documents)
    test(`${name} looks as recorded, as a picture and line by line`, () => {
      const found = [...picture(status, now), "==== plain", ...linearLines(status)].join("\n");
      assertGolden(`${found}\n`, new URL(`golden/${name}.txt`, import.meta.url));
    });
});

describe("a picture", () => {
  for (const [name, status, now] of documents)
    test(`${name}: never wider than it may be, and colour adds nothing but colour`, () => {
      for (const columns of [60, 80, 81, 132, 250]) {
        const plain = picture(status, now, { columns });
        assert.deepEqual(
          plain.filter((line) => line.length > columns),
          [],
        );
        const coloured = picture(status, now, { columns, colour: true });
        assert.deepEqual(
          coloured.map((line) => withoutColour(line).trimEnd()),
          plain,
        );
        assert.ok(!plain.join("").includes("\u001b"));
      }
    });

  test("is called stale beyond the tolerance that was asked for, and then shows no pane", () => {
    const at = (ageMs: number): string =>
      picture(healthyStatus, healthyStatus.wallMs + ageMs, { toleranceMs: 2000 }).join("\n");
    assert.match(at(2000), /State +OWNER/);
    assert.match(at(2001), /The status is 2\.0 s old/);
    assert.doesNotMatch(at(2001), /State +OWNER/);
  });

  test("shows fresh data as fresh when the clock went back", () => {
    assert.match(picture(healthyStatus, sampleWallMs - 60_000).join("\n"), /0\.0 s old/);
  });

  test("says where the floating IP is in every state", () => {
    const said = (["local", "peer", "absent", "elsewhere", "unknown"] as const).map((state) => {
      const status = statusWith({ vip: { address: "10.10.10.3", state, mac: "52:54:00:00:00:01" } });
      return picture(status, sampleWallMs).find((line) => line.startsWith("Floating IP"));
    });
    assert.deepEqual(said, [
      "Floating IP 10.10.10.3 is local",
      "Floating IP 10.10.10.3 is on xcp2",
      "Floating IP 10.10.10.3 is nowhere: nobody serves the storage",
      "Floating IP 10.10.10.3 answers on ANOTHER host, MAC 52:54:00:00:00:01",
      "Floating IP 10.10.10.3 state unknown",
    ]);
  });

  test("never calls a vote fencing", () => {
    assert.match(picture(healthyStatus, sampleWallMs).join("\n"), /policy VOTE \(not fencing\)/);
  });
});

describe("a sentence for each of DRBD's states", () => {
  const healthy = ownHost.resources[0]?.view;
  assert.ok(healthy);
  const cases = [
    [{}, []],
    [{ suspended: true }, ["I/O SUSPENDED: peer not barred"]],
    [{ disk: "Diskless" }, ["no disk: works on the peer's"]],
    [{ disk: "Diskless", role: "Secondary" }, ["no disk: holds no copy"]],
    [{ disk: "Failed" }, ["the disk failed and is let go"]],
    [{ disk: "Detaching" }, ["the disk failed and is let go"]],
    [{ disk: "Attaching" }, ["the disk is being attached"]],
    [{ disk: "Negotiating" }, ["the disk is being attached"]],
    [{ disk: "Inconsistent" }, ["half a copy: it needs a resync"]],
    [{ disk: "Inconsistent", replication: "SyncTarget" }, ["not promoted before this ends"]],
    [{ disk: "Outdated" }, ["behind the peer: not promoted"]],
    [{ disk: "Consistent" }, ["may be older than the peer's"]],
    [{ connection: "StandAlone" }, ["does not look for its peer"]],
    [{ connection: "StandAlone", disk: "Outdated" }, ["behind the peer: not promoted", "does not look for its peer"]],
  ] as const;
  for (const [changes, expected] of cases)
    test(`${JSON.stringify(changes)}: ${expected.join("; ") || "nothing"}`, () => {
      const notes = drbdNotes({ ...healthy, ...changes }).map(({ text }) => text);
      assert.deepEqual(notes, expected);
      // The narrowest pane has this much room.
      assert.ok(notes.every((text) => text.length <= 30));
    });
});

describe("plain lines", () => {
  const wait = (leftMs: number): StatusDocument["episode"] => ({
    sinceMs: 6000,
    leaseLeftMs: leftMs,
    takeoverInMs: leftMs,
    vote: "held",
    waitingFor: `13 s of silence (${leftMs / 1000} s left)`,
  });
  const resync = (donePercent: number): StatusDocument => {
    const [first] = ownHost.resources;
    assert.ok(first?.view);
    const view = { ...first.view, replication: "SyncSource" as const, donePercent, outOfSyncKiB: 1000 };
    return statusWith({ resources: [{ ...first, view, etaSeconds: Math.round(100 - donePercent) }] });
  };

  test("nothing is said while only ages and countdowns move", () => {
    const later = { ...healthyStatus, wallMs: healthyStatus.wallMs + 1000 };
    assert.deepEqual(linearChanges(healthyStatus, later), []);
    const before = { ...healthyStatus, episode: wait(5000) };
    assert.deepEqual(linearChanges(before, { ...healthyStatus, episode: wait(4000) }), []);
    assert.deepEqual(linearChanges(resync(41), resync(49)), []);
  });

  test("what changed is said, and that an alert or the outage is over", () => {
    const alert = { id: "peer", sinceWallMs: sampleWallMs, text: "xcp2 is silent" };
    const before = { ...healthyStatus, episode: wait(5000), alerts: [alert] };
    const event = { wallMs: sampleWallMs, node: "xcp1", event: "contact", detail: "after 6.0 s" };
    const after = statusWith({ state: "OWNER_SOLO" }, {}, { events: [...healthyStatus.events, event] });
    assert.deepEqual(linearChanges(before, after), [
      "xcp1, State: OWNER_SOLO, serving.",
      "The outage is over after 6.0 s.",
      "No longer: xcp2 is silent.",
      "23:55:07 xcp1 contact after 6.0 s",
    ]);
    assert.deepEqual(linearChanges(resync(49), resync(50)), ["Resync of iscsi1: 50 percent done."]);
  });
});
