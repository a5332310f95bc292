// replace-disk: what is refused before anything is written, in which order the disk is named, and that a run that broke off,
// or that the other host did not answer, is gone on with by the same command.

import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import type { CliContext } from "../../../src/cli/context.ts";
import { replaceDisk, type ReplaceOptions, type ReplaceWorld } from "../../../src/cli/iscsi-cfg/replace-disk.ts";
import type { DrbdView } from "../../../src/core/model/drbd.ts";
import { err, ok, type Result } from "../../../src/util/result.ts";
import { sampleView } from "../../drivers/drbd/sample-view.ts";
import { ANSWERS, RECORD } from "../../setup/samples.ts";

const [SELF, PEER] = ANSWERS.hosts;
const OLD = SELF.disk;
const NEW = "/dev/disk/by-id/wwn-0x5b";
const COMMAND = `iscsi-cfg replace-disk --disk ${NEW}`;

interface Story {
  /** What was done, in order. */
  readonly did: string[];
  readonly world: ReplaceWorld;
}

interface Given {
  readonly view?: Partial<DrbdView>;
  /** The disk of the resource file here. */
  readonly configured?: string;
  readonly there?: readonly string[];
  readonly unfit?: string | null;
  /** What fails, and with which words. */
  readonly fails?: Partial<Record<"team" | "keepDisk" | "other" | "backups" | "plan" | "attach" | "follow", string>>;
  readonly held?: string | null;
  /** Resources beside iscsi1. */
  readonly others?: readonly string[];
}

function story({
  view,
  configured = OLD,
  there = [NEW],
  unfit = null,
  fails = {},
  held = null,
  others = [],
}: Given = {}): Story {
  const did: string[] = [];
  const done = (what: keyof typeof fails, more = ""): Promise<Result<"done", string>> => {
    const why = fails[what];
    did.push(`${what}${more}${why === undefined ? "" : " fails"}`);
    return Promise.resolve(why === undefined ? ok("done") : err(why));
  };
  const self = { ...SELF, disk: configured };
  const record = { ...RECORD, answers: { ...ANSWERS, hosts: [self, PEER] as typeof ANSWERS.hosts } };
  const seen = sampleView({ role: "Secondary", disk: "Diskless", ...view });
  const world: ReplaceWorld = {
    configured: async () => ok({ record, self, others }),
    drbd: async () => ok(new Map([["iscsi1", seen]])),
    peer: async () => assert.fail("this host's picture is enough"),
    nameOf: async ({ typed }) => (there.includes(typed) || typed === configured ? ok(typed) : err(`${typed} is gone`)),
    otherHeld: async () => held,
    isThere: async (path) => there.includes(path),
    freeDisks: async () => [
      { path: "/dev/sda", stable: null, sizeBytes: 1e12, isFree: false },
      { path: "/dev/sdc", stable: NEW, sizeBytes: 4e12, isFree: true },
    ],
    unfit: async () => unfit,
    show: async () => ((await done("plan")).ok ? ok("clear") : ok("obstacles")),
    async bringUp({ disk }, begin) {
      const planned = await done("plan");
      if (!planned.ok) return planned;
      const begun = await begin();
      return begun.ok ? done("attach", ` ${disk}`) : begun;
    },
    team: async () =>
      (await done("team")).ok
        ? ok({ peer: PEER, ask: (fn, more) => done("other", ` ${fn} ${more?.disk}`) })
        : err(fails.team ?? ""),
    keepDisk: (uuid, disk) => done("keepDisk", uuid === SELF.uuid ? ` ${disk}` : " of a stranger"),
    keepBackups: () => done("backups"),
    follow: () => done("follow"),
  };
  return { did, world };
}

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly said: string;
  readonly screen: string;
}

