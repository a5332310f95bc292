// Contact of each link by itself: what the status shows, and what tells a lost management network from a lost peer.

import assert from "node:assert/strict";
import { test } from "node:test";
import { heartbeatOf } from "../../src/core/heartbeat.ts";
import { step } from "../../src/core/step.ts";
import { servingWorld } from "../sim/world.ts";

test("a heartbeat on one link is contact of that link only when it echoes what was sent on it", () => {
  const world = servingWorld();
  const body = heartbeatOf(world.state("b"), world.now);
  const now = world.state("a").lastTick + 5_000;
  const heard = {
    link: "management",
    body,
    echoSentAt: now - 100,
    linkEchoSentAt: now - 4_000,
    receivedAt: now,
  } as const;
  const before = world.state("a").peer.linkContactAt;
  const oneWay = step(world.state("a"), { kind: "heartbeat", heard }, now).state.peer;
  assert.equal(oneWay.contactAt, now);
  assert.equal(oneWay.linkHeardAt.management, now);
  assert.deepEqual(oneWay.linkContactAt, before);
  const both = step(world.state("a"), { kind: "heartbeat", heard: { ...heard, linkEchoSentAt: now - 100 } }, now).state;
  assert.equal(both.peer.linkContactAt.management, now);
  assert.equal(both.peer.linkContactAt.replication, before.replication);
});
