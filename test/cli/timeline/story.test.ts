// A timeline's story, its scale and its picture.

import assert from "node:assert/strict";
import { test } from "node:test";
import { drawHtml, drawSvg } from "../../../src/cli/timeline/draw.ts";
import { scaleOf } from "../../../src/cli/timeline/scale.ts";
import { storyOf, type TimelineEvent } from "../../../src/cli/timeline/story.ts";

const at = (atMs: number, node: string, event: string, detail = ""): TimelineEvent => ({ atMs, node, event, detail });

/** A power loss of the master as the lab saw it, shortened. */
const powerLoss: readonly TimelineEvent[] = [
  at(0, "lab", "fault", "power-loss:xcp1"),
  at(1, "xcp1", "power.off", "power loss"),
  at(-3, "vm", "stall", "vm3 (plain, home xcp2): 13486 ms"),
  at(-4, "vm", "stall.other", "vm1 (plain, home xcp1): 42488 ms, restarted or moved in between"),
  at(942, "xcp2", "peer.suspected", "no answer from the other host for 1035 ms"),
  at(1_116, "xcp2", "state.changed", "SUSPECT_S: the other host is silent for 1.0 s"),
  at(1_566, "xcp2", "drbd.changed", "iscsi1: Secondary/Unknown"),
  at(4_573, "xcp2", "peer.dead", "silent on every channel for 3007 ms"),
  at(12_933, "xcp2", "storage.activating", "takeover: the other host is gone (D6)"),
  at(12_934, "xcp2", "state.changed", "TAKING: activate, step 1"),
  at(12_950, "xcp2", "state.changed", "TAKING: activate, step 2"),
  at(13_229, "xcp2", "storage.activated", "295 ms"),
  at(13_354, "xcp2", "state.changed", "OWNER_SOLO: serving alone"),
  at(13_343, "lab", "io.first", "first acknowledged write"),
  at(45_372, "xcp1", "power.on", ""),
  at(51_475, "xcp2", "peer.contact", "the other host answers again"),
];

test("each host goes through its states; what it was before the first one is known", () => {
  const { lanes } = storyOf(powerLoss);
  assert.deepEqual(
    lanes.map(({ node }) => node),
    ["lab", "xcp1", "xcp2", "writes held"],
  );
  const bars = (node: string, label: string) =>
    lanes.find((lane) => lane.node === node)?.rows.find((row) => row.label === label)?.bars ?? [];
  assert.deepEqual(
    bars("xcp2", "state").map(({ label, fromMs, toMs }) => [label, fromMs, toMs]),
    [
      ["STANDBY", -504, 1_116],
      ["SUSPECT_S", 1_116, 12_934],
      ["TAKING", 12_934, 13_354],
      ["OWNER_SOLO", 13_354, 51_975],
    ],
  );
  assert.deepEqual(
    bars("xcp2", "peer is").map(({ label, fromMs, toMs }) => [label, fromMs, toMs]),
    [
      ["suspect", 942, 4_573],
      ["dead", 4_573, 51_475],
    ],
  );
  assert.deepEqual(
    bars("xcp1", "state").map(({ label }) => label),
    ["off", "booting"],
  );
  assert.deepEqual(
    bars("writes held", "vm3").map(({ fromMs, toMs, tone }) => [fromMs, toMs, tone]),
    [[-3, 13_483, "danger"]],
  );
});

test("moments are numbered in the order of time, over all hosts", () => {
  const numbers = storyOf(powerLoss)
    .lanes.flatMap(({ marks }) => marks)
    .toSorted((a, b) => a.number - b.number);
  assert.deepEqual(
    numbers.map(({ number }) => number),
    numbers.map((_, index) => index + 1),
  );
  for (let i = 1; i < numbers.length; i++) assert.ok((numbers[i - 1]?.atMs ?? 0) <= (numbers[i]?.atMs ?? 0));
});

test("time runs to the right, quiet is cut short, and no tick stands in a cut", () => {
  const moments = [0, 1_000, 13_000, 51_000];
  const scale = scaleOf(moments, -500, 51_500, 100, 1_000);
  let before = -1;
  for (let ms = -500; ms <= 51_500; ms += 100) {
    const x = scale.x(ms);
    assert.ok(x >= before && x >= 100 && x <= 1_100.001, `${ms}: ${x}`);
    before = x;
  }
  assert.equal(scale.cuts.length, 2);
  assert.ok(scale.x(1_000) - scale.x(0) > 5 * (scale.x(30_000) - scale.x(29_000)));
  for (const { atMs } of scale.ticks)
    assert.ok(
      moments.some((moment) => Math.abs(moment - atMs) <= 1_500),
      `${atMs}`,
    );
});

test("hours of quiet, one moment, and no moment at all are drawn too", () => {
  for (const events of [[], [at(0, "xcp1", "peer.suspected")], [...powerLoss, at(9e7, "xcp1", "peer.contact")]]) {
    const svg = drawSvg(storyOf(events), { title: "t", subtitle: "s" });
    assert.match(svg, /^<svg [^]*<\/svg>\n$/);
    assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
  }
});

test("what comes from outside is text in the picture, never markup", () => {
  const nasty = '<script>alert("1")</script>\u0007&';
  const events = [at(0, nasty, "fault", nasty), at(10, nasty, "state.changed", `${nasty}: x`)];
  for (const text of [
    drawSvg(storyOf(events), { title: nasty, subtitle: nasty }),
    drawHtml(storyOf(events), { title: nasty, subtitle: nasty }),
  ]) {
    assert.doesNotMatch(text, /<script/);
    assert.ok(!text.includes("\u0007"));
    assert.match(text, /&lt;script&gt;/);
  }
});

test("every mark of the picture is in the list below it", () => {
  const story = storyOf(powerLoss);
  const html = drawHtml(story, { title: "t", subtitle: "s" });
  for (const { marks } of story.lanes)
    for (const { number, event } of marks) {
      assert.match(html, new RegExp(`>${number}</text>`));
      assert.match(html, new RegExp(`<td>${number}</td>.*<td>${event.replace(".", "\\.")}</td>`));
    }
});