/** `typed`: by a person at a terminal, a line for each question; null: nobody sits there. */
async function run(
  { world }: Story,
  options: Partial<ReplaceOptions> = {},
  typed: readonly string[] | null = null,
): Promise<Ran> {
  const isTTY = typed !== null;
  const stdin = Object.assign(new PassThrough(), { isTTY });
  const stdout = Object.assign(new PassThrough(), { isTTY });
  const rest = [...(typed ?? [])];
  let screen = "";
  stdout.on("data", (bytes: Buffer) => {
    screen += bytes.toString();
    if (screen.endsWith(": ")) stdin.write(`${rest.shift() ?? ""}\n`);
  });
  const out: string[] = [];
  const said: string[] = [];
  const context = {
    stdin,
    stdout,
    out: (text: string) => out.push(text),
    note: (text: string) => said.push(text),
  } as unknown as CliContext;
  const code = await replaceDisk(context, { erase: [], dryRun: false, json: false, ...options }, world);
  for (const line of [...said, stripVTControlCharacters(screen)].join("\n").split("\n"))
    assert.ok(line.length <= 80, line);
  return { code, out: out.join("\n"), said: said.join("\n").replaceAll(/\s+/g, " "), screen };
}

const ALL = ["plan", "team", `keepDisk ${NEW}`, `other disk xcp1:${NEW}`, `attach ${NEW}`, "backups", "follow"];

test("a disk that was named is named in the pool, on the other host and here, and only then put under DRBD", async () => {
  const told = story();
  const { code, said } = await run(told, { disk: NEW });
  assert.equal(code, 0, said);
  assert.deepEqual(told.did, ALL);
  assert.match(said, /wwn-0x5b is up to date/);
});

test("a disk at the configured path needs neither the pool nor the other host", async () => {
  const told = story({ there: [OLD] });
  assert.equal((await run(told)).code, 0);
  assert.deepEqual(told.did, ["plan", `attach ${OLD}`, "follow"]);
});

test("whatever is refused is refused before anything is written", async () => {
  const rows: readonly (readonly [Given, RegExp])[] = [
    [{ there: [] }, /Refused: .* is gone/],
    [{ unfit: `${NEW} is too small` }, /Refused: .* is too small/],
    [{ view: { disk: "Failed" } }, /drbdadm detach iscsi1/],
    [{ view: { disk: "UpToDate" } }, /drbdadm detach iscsi1/],
    [{ view: { disk: "Inconsistent" } }, /drbdadm detach iscsi1/],
    [{ view: { disk: "UpToDate" }, configured: NEW, held: OLD }, /runs on .*wwn-0x5a still; first: drbdadm detach/],
  ];
  for (const [given, words] of rows) {
    const told = story(given);
    const { code, said } = await run(told, { disk: NEW });
    assert.equal(code, 3, said);
    assert.match(said, words);
    assert.deepEqual(told.did, []);
  }
  const told = story({ fails: { plan: "Refused: mend what says STOP first; nothing was changed" } });
  assert.equal((await run(told, { disk: NEW })).code, 3);
  assert.deepEqual(told.did, ["plan fails"]);
});

test("of two resources the first is not let go for the second, whose disk is replaced by hand", async () => {
  for (const options of [{}, { disk: NEW }]) {
    const told = story({ view: { disk: "UpToDate" }, others: ["iscsi2"] });
    const { code, said } = await run(told, options);
    assert.equal(code, 3);
    assert.match(
      said,
      /For iscsi2 do nothing to iscsi1, but by hand: .* drbdadm attach iscsi2\. Of iscsi1: iscsi1 has its disk/,
    );
    assert.deepEqual(told.did, []);
  }
  assert.equal((await run(story({ others: ["iscsi2"] }), { disk: NEW })).code, 0);
});

