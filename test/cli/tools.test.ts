// Both tools as programs: exit codes, usage errors, JSON, secrets, and that every text fits 80 columns.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { ParameterValue } from "../../src/drivers/control/port.ts";
import { healthyStatus, statusWith } from "../drivers/control/status-sample.ts";
import { runTool, startDouble } from "./daemon-double.ts";
import type { Double, Ran } from "./daemon-double.ts";

let daemon: Double;
before(async () => {
  daemon = await startDouble();
});
after(() => daemon.stop());
beforeEach(() => {
  daemon.requests.length = 0;
  for (const kind of Object.keys(daemon.script)) delete daemon.script[kind as keyof Double["script"]];
  // As old as its answer, however long the tool takes to ask.
  const fresh = {
    ...healthyStatus,
    get wallMs() {
      return Date.now();
    },
  };
  daemon.script.status = [{ kind: "status", status: fresh }];
  daemon.script.get = [{ kind: "parameters", parameters }];
});

const parameter = (name: string, value: string): ParameterValue => ({ name, value, source: "pool", default: "" });
const parameters = [
  parameter("MAIL_ON", "1"),
  parameter("FENCE_PASSWD", "[set]"),
  parameter("LOG_write_pool_state", "0"),
  parameter("FENCE_METHOD", "POOL"),
];

const ha = (...args: string[]): Promise<Ran> => runTool("ha-cfg", args, { socket: daemon.path });
const iscsi = (...args: string[]): Promise<Ran> => runTool("iscsi-cfg", args, { socket: daemon.path });
test("a setup is not taken back while HA is on, whoever said yes", async () => {
  const on = { ...healthyStatus, own: { ...healthyStatus.own, ha: "on" as const } };
  daemon.script.status = [{ kind: "status", status: on }];
  const ran = await iscsi("setup", "--undo", "--yes");
  assert.equal(ran.code, 3);
  assert.match(ran.err, /nothing was changed\. First: ha-cfg disable/);
});

const tooWide = (text: string): string[] => text.split("\n").filter((line) => line.length > 80);

const commands = {
  "ha-cfg":
    "status check explain enable disable maintenance forget-host history log cluster-status get-vm-ha set-vm-ha get set insert import backup restore restore-default remove email show-alerts clear-alerts raise-alert version completion".split(
      " ",
    ),
  "iscsi-cfg":
    "status switch get log manual-mode-enable manual-mode-disable become-primary become-master become-secondary confirm-peer-off explain history version completion".split(
      " ",
    ),
} as const;

describe("help", () => {
  for (const tool of ["ha-cfg", "iscsi-cfg"] as const) {
    test(`${tool}: every command has a help that fits 80 columns and offers --json`, async () => {
      const whole = await runTool(tool, ["--help"], { socket: daemon.path });
      assert.deepEqual([whole.code, whole.err, tooWide(whole.out)], [0, "", []]);
      const helps = await Promise.all(
        commands[tool].map((command) => runTool(tool, [command, "--help"], { socket: daemon.path })),
      );
      for (const [index, help] of helps.entries()) {
        const command = commands[tool][index] ?? "";
        assert.match(whole.out, new RegExp(`^  ${command}\\b`, "m"));
        assert.deepEqual([help.code, help.err, tooWide(help.out)], [0, "", []], command);
        assert.match(help.out, /--json/, command);
      }
      assert.deepEqual(daemon.requests, []);
    });
  }
});

test("the completion of iscsi-cfg knows the parameters of the storage, that of ha-cfg those of the pool", async () => {
  const scripts = await Promise.all(
    (["ha-cfg", "iscsi-cfg"] as const).map((tool) => runTool(tool, ["completion", "bash"], { socket: daemon.path })),
  );
  const offers = (name: string): readonly boolean[] => scripts.map(({ out }) => out.includes(` ${name} `));
  assert.deepEqual(
    [offers("FENCE_METHOD"), offers("DRBD_VIRTUAL_IP")],
    [
      [true, false],
      [false, true],
    ],
  );
});

