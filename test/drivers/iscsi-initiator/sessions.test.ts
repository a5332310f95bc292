import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, it } from "node:test";
import { findSession } from "../../../src/drivers/iscsi-initiator/sessions.ts";

const root = mkdtempSync(join(tmpdir(), "tandem-sessions-"));
after(() => rmSync(root, { recursive: true }));

it("a session is known by its target; without an initiator in the kernel nothing is known", () => {
  assert.equal(findSession("iqn.x:a", join(root, "nothing")), "unknown");
  assert.equal(findSession("iqn.x:a", root), "gone");
  for (const [session, target] of [
    ["session1", "iqn.x:b"],
    ["session7", "iqn.x:a"],
  ] as const) {
    mkdirSync(join(root, session));
    writeFileSync(join(root, session, "targetname"), `${target}\n`);
  }
  // A session that is just being torn down has lost its attributes.
  mkdirSync(join(root, "session9"));
  assert.equal(findSession("iqn.x:a", root), "in");
  assert.equal(findSession("iqn.x:c", root), "gone");
});
