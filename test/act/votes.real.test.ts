// A real ping on loopback, on a host that takes its time to start a program: the signal that asks it would end one that does not
// listen for it yet.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createVotes } from "../../src/act/votes.ts";
import { createExec } from "../../src/drivers/exec/run.ts";
import { realTools } from "../drivers/exec/real-tools.ts";

const tools = realTools(["ping"], ["iputils-ping"]);

test("a ping that is asked while it starts lives and tells", { skip: tools.skip ?? false }, async () => {
  const slow = mkdtempSync(join(tmpdir(), "tandem-votes-"));
  const env = { ...process.env, ...tools.env, PATH: tools.path };
  const ping = execFileSync("sh", ["-c", "command -v ping"], { encoding: "utf8", env }).trim();
  writeFileSync(join(slow, "ping"), `#!/bin/sh\nsleep 0.2\nexec ${ping} "$@"\n`, { mode: 0o755 });
  const votes = createVotes(createExec({ path: `${slow}:${tools.path}`, env: tools.env }));
  try {
    // As in an outage on a host whose ping ended with its interface: each sample starts it anew and asks at once, and often.
    let passed = false;
    for (let tries = 0; tries < 10 && !passed; tries += 1) passed = await votes.sample(["127.0.0.1"], 400);
    assert.ok(passed);
  } finally {
    votes.stop();
    rmSync(slow, { recursive: true });
  }
});

for (const address of ["127.0.0.1", "::1"]) {
  const isThere = Object.values(networkInterfaces()).some((list) => list?.some((one) => one.address === address));
  const skip = tools.skip ?? (isThere ? false : `this machine has no ${address}`);
  test(`a real ping of ${address} is counted`, { skip }, async () => {
    const votes = createVotes(createExec({ path: tools.path, env: tools.env }));
    try {
      let passed = false;
      for (let tries = 0; tries < 10 && !passed; tries += 1) passed = await votes.sample([address], 400);
      assert.ok(passed);
    } finally {
      votes.stop();
    }
  });
}
