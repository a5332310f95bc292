// What the daemon tells the brain about the storage: a target that does not answer is looked at until it does.

import assert from "node:assert/strict";
import { test } from "node:test";
import { startStoragePart } from "../../../src/daemon/storage/storage-part.ts";
import type { OutsideEvent } from "../../../src/daemon/brain/messages.ts";
import { err, ok } from "../../../src/util/result.ts";

test("a look at the target without an answer is repeated with every look until there is one", async (t) => {
  const told: OutsideEvent[] = [];
  let hangs = true;
  const state = {
    running: true,
    pid: 1,
    exported: ["r"],
    holds: true,
    portalOpen: true,
    allowed: [],
    sessions: 0,
    writeCacheOff: true,
  };
  const timeout = { kind: "timeout", command: "tgtadm", afterMs: 1_000 } as const;
  let looks = 0;
  let arrives = Promise.resolve();
  const part = await startStoragePart({
    drbd: {
      follow: () => ({ stop: () => undefined }),
      observe: () => Promise.resolve(err(timeout)),
      generation: () => Promise.resolve(err(timeout)),
      counters: () => Promise.resolve({ writtenSectors: null, outOfSyncKiB: null }),
      isLoaded: () => true,
      load: () => Promise.resolve(err(timeout)),
      version: () => Promise.resolve(err(timeout)),
    },
    inContact: () => true,
    handlers: { watch: () => ({ stop: () => undefined }), answer: () => Promise.resolve(ok("gone" as const)) },
    target: {
      async observe() {
        looks += 1;
        const seen = hangs ? err(timeout) : ok(state);
        await arrives;
        return seen;
      },
      onDeath: () => undefined,
      view: () => Promise.resolve("answers" as const),
      end: () => undefined,
    },
    vip: { observe: () => ({ kind: "absent" }) },
    targetSpec: { iqn: "iqn.x", tid: 1, luns: [], allow: [], portal: { address: "192.0.2.1", port: 3260 } },
    vipSpec: { address: "192.0.2.1", prefix: 24, device: "eth1" },
    resources: ["r"],
    peerInitiators: [],
    domains: { list: () => Promise.resolve(ok([])) },
    alerts: { raise: () => undefined, clear: () => undefined },
    now: () => 0,
    wallMs: () => 0,
    feed: (event) => void told.push(event),
    log: () => undefined,
  });
  t.after(() => part.stop());
  const newest = (): string | undefined => told.flatMap((e) => (e.kind === "target" ? [e.target.kind] : [])).at(-1);
  const later = async (): Promise<void> => {
    part.look();
    await new Promise((resolve) => setImmediate(resolve));
  };
  assert.equal(newest(), "unknown");
  await later();
  assert.equal(newest(), "unknown");
  hangs = false;
  await later();
  assert.equal(newest(), "known");
  const [seen] = told.flatMap((e) => (e.kind === "target" && e.target.kind === "known" ? [e.target.value] : []));
  assert.deepEqual([seen?.filled, seen?.holds], [true, true]);
  const needed = looks;
  await later();
  assert.equal(looks, needed, "a target that answered is left alone");

  const late = Promise.withResolvers<void>();
  arrives = late.promise;
  const look = part.target(null);
  await part.target({ running: false, filled: false, portalOpen: false, holds: false });
  late.resolve();
  await look;
  const last = told.flatMap((e) => (e.kind === "target" && e.target.kind === "known" ? [e.target.value] : [])).at(-1);
  assert.equal(last?.filled, false, "what a person's look saw before a withdrawal is not told after it");
});