test("a disk that DRBD still runs on is not to be let go while it is the only whole one", async () => {
  const told = story({ view: { disk: "UpToDate", peerDisk: "Diskless" }, configured: NEW, held: OLD });
  const { code, said } = await run(told, { disk: NEW });
  assert.equal(code, 3);
  assert.match(said, /runs on .*wwn-0x5a still; the other host's copy is not UpToDate/);
  assert.doesNotMatch(said, /detach/);
});

test("a host that DRBD knows by another name is told so, not that its disk is gone", async () => {
  for (const view of [{}, { disk: "Inconsistent" }] as const) {
    const told = story({ configured: "", view, held: OLD });
    const { code, said } = await run(told);
    assert.equal(code, 3);
    assert.match(said, /no section "on xcp1" that names a disk .*uname -n/);
    assert.doesNotMatch(said, /detach|does not exist/);
  }
});

test("a dry run shows the plan and does nothing", async () => {
  const told = story();
  assert.equal((await run(told, { disk: NEW, dryRun: true })).code, 0);
  const stopped = story({ fails: { plan: "an obstacle" } });
  assert.equal((await run(stopped, { disk: NEW, dryRun: true })).code, 3);
  assert.deepEqual([...told.did, ...stopped.did], ["plan", "plan fails"]);
});

test("while the pool's database does not take the disk nothing is changed", async () => {
  for (const fails of [{ team: "xapi does not answer" }, { keepDisk: "xapi does not answer" }]) {
    const told = story({ fails });
    const { code, said } = await run(told, { disk: NEW });
    assert.equal(code, 1);
    assert.match(said, /Nothing was changed.*xapi does not answer/);
    assert.doesNotMatch(said, /To go on/);
    assert.ok(!told.did.some((one) => /^(attach|other|follow)/.test(one)));
  }
});

test("an other host that cannot write its file does not keep this copy from its disk; it is told what is left", async () => {
  const told = story({ fails: { other: "xcp2 is not reachable" } });
  const { code, said } = await run(told, { disk: NEW });
  assert.equal(code, 1);
  assert.deepEqual(told.did.slice(-3), [`attach ${NEW}`, "backups", "follow"]);
  assert.match(
    said,
    /xcp2 still names the old disk of xcp1 in its \/etc\/drbd\.d\/iscsi1\.res \(xcp2 is not reachable\)/,
  );
  assert.ok(said.includes(COMMAND) && said.includes(`disk "${NEW}"; in the section "on xcp1"`), said);
  assert.match(said, /is up to date\. xcp2 still names/);

  const again = story({ configured: NEW, view: { disk: "UpToDate" } });
  assert.equal((await run(again, { disk: NEW })).code, 0);
  assert.deepEqual(again.did, ["team", `keepDisk ${NEW}`, `other disk xcp1:${NEW}`, "backups", "follow"]);
});

test("a backup that cannot be kept is told, and how to make it", async () => {
  const told = story({ fails: { backups: "xapi does not answer" } });
  const { code, said } = await run(told, { disk: NEW });
  assert.equal(code, 1);
  assert.match(said, /xapi does not answer.*iscsi-cfg backup/);
  assert.equal(told.did.at(-1), "follow");
});

test("the same command goes on wherever a run broke off", async () => {
  const broken = story({ fails: { attach: "drbdadm attach iscsi1 ended with 1" } });
  const { code, said } = await run(broken, { disk: NEW });
  assert.equal(code, 1);
  assert.ok(said.includes(`To go on: ${COMMAND}`), said);
  const written = story({ configured: NEW });
  assert.equal((await run(written, { disk: NEW })).code, 0);
  assert.deepEqual(written.did, ALL);
  const filling = story({ configured: NEW, view: { disk: "Inconsistent" } });
  assert.equal((await run(filling)).code, 0, "without --disk too");
  assert.deepEqual(filling.did, ["follow"]);
});

test("without a terminal a path that is gone is refused with the option and the free disks", async () => {
  const told = story();
  const { code, said } = await run(told);
  assert.equal(code, 2);
  assert.match(
    said,
    /found no terminal, expected --disk DISK.*wwn-0x5a.*does not exist.*\/dev\/sdc, 3\.6 TiB, .*wwn-0x5b/,
  );
  assert.doesNotMatch(said, /\/dev\/sda/);
  assert.deepEqual(told.did, []);
});

test("at a terminal the new disk is asked for until it is one, and Enter quits", async () => {
  const told = story();
  const { code, said } = await run(told, {}, ["sdc", "/dev/sdx", NEW]);
  assert.equal(code, 0, said);
  assert.deepEqual(told.did, ALL);
  assert.match(said, /does not exist\. Free disks: \/dev\/sdc, 3\.6 TiB/);
  assert.match(said, /"sdc" cannot be meant.*\/dev\/sdx is gone/);
  const left = story();
  assert.equal((await run(left, {}, [""])).code, 1);
  assert.deepEqual(left.did, []);
});

test("the answer in JSON is the only line of the result", async () => {
  const fine = await run(story(), { disk: NEW, json: true });
  assert.equal((JSON.parse(fine.out) as { kind: string }).kind, "done");
  const refused = await run(story({ there: [] }), { disk: NEW, json: true });
  assert.deepEqual(JSON.parse(refused.out), { kind: "failed", reason: `Refused: ${NEW} is gone` });
});
