import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { PORTAL_ALERT, watchTarget } from "../../../src/daemon/storage/target-watch.ts";
import type { InitiatorView, TargetSpec } from "../../../src/drivers/iscsi-target/port.ts";

const spec: TargetSpec = { iqn: "iqn.x", tid: 1, luns: [], allow: [], portal: { address: "192.0.2.1", port: 3260 } };

interface Seen {
  readonly ends: number;
  readonly asked: number;
  /** The alert as it was raised, and "over". */
  readonly alerts: readonly string[];
}

/** Asks every millisecond until the views are used up, the last of which stays. */
async function watched(views: readonly InitiatorView[], serves: () => boolean = () => true): Promise<Seen> {
  let asked = 0;
  let ends = 0;
  const alerts: string[] = [];
  const target = {
    view: () => Promise.resolve(views[Math.min(asked++, views.length - 1)] ?? "answers"),
    end: () => void ends++,
  };
  const watch = watchTarget({
    target,
    spec,
    serves,
    alerts: {
      raise: (id, text) => void (id === PORTAL_ALERT && alerts.push(text)),
      clear: (id) => void (id === PORTAL_ALERT && alerts.at(-1) !== "over" && alerts.length > 0 && alerts.push("over")),
    },
    log: () => undefined,
    everyMs: 1,
  });
  for (let waited = 0; waited < 2_000 && asked <= views.length && serves(); waited++) await delay(1);
  await delay(10);
  watch.stop();
  return { ends, asked, alerts };
}

test("a target that is silent is ended, once", async () => {
  assert.equal((await watched(["answers", "silent", "answers"])).ends, 1);
});

test("a target that serves nothing is not asked", async () => {
  assert.equal((await watched(["silent"], () => false)).asked, 0);
});

test("what was found after it ceased to serve is nothing", async () => {
  let looks = 0;
  // It serves when the question is put, and not any more when the answer comes.
  assert.equal((await watched(["silent"], () => looks++ === 0)).ends, 0);
});

test("initiators that are kept out on their way are told after three looks, and when it is over", async () => {
  const out = "answers-on-loopback";
  assert.deepEqual((await watched([out, out, "answers"])).alerts, []);
  const { ends, alerts } = await watched([out, out, out, out, "answers"]);
  assert.equal(ends, 0);
  assert.equal(alerts.length, 2);
  assert.match(alerts[0] ?? "", /not at 192\.0\.2\.1 port 3260/);
  assert.equal(alerts[1], "over");
});

test("a disk that waits ends nothing, and is asked seldom", async () => {
  let until = 40;
  const { ends, asked } = await watched(["disk-waits", "disk-waits", "disk-waits"], () => until-- > 0);
  assert.equal(ends, 0);
  assert.ok(asked >= 1 && asked <= 4, `asked ${asked} times`);
});