describe("wrong usage ends with 2, asks the daemon for nothing and fits 80 columns", () => {
  const wrong: readonly (readonly ["ha-cfg" | "iscsi-cfg", ...string[]])[] = [
    ["ha-cfg"],
    ["iscsi-cfg"],
    ["ha-cfg", "frobnicate"],
    ["ha-cfg", "enable", "now"],
    ["ha-cfg", "enable", "--frob"],
    ["ha-cfg", "set"],
    ["ha-cfg", "set", "MAIL_ON", "1", "2"],
    ["ha-cfg", "maintenance"],
    ["ha-cfg", "maintenance", "sideways"],
    ["ha-cfg", "set-vm-ha", "cent4"],
    ["ha-cfg", "set-vm-ha", "cent4", "maybe"],
    ["ha-cfg", "restore"],
    ["ha-cfg", "raise-alert"],
    ["ha-cfg", "completion", "fish"],
    ["ha-cfg", "history", "--limit", "0"],
    ["iscsi-cfg", "log", "--lines", "x"],
    ["iscsi-cfg", "log", "--level", "loud"],
    ["iscsi-cfg", "status", "--tolerance", "-1"],
    ["iscsi-cfg", "become-primary", "--force"],
    ["iscsi-cfg", "confirm-peer-off"],
  ];
  for (const [tool, ...args] of wrong) {
    test(`${tool} ${args.join(" ")}`, async () => {
      const ran = await runTool(tool, args, { socket: daemon.path });
      assert.equal(ran.code, 2, ran.out + ran.err);
      assert.deepEqual(tooWide(ran.out + ran.err), []);
      assert.notEqual(ran.out + ran.err, "");
      assert.deepEqual(daemon.requests, []);
    });
  }
});

