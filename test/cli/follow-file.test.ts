// Following a log through growth, rotation, truncation and a line written in two pieces.

import assert from "node:assert/strict";
import { appendFile, mkdtemp, rename, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { followFile } from "../../src/cli/follow-file.ts";

let directory = "";
let path = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "tandem-follow-"));
  path = join(directory, "log");
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** Starts following; `until` waits for a line. */
function follow(lines: number): { seen: string[]; until(line: string): Promise<void>; stop(): Promise<void> } {
  const seen: string[] = [];
  const abort = new AbortController();
  let wake: () => void = () => undefined;
  const done = followFile({
    path,
    lines,
    follow: true,
    signal: abort.signal,
    onLine: (line) => {
      seen.push(line);
      wake();
    },
  });
  return {
    seen,
    until: async (line) => {
      while (!seen.includes(line)) await new Promise<void>((resolve) => (wake = resolve));
    },
    stop: async () => {
      abort.abort();
      await done;
    },
  };
}

test("begins with the last lines and shows every later one, once and whole", async () => {
  await writeFile(path, "one\ntwo\nthree\n");
  const following = follow(2);
  await following.until("three");
  await appendFile(path, "fo");
  await appendFile(path, "ur\nfive\n");
  await following.until("five");
  await following.stop();
  assert.deepEqual(following.seen, ["two", "three", "four", "five"]);
});

test("goes on in the new file after a rotation and after a truncation", async () => {
  await writeFile(path, "one\n");
  const following = follow(10);
  await following.until("one");
  await rename(path, `${path}.1`);
  await appendFile(`${path}.1`, "two\n");
  await writeFile(path, "three\n");
  await following.until("three");
  await truncate(path, 0);
  await new Promise((resolve) => setTimeout(resolve, 600));
  await appendFile(path, "4\n");
  await following.until("4");
  await following.stop();
  assert.deepEqual(following.seen, ["one", "two", "three", "4"]);
});

test("a file that is not there is an error at once", async () => {
  await assert.rejects(
    followFile({ path, lines: 1, follow: true, signal: new AbortController().signal, onLine: assert.fail }),
    /ENOENT/,
  );
});
