import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { leaveExchangeNote, takeExchangeNote } from "../../src/daemon/exchange-note.ts";

const work = mkdtempSync(join(tmpdir(), "tandem-exchange-"));
after(() => rmSync(work, { recursive: true, force: true }));

test("a note of an agreed stop counts for one start", () => {
  const path = join(work, "run/tandem/exchange");
  assert.equal(takeExchangeNote(path), false, "a daemon that crashed leaves none");
  leaveExchangeNote(path);
  leaveExchangeNote(path);
  assert.deepEqual([takeExchangeNote(path), takeExchangeNote(path)], [true, false]);
});

test("a note that cannot be left or taken away is none", () => {
  writeFileSync(join(work, "file"), "");
  leaveExchangeNote(join(work, "file/exchange"));
  assert.equal(takeExchangeNote(join(work, "file/exchange")), false);
  mkdirSync(join(work, "folder"));
  assert.equal(takeExchangeNote(join(work, "folder")), false);
});