describe("requests", () => {
  const sent: readonly (readonly ["ha-cfg" | "iscsi-cfg", readonly string[], object])[] = [
    ["ha-cfg", ["enable"], { kind: "enable", force: false }],
    ["ha-cfg", ["disable"], { kind: "disable", force: false }],
    ["ha-cfg", ["disable", "--force", "--yes"], { kind: "disable", force: true }],
    ["ha-cfg", ["insert"], { kind: "insert", overwrite: false }],
    ["ha-cfg", ["insert", "--overwrite"], { kind: "insert", overwrite: true }],
    ["ha-cfg", ["maintenance", "on"], { kind: "maintenance", on: true, returnVms: true }],
    ["ha-cfg", ["maintenance", "off"], { kind: "maintenance", on: false, returnVms: true }],
    ["ha-cfg", ["maintenance", "off", "--leave-vms"], { kind: "maintenance", on: false, returnVms: false }],
    ["ha-cfg", ["set-vm-ha", "my vm", "true"], { kind: "set-vm-ha", vm: "my vm", on: true }],
    ["ha-cfg", ["restore-default"], { kind: "restore-default" }],
    ["ha-cfg", ["remove", "--yes"], { kind: "remove" }],
    ["ha-cfg", ["forget-host", "xcp2", "--yes"], { kind: "forget-host", host: "xcp2" }],
    ["ha-cfg", ["email"], { kind: "email" }],
    ["ha-cfg", ["raise-alert", "the", "UPS is empty"], { kind: "raise-alert", text: "the UPS is empty" }],
    ["ha-cfg", ["clear-alerts"], { kind: "clear-alerts" }],
    ["ha-cfg", ["history", "-n", "3"], { kind: "history", limit: 3 }],
    ["ha-cfg", ["explain"], { kind: "explain" }],
    ["iscsi-cfg", ["switch"], { kind: "switch", storageOnly: false }],
    ["iscsi-cfg", ["switch", "--storage-only"], { kind: "switch", storageOnly: true }],
    ["iscsi-cfg", ["manual-mode-enable"], { kind: "manual", on: true, force: false }],
    ["iscsi-cfg", ["manual-mode-disable", "--force"], { kind: "manual", on: false, force: true }],
    ["iscsi-cfg", ["become-primary"], { kind: "become-primary", force: false, peerName: null }],
    ["iscsi-cfg", ["become-master"], { kind: "become-primary", force: false, peerName: null }],
    [
      "iscsi-cfg",
      ["become-primary", "--force", "--peer", "xcp2"],
      { kind: "become-primary", force: true, peerName: "xcp2" },
    ],
    ["iscsi-cfg", ["become-secondary"], { kind: "become-secondary" }],
    ["iscsi-cfg", ["confirm-peer-off", "xcp2"], { kind: "confirm-peer-off", peerName: "xcp2" }],
  ];
  for (const [tool, args, request] of sent) {
    test(`${tool} ${args.join(" ")} asks for exactly that`, async () => {
      const ran = await runTool(tool, args, { socket: daemon.path });
      assert.deepEqual(daemon.requests, [request]);
      assert.equal(ran.code, 0, ran.err);
      assert.match(ran.out, /^did /);
    });
  }

  test("become-master says its new name", async () => {
    assert.match((await iscsi("become-master")).err, /become-primary/);
  });

  test("progress goes to stderr, the result to stdout", async () => {
    daemon.script.switch = [
      { kind: "progress", text: "xcp2 has the storage" },
      { kind: "done", text: "The storage is on xcp2." },
    ];
    assert.deepEqual(await iscsi("switch"), {
      code: 0,
      out: "The storage is on xcp2.\n",
      err: "... xcp2 has the storage\n",
    });
  });

  test("a refusal ends with 3 and names rule, reason and next step, within 80 columns", async () => {
    const reason =
      "xcp2 is Primary and serves the storage; a second Primary would make two copies that differ for good";
    daemon.script["become-primary"] = [
      { kind: "refused", rule: "D11", reason, next: "iscsi-cfg become-secondary on xcp2" },
    ];
    const ran = await iscsi("become-primary");
    assert.equal(ran.code, 3);
    assert.equal(ran.out, "");
    assert.match(ran.err, /^Refused \(rule D11\): xcp2 is Primary/);
    assert.match(ran.err, /^Next: iscsi-cfg become-secondary on xcp2$/m);
    assert.deepEqual(tooWide(ran.err), []);
    const json = await iscsi("become-primary", "--json");
    assert.equal(json.code, 3);
    assert.deepEqual(JSON.parse(json.out), daemon.script["become-primary"][0]);
  });

  test("a failure ends with 1", async () => {
    daemon.script.enable = [{ kind: "failed", reason: "Cannot enable HA: xcp2 did not answer", next: "ha-cfg status" }];
    const ran = await ha("enable");
    assert.deepEqual([ran.code, ran.out], [1, ""]);
    assert.match(ran.err, /did not answer\nNext: ha-cfg status/);
  });

  test("an escape sequence of a VM's name does not reach the terminal", async () => {
    daemon.script.explain = [{ kind: "text", text: "VM \u001b[2Jevil\u0007\nsecond line" }];
    assert.equal((await ha("explain")).out, "VM ?[2Jevil?\nsecond line\n");
  });
});

