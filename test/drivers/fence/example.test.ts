// The template agents/EXAMPLE: refuses to work as shipped, works when its three functions are written.

import assert from "node:assert/strict";
import { chmodSync, copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { bench, OWN, PEER, type AgentBench } from "./agents.ts";

const template = fileURLToPath(new URL("../../../agents/EXAMPLE/EXAMPLE.sh", import.meta.url));

async function withTemplate(
  write: (text: string) => string,
  run: (at: AgentBench) => Promise<void>,
  hosts = `${PEER}:bay7:x\n`,
): Promise<void> {
  const at = bench("", "EXAMPLE");
  try {
    copyFileSync(template, at.script);
    writeFileSync(at.script, write(readFileSync(template, "utf8")));
    chmodSync(at.script, 0o755);
    writeFileSync(join(dirname(at.script), "EXAMPLE.hosts"), hosts, { mode: 0o600 });
    await run(at);
  } finally {
    at.remove();
  }
}

const fill = (text: string): string =>
  ["off", "on"]
    .reduce(
      (all, word) =>
        all.replace(
          `fail "EXAMPLE is a template: power_${word} is not written"`,
          `[ "$device" = bay7:x ] && echo ${word} >state`,
        ),
      text,
    )
    .replace('fail "EXAMPLE is a template: power_state is not written"', "cat state");

test("as shipped it proves nothing and says what is missing", async () => {
  await withTemplate(
    (text) => text,
    async (at) => {
      const result = await at.fence({ timeoutMs: 600 }).off(PEER);
      assert.ok(result.kind === "failed" && /power_off is not written/.test(result.reason), JSON.stringify(result));
      assert.equal((await at.fence().check(PEER)).kind, "failed");
    },
  );
});

test("with its three functions written it fences, verifies and starts", async () => {
  await withTemplate(fill, async (at) => {
    const fence = at.fence();
    assert.deepEqual(await fence.check(PEER), { kind: "power", state: "on" });
    const result = await fence.off(PEER);
    assert.equal(result.kind, "verified-off", JSON.stringify(result));
    assert.deepEqual(await fence.on(PEER), { kind: "power", state: "on" });
  });
});

test("a host without a line in the hosts file fails; a longer UUID is no match", async () => {
  await withTemplate(
    fill,
    async (at) => {
      const found = await at.fence().status(OWN);
      assert.ok(found.kind === "failed" && /no line for host/.test(found.reason), JSON.stringify(found));
      const peer = await at.fence().status(PEER);
      assert.equal(peer.kind, "failed", "only the exact UUID counts");
    },
    `${PEER}0:bay7:x\n#${PEER}:bay7:x\n`,
  );
});

test("a device that answers neither on nor off is a failure", async () => {
  await withTemplate(
    (text) => fill(text).replace("cat state", "echo cycling"),
    async (at) => {
      const found = await at.fence().status(PEER);
      assert.ok(found.kind === "failed" && /neither on nor off/.test(found.reason), JSON.stringify(found));
    },
  );
});
