// The screens of ha-cfg that are more than a sentence, the commands with files, and the completion in a real shell.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import type { Check, ExplanationReport, Failover, VmFlags } from "../../src/drivers/control/answers.ts";
import { healthyStatus } from "../drivers/control/status-sample.ts";
import { checkLines } from "../../src/cli/reports.ts";
import { haCfg } from "../../src/cli/ha-cfg/main.ts";
import { DRBD_CONF, ISCSI_HA_CONF, TARGETS_CONF } from "../config/import/old-files.ts";
import { startDouble } from "./daemon-double.ts";
import type { Double, Ran } from "./daemon-double.ts";

process.env["TZ"] = "UTC";

let daemon: Double;
before(async () => {
  daemon = await startDouble();
});
after(() => daemon.stop());
beforeEach(() => {
  daemon.requests.length = 0;
  for (const kind of Object.keys(daemon.script)) delete daemon.script[kind as keyof Double["script"]];
});

/** The tool in this process, as without a terminal: starting a program for each costs a second on a loaded machine. */
async function ha(...args: string[]): Promise<Ran> {
  let out = "";
  let err = "";
  const code = await haCfg(args, {
    socketPath: daemon.path,
    logPath: "/nonexistent",
    out: (text) => void (out += `${text}\n`),
    note: (text) => void (err += `${text}\n`),
    env: {},
    stdin: process.stdin,
    stdout: process.stdout,
    wallMs: Date.now,
  });
  return { code, out, err };
}
const fits = (text: string): void =>
  assert.deepEqual(
    text.split("\n").filter((line) => line.length > 80),
    [],
  );

const checks: readonly Check[] = [
  { id: "peer", title: "contact with the other host", outcome: "ok", found: "xcp2 answers", next: "" },
  {
    id: "fencing",
    title: "fence device",
    outcome: "failed",
    found: `the BMC of xcp2 refused the password; ${"it said so at length ".repeat(5)}`,
    next: "ha-cfg set FENCE_PASSWD",
  },
  { id: "witness", title: "witness", outcome: "skipped", found: "WITNESS is empty", next: "" },
  { id: "mail", title: "mail server", outcome: "warning", found: "127.0.0.1:25: ECONNREFUSED", next: "set it" },
];

describe("check", () => {
  test("shows each thing with its next step, the worst last, and ends with 1 when one failed", async () => {
    daemon.script.check = [{ kind: "checks", checks }];
    const ran = await ha("check");
    assert.equal(ran.code, 1);
    fits(ran.out);
    assert.match(ran.out, /^ {2}ok {4}contact with the other host: xcp2 answers$/m);
    assert.match(ran.out, /FAILED {2}fence device: the BMC/);
    assert.match(ran.out, /Next: ha-cfg set FENCE_PASSWD/);
    assert.ok(ran.out.indexOf("FAILED") > ran.out.indexOf("warn"));
    assert.match(
      ran.out,
      /^1 thing would stand in the way of a failover\.\nNext: ha-cfg set FENCE_PASSWD \(fence device\)\n$/m,
    );
  });

  test("ends with 0 when nothing failed; --json is what the daemon said", async () => {
    daemon.script.check = [{ kind: "checks", checks: checks.filter((one) => one.outcome !== "failed") }];
    const ran = await ha("check");
    assert.equal(ran.code, 0);
    assert.match(ran.out, /A failover finds everything it needs; 1 warning\./);
    assert.deepEqual(JSON.parse((await ha("check", "--json")).out), daemon.script.check[0]);
  });
});

describe("check, at the end of the first hour", () => {
  const ha: Check = { id: "ha", title: "high availability", outcome: "warning", found: "off", next: "ha-cfg enable" };
  const last = (...all: readonly Check[]): string | undefined => checkLines(all).at(-1);

  test("what fails comes before the switch, the first of it first", () => {
    assert.equal(last(...checks, ha), "Next: ha-cfg set FENCE_PASSWD (fence device)");
  });
  test("when nothing fails the switch is next, and then nothing", () => {
    const well = checks.filter((one) => one.outcome !== "failed");
    assert.equal(last(...well, ha), "Next: ha-cfg enable (high availability)");
    assert.equal(last(...well, { ...ha, outcome: "ok", next: "" }), "This pool is protected.");
  });
});