describe("parameters", () => {
  test("get lists NAME=value sorted; one name in any case; --json", async () => {
    assert.equal((await ha("get")).out, "FENCE_METHOD=POOL\nFENCE_PASSWD=[set]\nLOG_write_pool_state=0\nMAIL_ON=1\n");
    assert.equal((await ha("get", "mail_on")).out, "MAIL_ON=1\n");
    assert.deepEqual(JSON.parse((await ha("get", "Fence_Method", "--json")).out), [parameters[3]]);
    assert.equal((await iscsi("get", "--long")).out.split("\n")[0], 'FENCE_METHOD=POOL  (pool; default "")');
    assert.deepEqual(
      daemon.requests.map((request) => request.kind === "get" && request.scope),
      ["pool", "pool", "pool", "storage"],
    );
  });

  test("set sends the name as the daemon spells it", async () => {
    assert.equal((await ha("set", "log_WRITE_pool_state", "1")).code, 0);
    assert.deepEqual(daemon.requests[1], { kind: "set", name: "LOG_write_pool_state", value: "1" });
  });

  test("an empty input does not wipe a password", async () => {
    const ran = await runTool("ha-cfg", ["set", "FENCE_PASSWD"], { socket: daemon.path, input: "" });
    assert.equal(ran.code, 2);
    assert.deepEqual(
      daemon.requests.map((request) => request.kind),
      ["get"],
    );
  });

  test("an unknown name is refused with a suggestion and nothing is set", async () => {
    const ran = await ha("set", "MAIL_ONN", "0");
    assert.equal(ran.code, 2);
    assert.match(ran.err, /"MAIL_ONN"[^]*Nothing was\s+changed[^]*Did you mean MAIL_ON\?/);
    assert.equal((await ha("get", "NOPE")).code, 2);
    assert.deepEqual([...new Set(daemon.requests.map((request) => request.kind))], ["get"]);
  });

  test("a value with a space, or none, is refused and nothing is set", async () => {
    assert.equal((await ha("set", "MAIL_ON", "1 0")).code, 2);
    assert.equal((await ha("set", "MAIL_ON")).code, 2);
    assert.deepEqual(
      daemon.requests.map((request) => request.kind),
      ["get", "get"],
    );
  });

  test("an empty value empties the parameter", async () => {
    assert.equal((await ha("set", "MAIL_ON", "")).code, 0);
    assert.deepEqual(daemon.requests[1], { kind: "set", name: "MAIL_ON", value: "" });
  });

  test("a password comes from standard input; on the command line it is taken with a warning and not repeated", async () => {
    const piped = await runTool("ha-cfg", ["set", "fence_passwd"], { socket: daemon.path, input: "hunter2\n" });
    assert.deepEqual(daemon.requests[1], { kind: "set", name: "FENCE_PASSWD", value: "hunter2" });
    const typed = await ha("set", "FENCE_PASSWD", "hunter3");
    assert.match(typed.err, /can be read by\s+others/);
    assert.ok(![piped, typed].some((ran) => /hunter/.test(ran.out + ran.err)));
  });
});

describe("status", () => {
  test("ha-cfg status prints the block, never calls a vote fencing, and asks nothing without a terminal", async () => {
    const ran = await ha("status");
    assert.equal(ran.code, 0, ran.err);
    assert.match(ran.out, /^Pool HA Status: ENABLED$/m);
    assert.match(ran.out, /not fencing/);
    assert.match(ran.out, /3 of 4 protected, 3 running/);
    assert.match(ran.out, /192\.168\.1\.253 answers/);
    assert.deepEqual(tooWide(ran.out), []);
    assert.ok(!ran.out.includes("Enter to quit"));
  });

  test("ha-cfg status shows what is wrong", async () => {
    const status = statusWith({ ha: "off", flags: { manual: true, maintenance: false } }, null, {
      wallMs: Date.now() - 60_000,
      contact: { inContact: false, silentMs: null, links: [] },
      heuristics: [],
      fencing: { method: "IPMI", enabled: true, ready: false, detail: "the BMC of xcp2 refused the password" },
      alerts: [{ id: "a", sinceWallMs: 0, text: "x".repeat(200) }],
      vms: {
        total: 9,
        protected: 9,
        running: 9,
        survivorHasRoom: false,
        failuresTolerated: 0,
        down: [],
        detail: "2 GiB short",
      },
    });
    daemon.script.status = [{ kind: "status", status }];
    const { out } = await ha("status");
    for (const word of [
      /DISABLED/,
      /MANUAL/,
      /CAUTION/,
      /never heard/,
      /NOT READY/,
      /no heuristic IP/,
      /NOT ENOUGH/,
      /1 alert\b/,
    ]) {
      assert.match(out, word);
    }
    assert.deepEqual(tooWide(out), []);
  });

  test("--json is the daemon's document", async () => {
    for (const ran of [await ha("status", "--json"), await iscsi("status", "--json")]) {
      assert.equal(ran.code, 0);
      assert.equal(JSON.parse(ran.out).own.name, "xcp1");
    }
  });

  test("iscsi-cfg status without a terminal is plain lines, once, without colour", async () => {
    const ran = await iscsi("status");
    assert.equal(ran.code, 0);
    assert.match(ran.out, /iscsi1 +Primary UpToDate/);
    assert.ok(!ran.out.includes("\u001b"));
    assert.deepEqual(tooWide(ran.out), []);
  });

  test("stale data ends with 1 and says so", async () => {
    daemon.script.status = [{ kind: "status", status: { ...healthyStatus, wallMs: Date.now() - 33_000 } }];
    const ran = await iscsi("status", "--once");
    assert.equal(ran.code, 1);
    // The tool itself may take seconds to start on a busy machine.
    assert.match(ran.out, /The status is (3[3-9]|[4-9]\d) s old/);
  });

  test("--follow writes a document per change and ends with the daemon", async () => {
    const own = await startDouble();
    own.publish(healthyStatus);
    const running = runTool("iscsi-cfg", ["status", "--follow", "--json"], { socket: own.path });
    // However long the tool takes to start: changes go on until it has watched for a while.
    let watched = 0;
    for (let round = 0; watched < 20 && round < 1_200; round++) {
      if (own.connected()) watched += 1;
      own.publish({ ...healthyStatus, wallMs: Date.now() });
      await sleep(50);
    }
    await own.stop();
    const ran = await running;
    assert.equal(ran.code, 1);
    const documents = ran.out.trim().split("\n");
    assert.ok(documents.length > 2);
    for (const line of documents) assert.equal(JSON.parse(line).protocol, 1);
  });
});

