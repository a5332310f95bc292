import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { LocalFile } from "../../src/config/local-file.ts";
import type { Problem } from "../../src/config/problem.ts";
import { watchLocalFile, type LocalFileWatch } from "../../src/config/watch.ts";
import { SAMPLE, sampleFile, XCP1 } from "./sample.ts";

const folder = await mkdtemp(join(tmpdir(), "tandem-watch-"));
const stops: LocalFileWatch[] = [];
after(async () => {
  await Promise.all(stops.map((one) => one.stop()));
  await rm(folder, { recursive: true, force: true });
});

type News = { readonly file: LocalFile } | { readonly problems: readonly Problem[] };

async function watched(name: string): Promise<{ path: string; news: News[]; next: () => Promise<News | undefined> }> {
  await mkdir(join(folder, name));
  const path = join(folder, name, "tandem.yaml");
  const inventoryPath = join(folder, name, "inventory");
  await writeFile(inventoryPath, `INSTALLATION_UUID='${XCP1}'\n`);
  await writeFile(path, SAMPLE, { mode: 0o600 });
  const news: News[] = [];
  let seen = 0;
  stops.push(
    watchLocalFile(
      sampleFile(SAMPLE, { hostId: XCP1, managementInterface: null }),
      (file) => news.push({ file }),
      (problems) => news.push({ problems }),
      { path, inventoryPath, settleMs: 30 },
    ),
  );
  await sleep(200);
  return {
    path,
    news,
    async next(): Promise<News | undefined> {
      for (let round = 0; round < 200 && news.length <= seen; round += 1) await sleep(25);
      seen += 1;
      return news[seen - 1];
    },
  };
}

const delayOf = (news: News | undefined): unknown =>
  news !== undefined && "file" in news ? news.file.storage?.values["MONITOR_DELAY"] : news;

const withDelay = (seconds: number): string => SAMPLE.replace("storage:\n", `storage:\n  MONITOR_DELAY: ${seconds}\n`);

test("says nothing about the content that is known already, then hands over a changed file", async () => {
  const { path, news, next } = await watched("in-place");
  assert.equal(news.length, 0);
  await writeFile(path, withDelay(7));
  assert.equal(delayOf(await next()), 7000);
});

test("sees a file that was written elsewhere and renamed over the old one, twice", async () => {
  const { path, next } = await watched("renamed");
  await writeFile(`${path}.new`, withDelay(7), { mode: 0o600 });
  await rename(`${path}.new`, path);
  assert.equal(delayOf(await next()), 7000);
  await writeFile(`${path}.new`, withDelay(8), { mode: 0o600 });
  await rename(`${path}.new`, path);
  assert.equal(delayOf(await next()), 8000);
});

test("hands over problems instead of a file with an error, then the corrected file", async () => {
  const { path, next } = await watched("broken");
  await writeFile(path, withDelay(0));
  const bad = await next();
  assert.ok(bad !== undefined && "problems" in bad);
  assert.equal(bad.problems[0]?.path, "storage.MONITOR_DELAY");
  await writeFile(path, withDelay(9));
  assert.equal(delayOf(await next()), 9000);
});

test("reports a deleted file and takes it up again when it is back", async () => {
  const { path, next } = await watched("deleted");
  await rm(path);
  const gone = await next();
  assert.ok(gone !== undefined && "problems" in gone);
  assert.match(gone.problems[0]?.found ?? "", /no such file/);
  await writeFile(path, withDelay(9), { mode: 0o600 });
  assert.equal(delayOf(await next()), 9000);
});

test("refuses a file that others may write, and takes it up after a chmod alone", async () => {
  const { path, next } = await watched("permissions");
  await chmod(path, 0o666);
  const refused = await next();
  assert.ok(refused !== undefined && "problems" in refused);
  assert.match(refused.problems[0]?.found ?? "", /mode 0666/);
  await chmod(path, 0o600);
  assert.ok("file" in ((await next()) ?? {}));
});

test("touching the file without changing it is no news", async () => {
  const { path, news, next } = await watched("touched");
  await writeFile(path, SAMPLE);
  await sleep(300);
  assert.equal(news.length, 0);
  await writeFile(path, withDelay(3));
  assert.equal(delayOf(await next()), 3000);
});
