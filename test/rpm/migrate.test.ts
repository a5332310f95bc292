// What a person with HA-Lizard runs before its packages go: everything that `ha-cfg import` reads is kept, whole or not at all.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { parseAssignments } from "../../src/config/import/ha-lizard.ts";
import { root } from "../build.ts";

const work = mkdtempSync(join(tmpdir(), "tandem-migrate-"));
after(() => rmSync(work, { recursive: true, force: true }));
const etc = join(work, "etc");
const script = join(root, "rpm/migrate/save-ha-lizard.sh");
const save = (from: string, to: string): { readonly code: number | null; readonly said: string } => {
  const done = spawnSync("sh", [script, from, to], { encoding: "utf8", env: { PATH: "/usr/bin:/bin" } });
  return { code: done.status, said: done.stdout + done.stderr };
};
const put = (path: string, text: string): void => {
  mkdirSync(join(etc, path, ".."), { recursive: true });
  writeFileSync(join(etc, path), text);
};

test("a host without HA-Lizard has nothing to save", () => {
  const { code, said } = save(join(work, "none"), join(work, "to"));
  assert.equal(code, 1);
  assert.match(said, /found neither .*ha-lizard nor .*iscsi-ha/);
});

test("the old configuration is kept for root alone, and the next steps are named", () => {
  put("ha-lizard/ha-lizard.conf", "FENCE_METHOD=ILO\n");
  put("iscsi-ha/iscsi-ha.conf", "DRBD_VIRTUAL_IP=10.10.10.3\n");
  put("drbd.d/iscsi1.res", "resource iscsi1 { }\n");
  put("tgt/targets.conf", "<target iqn.2013-05.com.yourdomain:yourhost>\n</target>\n");
  const to = join(work, "saved");
  const { code, said } = save(etc, to);
  assert.equal(code, 0, said);
  const kept = readFileSync(join(to, "etc/ha-lizard/ha-lizard.conf"), "utf8");
  assert.deepEqual(parseAssignments(kept), { FENCE_METHOD: "ILO" });
  for (const path of ["iscsi-ha/iscsi-ha.conf", "drbd.d/iscsi1.res", "tgt/targets.conf"])
    assert.equal(readFileSync(join(to, "etc", path), "utf8"), readFileSync(join(etc, path), "utf8"));
  assert.equal(statSync(to).mode & 0o777, 0o700);
  assert.match(said, /rpm -e ha-lizard iscsi-ha && rpm -i tandem/);
  assert.match(said, new RegExp(`ha-cfg import --storage --etc ${to}/etc`));
});

test("what was saved before is not overwritten", () => {
  const { code, said } = save(etc, join(work, "saved"));
  assert.equal(code, 1);
  assert.match(said, /is there already; move it away/);
});