const explanation: ExplanationReport = {
  host: "xcp2",
  state: "STANDBY",
  outcome: "standby: the other host owns the storage",
  policyNote: "VOTE is not fencing",
  waits: [{ rule: "D6", sentence: "not taking over: the old owner's lease runs", remainingMs: 9_400 }],
  ifPeerDied: {
    storageServed: true,
    steps: [
      { afterMs: 1_000, what: "the other host is suspected" },
      { afterMs: 13_400, what: "this host serves the storage" },
    ],
    obstacles: ["the vote is lost (D6)"],
  },
};

test("explain says what holds the host back and what it would do if the peer died", async () => {
  daemon.script.explain = [{ kind: "explanation", explanation }];
  const ran = await ha("explain");
  assert.equal(ran.code, 0);
  fits(ran.out);
  assert.match(ran.out, /^ {2}D6 {3}not taking over: the old owner's lease runs \(9\.4 s more\)\.$/m);
  assert.match(ran.out, /If the other host lost its power now, the storage would be served:/);
  assert.match(ran.out, /after +13 s {2}this host serves the storage/);
  assert.match(ran.out, /- the vote is lost/);
  const json = JSON.parse((await ha("explain", "--json")).out);
  assert.deepEqual(json, { kind: "explanation", explanation });
  daemon.script.explain = [{ kind: "explanation", explanation: { ...explanation, waits: [], ifPeerDied: null } }];
  assert.match((await ha("explain")).out, /Nothing holds this host back[^]*silent already/);
});

test("history shows each failover with its timeline", async () => {
  const failover: Failover = {
    startWallMs: Date.UTC(2026, 10, 20, 23, 55, 7),
    endWallMs: Date.UTC(2026, 10, 20, 23, 56),
    node: "xcp2",
    isOver: false,
    summary: "the other host fell silent; this host took the storage",
    events: [
      { wallMs: Date.UTC(2026, 10, 20, 23, 55, 7), event: "peer.suspected", detail: "no answer for 1000 ms" },
      { wallMs: Date.UTC(2026, 10, 20, 23, 55, 19), event: "storage.activated", detail: "x".repeat(120) },
    ],
  };
  const older = { ...failover, startWallMs: failover.startWallMs - 86_400_000, isOver: true, summary: "a switch" };
  daemon.script.history = [{ kind: "history", failovers: [older, failover] }];
  const list = await ha("history");
  fits(list.out);
  assert.match(list.out, /^ {2}1 {2}Fri Nov 20 23:55:07 2026 {2}the other host fell silent;[^]*\n {2}2 {2}Thu Nov 19/);
  assert.deepEqual(daemon.requests.at(-1), { kind: "history", limit: 10 });
  assert.match((await ha("history", "3")).err, /Cannot show number 3: found 2 on record[^]*Next:/);
  const ran = await ha("history", "1");
  fits(ran.out);
  assert.match(ran.out, /^Fri Nov 20 23:55:07 2026 xcp2: the other host fell silent; this host took the$/m);
  assert.match(ran.out, /still going on/);
  assert.match(ran.out, /^ {2}23:55:19 +12 s {2}storage\.activated:$/m);
  daemon.script.history = [{ kind: "history", failovers: [] }];
  assert.match((await ha("history")).out, /^No failover/);
});

test("history draws a failover, with what the other host has on record", async () => {
  const at = Date.UTC(2026, 10, 20, 23, 55, 7);
  const moments = (node: string, ...events: readonly (readonly [number, string, string])[]): Failover => ({
    startWallMs: at,
    endWallMs: at + 20_000,
    node,
    isOver: true,
    summary: "the other host fell silent; <this> host took the storage",
    events: events.map(([after, event, detail]) => ({ wallMs: at + after, event, detail })),
  });
  const own = moments("xcp2", [0, "peer.suspected", "no answer"], [12_000, "storage.activated", "done"]);
  const other = moments("xcp1", [14_000, "peer.contact", "back"]);
  daemon.script.history = [{ kind: "history", failovers: [own] }];
  const [file, svg, html] = ["other.json", "a.svg", "a.html"].map((name) => join(daemon.directory, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(file, JSON.stringify({ kind: "history", failovers: [other, own] }));
  const drawn = await ha("history", "1", "--svg", svg, "--html", html, "--with", file);
  assert.equal(drawn.code, 0, drawn.err);
  for (const text of [readFileSync(svg, "utf8"), readFileSync(html, "utf8")]) {
    assert.match(text, />xcp1<[^]*>xcp2</);
    assert.match(text, /14\.000 s/);
    assert.doesNotMatch(text, /<this>/);
  }
  writeFileSync(file, "{}");
  assert.match(
    (await ha("history", "--svg", svg, "--with", file)).err,
    /expected what "ha-cfg history\s--json" prints/,
  );
  const nowhere = await ha("history", "1", "--svg", join(file, "no-folder.svg"));
  assert.equal(nowhere.code, 1);
  assert.match(nowhere.err, /Cannot write/);
});

const flags: VmFlags = {
  opMode: 2,
  globalVmHa: false,
  masterOnly: false,
  vms: [
    { uuid: "6c792e1a-d05a-0d54-4586-40d730912c25", name: "cent1", flag: false, isProtected: false },
    { uuid: "a2bb1c52-1960-fd54-7a2f-4ba2fbd3e774", name: "cent 4", flag: true, isProtected: true },
    { uuid: "a89b52cd-a141-2de7-2603-56c83daec6d4", name: "\u001b[31mcent2", flag: null, isProtected: false },
  ],
};

test("get-vm-ha lists true, false and unset with the sentence about the mode; --names for the completion", async () => {
  daemon.script.vms = [{ kind: "vms", flags }];
  const ran = await ha("get-vm-ha");
  fits(ran.out);
  assert.match(ran.out, /^GLOBAL_VM_HA is 0: a VM is protected when its flag is true/);
  assert.match(ran.out, /^HA-Enabled +VM-UUID +VM-Name$/m);
  assert.match(ran.out, /^false +6c792e1a-d05a-0d54-4586-40d730912c25 +cent1$/m);
  assert.match(ran.out, /^unset +a89b52cd\S+ +\?\[31mcent2$/m);
  assert.equal((await ha("get-vm-ha", "--names")).out, "cent1\ncent 4\n?[31mcent2\n");
  daemon.script.vms = [{ kind: "vms", flags: { ...flags, opMode: 1 } }];
  assert.match((await ha("get-vm-ha")).out, /^OP_MODE is 1/);
});

describe("files", () => {
  const backup = {
    format: "tandem-backup" as const,
    version: 1 as const,
    poolId: "p",
    wallMs: 0,
    parameters: { MAIL_ON: "0", OP_MODE: "2" },
    vms: { "6c792e1a-d05a-0d54-4586-40d730912c25": true },
  };

  test("backup writes a file only root can read, restore sends it back", async () => {
    daemon.script.backup = [{ kind: "backup", backup }];
    const path = join(daemon.directory, "backup.json");
    const made = await ha("backup", path);
    assert.equal(made.code, 0);
    assert.match(made.out.replaceAll("\n", " "), /2 parameters and 1 flags of VMs are in \/.*; passwords are not/);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.deepEqual(JSON.parse(await readFile(path, "utf8")), backup);
    assert.deepEqual(JSON.parse((await ha("backup")).out), backup);
    daemon.requests.length = 0;
    const restored = await ha("restore", path, "--yes");
    assert.equal(restored.code, 0, restored.err);
    assert.deepEqual(daemon.requests, [{ kind: "restore", parameters: backup.parameters, vms: backup.vms }]);
  });

  test("what is no backup is refused and nothing is sent", async () => {
    const path = join(daemon.directory, "other.json");
    for (const text of ["", "{}", '{"format":"tandem-backup","version":1,"parameters":{"A":1},"vms":{}}']) {
      await writeFile(path, text);
      const ran = await ha("restore", path, "--yes");
      assert.equal(ran.code, 1);
      assert.match(ran.err, /found no backup of tandem in\s+it/);
    }
    assert.equal((await ha("restore", join(daemon.directory, "none.json"))).code, 1);
    const told = await ha("restore", join(daemon.directory, "none.json"), "--json");
    assert.equal((JSON.parse(told.out) as { kind: string }).kind, "failed");
    assert.deepEqual(daemon.requests, []);
  });

  test("import reads HA-Lizard's file and shows first", async () => {
    const path = join(daemon.directory, "ha-lizard.conf");
    await writeFile(
      path,
      "# comment\nFENCE_METHOD='POOL'\nMAIL_TO=\"a@b.c\"  # who\nDISABLED_VAPPS=()\nXAPI_COUNT=2\n",
    );
    assert.equal((await ha("import", path)).code, 0);
    const file = { FENCE_METHOD: "POOL", MAIL_TO: "a@b.c", DISABLED_VAPPS: "()", XAPI_COUNT: "2" };
    assert.deepEqual(daemon.requests, [{ kind: "import", file, write: false }]);
    assert.equal((await ha("import", join(daemon.directory, "none.conf"))).code, 1);
  });

  test("import --storage shows the section, adds it where none is, and needs no daemon", async () => {
    const etc = join(daemon.directory, "etc");
    for (const folder of ["iscsi-ha", "tgt", "drbd.d"]) await mkdir(join(etc, folder), { recursive: true });
    await writeFile(join(etc, "iscsi-ha/iscsi-ha.conf"), ISCSI_HA_CONF);
    await writeFile(join(etc, "tgt/targets.conf"), TARGETS_CONF);
    await writeFile(join(etc, "drbd.conf"), 'include "drbd.d/*.res";\n');
    await writeFile(join(etc, "drbd.d/iscsi1.res"), DRBD_CONF);
    const shown = await ha("import", "--storage", "--etc", etc);
    assert.equal(shown.code, 0);
    assert.match(shown.out, /^storage:\n {2}DRBD_RESOURCES: iscsi1$/m);
    assert.match(shown.err, /Nothing was written/);
    const into = join(daemon.directory, "tandem.yaml");
    assert.equal((await ha("import", "--storage", "--etc", etc, "--into", into, "--write")).code, 1);
    await writeFile(into, "pool: { uuid: x }\nhosts: []\n");
    const written = await ha("import", "--storage", "--etc", etc, "--into", into, "--write", "--json");
    assert.equal(written.code, 0);
    assert.equal((JSON.parse(written.out) as { written: boolean }).written, true);
    assert.match(await readFile(into, "utf8"), /scsi_sn: "0000000001"/);
    const again = await ha("import", "--storage", "--etc", etc, "--into", into, "--write");
    assert.equal(again.code, 1);
    assert.match(again.err, /has a storage section\s+already/);
    assert.equal((await ha("import", "--storage", "--etc", join(etc, "none"))).code, 1);
    assert.equal((await ha("import", "--storage", "old.conf")).code, 2);
    assert.deepEqual(daemon.requests, []);
  });
});

test("show-alerts and cluster-status", async () => {
  const status = { ...healthyStatus, wallMs: Date.now(), alerts: [{ id: "vote", sinceWallMs: 0, text: "no vote" }] };
  daemon.script.status = [{ kind: "status", status }];
  daemon.script.get = [
    { kind: "parameters", parameters: [{ name: "MAIL_ON", value: "0", source: "pool", default: "1" }] },
  ];
  assert.equal((await ha("show-alerts")).out, "Thu Jan 1 00:00:00 1970 vote: no vote\n");
  const page = await ha("cluster-status");
  fits(page.out);
  for (const part of [/Pool HA Status: ENABLED/, /iscsi1 +Primary UpToDate/, /^ {2}MAIL_ON=0 \(pool\)$/m])
    assert.match(page.out, part);
  assert.equal(JSON.parse((await ha("cluster-status", "--json")).out).parameters.length, 1);
});

describe("completion", () => {
  /** Asks a real bash what it would complete. */
  async function complete(words: readonly string[]): Promise<string[]> {
    const folder = join(daemon.directory, "bin");
    await mkdir(folder, { recursive: true });
    const tool = join(folder, "ha-cfg");
    // The script asks the tool itself for the names of the VMs.
    await writeFile(tool, "#!/bin/sh\nprintf 'cent1\\ncent 4\\nweb\\n'\n");
    await chmod(tool, 0o755);
    const script = join(daemon.directory, "ha-cfg.bash");
    await writeFile(script, (await ha("completion", "bash")).out);
    const program = `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _ha_cfg; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const text = execFileSync("bash", ["--norc", "-c", program, "bash", script, "ha-cfg", ...words], {
      env: { PATH: `${folder}:${process.env["PATH"] ?? ""}` },
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    });
    return text.split("\n").filter((line) => line !== "");
  }

  test("bash completes commands, options and their values, choices, parameters and names of VMs", async () => {
    assert.deepEqual(await complete(["ma"]), ["maintenance"]);
    assert.deepEqual(await complete(["re"]), ["restore", "restore-default", "remove"]);
    assert.deepEqual(await complete(["maintenance", ""]), ["on", "off"]);
    assert.deepEqual(await complete(["maintenance", "off", "--l"]), ["--leave-vms"]);
    assert.deepEqual(await complete(["set", "FENCE_HEU"]), ["FENCE_HEURISTICS_IPS"]);
    assert.deepEqual(await complete(["set-vm-ha", "cent"]), ["cent1", "cent\\ 4"]);
    assert.deepEqual(await complete(["set-vm-ha", "web", "t"]), ["true"]);
    assert.deepEqual(await complete(["help", "hist"]), ["history"]);
    assert.deepEqual(await complete(["set", "mail_o"]), ["MAIL_ON"], "names of parameters in any case");
    assert.deepEqual(await complete(["log", "--level", "w"]), ["warn"]);
    assert.deepEqual(await complete(["log", "--level", "warn", "--n"]), ["--no-follow"]);
    const file = join(daemon.directory, "ha-cfg.ba");
    assert.deepEqual(
      await complete(["history", "--svg", file]),
      [`${file}sh`],
      "a file after an option that wants one",
    );
    assert.deepEqual(await complete(["disable", "--h"]), ["--help"]);
  });

  const hasZsh = spawnSync("zsh", ["--version"]).status === 0;
  test("zsh takes the script and offers the same", { skip: hasZsh ? false : "there is no zsh here" }, async () => {
    const script = join(daemon.directory, "_ha-cfg");
    await writeFile(script, (await ha("completion", "zsh")).out);
    const stubs = "compdef() { :; }; _describe() { print -l $commands; }; _arguments() { print -l -- $@; };";
    const ask = (call: string): string =>
      execFileSync("zsh", ["-f", "-c", `${stubs} source "$1"; ${call}; _ha_cfg`, "zsh", script], { encoding: "utf8" });
    assert.match(ask("words=(ha-cfg ''); CURRENT=2"), /^maintenance:take this host out of service/m);
    assert.match(ask("words=(ha-cfg maintenance ''); CURRENT=3"), /1: :\(on off\)/);
    assert.match(ask("words=(ha-cfg set ''); CURRENT=3"), /1: :_ha_cfg_parameters/);
  });
});

test("status of a host without a copy of the storage counts hosts, not links and heuristic addresses", async () => {
  const own = { ...healthyStatus.own, resources: [] };
  const contact = { ...healthyStatus.contact, links: [] };
  const member = { ...healthyStatus, own, contact, peer: null, heuristics: [] };
  daemon.script.status = [{ kind: "status", status: { ...member, wallMs: Date.now() } }];
  const { code, out } = await ha("status", "--no-ask");
  assert.equal(code, 0);
  assert.match(out, /^Contact: {4}\d of \d hosts answer here$/m);
  assert.match(out, /^Votes: {6}\d of the \d hosts are a majority$/m);
  assert.doesNotMatch(out, /does not serve|always fails/);
});