test("without a daemon every command ends with 1 and names the command to run", async () => {
  const socket = join(daemon.directory, "none.sock");
  const calls = [
    ...[["status"], ["enable"], ["get"], ["set", "MAIL_ON", "1"], ["explain"], ["history"]].map((args) =>
      runTool("ha-cfg", args, { socket }),
    ),
    ...[["status"], ["status", "--follow"], ["switch"], ["get"]].map((args) => runTool("iscsi-cfg", args, { socket })),
  ];
  for (const ran of await Promise.all(calls)) {
    assert.equal(ran.code, 1);
    assert.match(ran.err, /systemctl start tandemd/);
    assert.deepEqual(tooWide(ran.err), []);
  }
  const json = await runTool("ha-cfg", ["status", "--json"], { socket });
  assert.equal(JSON.parse(json.out).kind, "failed");
  assert.equal((await runTool("ha-cfg", ["version"], { socket })).code, 0);
});

describe("log", () => {
  const lines = [
    '{"level":"info","time":1795218907123,"node":"xcp1","event":"vip.added","vip":"10.10.10.3","msg":"The floating IP was added here"}',
    '{"level":"warn","time":1795218908000,"node":"xcp1","event":"peer.suspected","silentMs":1000,"msg":"The peer is silent"}',
    "plain text \u001b[31m of another program",
  ];

  test("shows lines for people, leaves out what is less important, and gives the raw lines with --json", async () => {
    const log = join(daemon.directory, "tandemd.log");
    await writeFile(log, `${lines.join("\n")}\n`);
    const show = (...args: string[]): Promise<Ran> =>
      runTool("iscsi-cfg", ["log", "--no-follow", ...args], { socket: daemon.path, log });
    assert.equal(
      (await show()).out,
      "23:55:07.123 xcp1 vip.added The floating IP was added here (vip=10.10.10.3)\n" +
        "23:55:08.000 xcp1 WARN peer.suspected The peer is silent (silentMs=1000)\n" +
        "plain text ?[31m of another program\n",
    );
    assert.equal((await show("--level", "warn")).out.split("\n").length, 3);
    assert.equal((await show("-n", "1", "--json")).out, `${lines[2]}\n`);
  });

  test("without a file it turns to the journal, and says so", async () => {
    const ran = await runTool("ha-cfg", ["log", "--no-follow"], {
      socket: daemon.path,
      log: join(daemon.directory, "no.log"),
    });
    assert.match(ran.err, /trying the journal/);
  });
});
