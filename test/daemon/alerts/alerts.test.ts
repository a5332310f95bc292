// Alerts to a real SMTP server and to xapi: a server that is dead and comes back, a restart, a flood, the end of a condition,
// a disk that takes nothing, and the switches of the areas.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { PoolAlert } from "../../../src/act/pool/alert.ts";
import { ALL_AREAS } from "../../../src/config/areas.ts";
import { alertCache } from "../../../src/daemon/alerts/alert-store.ts";
import { openAlerts, type AlertParts, type Alerts } from "../../../src/daemon/alerts/alerts.ts";
import { systemClock } from "../../../src/drivers/clock/system.ts";
import { sendMail } from "../../../src/drivers/notify/mail.ts";
import { err, ok } from "../../../src/util/result.ts";
import { startSmtp, type SmtpPeer } from "../../drivers/notify/smtp-peer.ts";

type Settings = ReturnType<AlertParts["config"]>;

interface Bench {
  readonly dir: string;
  readonly messages: PoolAlert[];
  readonly logged: string[];
  isXapiUp: boolean;
  open(
    port: number,
    change?: { readonly areas?: Settings["areas"]; readonly path?: string; readonly gatherMs?: number },
  ): Promise<Alerts>;
}

const MAIL = { on: true, from: "root@xcp1", to: ["admin@example.org"], subject: "ALERT:$HOSTNAME" };
const AREAS: Settings["areas"] = Object.fromEntries(
  ALL_AREAS.map((area) => [area, { log: true, mail: true, priority: 3 }]),
);

async function withBench(run: (bench: Bench) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "tandem-alerts-"));
  const opened: Alerts[] = [];
  const bench: Bench = {
    dir,
    messages: [],
    logged: [],
    isXapiUp: true,
    async open(port, change = {}) {
      const alerts = await openAlerts({
        clock: systemClock(),
        log: (event, detail) => bench.logged.push(`${event} ${detail}`),
        config: () => ({
          poolId: "pool",
          self: { uuid: "11111111-1111-4111-8111-111111111111", name: "xcp1", management: "", replication: "" },
          areas: change.areas ?? AREAS,
          alerts: {
            xapiMessages: true,
            diskMonitor: true,
            mail: MAIL,
            storageMail: MAIL,
            smtp: { server: "127.0.0.1", port, user: "", password: null },
            screenTimeMs: 3_600_000,
          },
        }),
        cache: alertCache(change.path ?? join(dir, "alerts.json")),
        sendMail,
        message: (alert) => {
          if (!bench.isXapiUp) return Promise.resolve(err("the toolstack does not answer"));
          bench.messages.push(alert);
          return Promise.resolve(ok("raised"));
        },
        firstRetryMs: 40,
        gatherMs: change.gatherMs ?? 0,
        sweepMs: 50,
        confirmMs: 300,
      });
      opened.push(alerts);
      alerts.start();
      return alerts;
    },
  };
  try {
    await run(bench);
  } finally {
    await Promise.all(opened.map((one) => one.stop()));
    rmSync(dir, { recursive: true, force: true });
  }
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let round = 0; round < 300; round += 1) {
    if (holds()) return;
    await sleep(20);
  }
  assert.fail(`not within 6 s: ${what}`);
}
function fileOf({ dir }: Bench): string {
  const path = join(dir, "alerts.json");
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}
const subjects = (peer: SmtpPeer): string[] =>
  peer.mails.map(({ source }) => /^Subject: (.*)\r$/m.exec(source)?.[1] ?? "");

test("a condition is mailed and shown in xapi once, and so is its end", async () => {
  const peer = await startSmtp();
  await withBench(async (bench) => {
    const alerts = await bench.open(peer.port);
    alerts.raise("fencing", "the other host could not be powered off");
    alerts.raise("fencing", "the other host could not be powered off");
    await until("the mail", () => peer.mails.length === 1);
    assert.equal(alerts.list().length, 1);
    alerts.clear("fencing");
    await until("the mail of the end", () => peer.mails.length === 2);
    assert.deepEqual(subjects(peer), ["ALERT:xcp1 fencing raised", "ALERT:xcp1 fencing over"]);
    assert.match(peer.mails[0]?.source ?? "", /could not be powered off[\s\S]*condition {2}fencing \(raised\)/);
    assert.match(peer.mails[1]?.source ?? "", /No longer so: the other host/);
    assert.deepEqual(
      bench.messages.map(({ name, priority }) => `${name} ${priority}`),
      ["TANDEM_FENCING 3", "TANDEM_FENCING 5"],
    );
    assert.deepEqual(alerts.list(), []);
  });
  await peer.stop();
});

test("what goes wrong together is told together, and not before it could have gone right", async () => {
  const peer = await startSmtp();
  await withBench(async (bench) => {
    const alerts = await bench.open(peer.port, { gatherMs: 300 });
    alerts.raise("management", "the management network of this host is gone");
    await sleep(100);
    alerts.raise("vm:1", "VM 1 does not start");
    assert.deepEqual([peer.mails.length, bench.messages.length], [0, 0]);
    await until("the mail", () => peer.mails.length === 1 && bench.messages.length === 2);
    assert.deepEqual(subjects(peer), ["ALERT:xcp1 2 alerts"]);
  });
  await peer.stop();
});

test("a dead server blocks nobody; after a restart of the daemon what waited comes as one mail", async () => {
  const dead = await startSmtp();
  await dead.stop();
  await withBench(async (bench) => {
    bench.isXapiUp = false;
    const before = await bench.open(dead.port);
    const began = performance.now();
    for (let n = 0; n < 5; n += 1) before.raise(`vm:${n}`, `VM ${n} does not start`);
    assert.ok(performance.now() - began < 50, "raising does not wait");
    await until("the log", () =>
      bench.logged.some((one) => /alert.unsent alerts wait for the mail server: .*ECONNREFUSED/.test(one)),
    );
    await until("the file", () => fileOf(bench).includes("VM 4 does not start"));
    await before.stop();
    assert.equal(bench.logged.filter((one) => /wait for the mail server:/.test(one)).length, 1, "one line per outage");

    const peer = await startSmtp();
    bench.isXapiUp = true;
    const after = await bench.open(peer.port);
    for (let n = 0; n < 4; n += 1) after.raise(`vm:${n}`, `VM ${n} does not start`);
    await until("one mail with all", () => peer.mails.length === 1 && bench.messages.length === 5);
    assert.deepEqual(subjects(peer), ["ALERT:xcp1 5 alerts"]);
    for (let n = 0; n < 5; n += 1) assert.match(peer.mails[0]?.source ?? "", new RegExp(`VM ${n} does not start`));
    // Four are still so and are not told again; the fifth was not seen again and is over.
    await until("the end of the fifth", () => peer.mails.length === 2);
    assert.deepEqual(subjects(peer).slice(1), ["ALERT:xcp1 vm:4 over"]);
    await sleep(200);
    assert.equal(peer.mails.length, 2);
    await after.stop();
    await peer.stop();
  });
});

test("a flood of one condition is one mail, a flood of many is a handful", async () => {
  const peer = await startSmtp();
  await withBench(async (bench) => {
    const alerts = await bench.open(peer.port);
    for (let n = 0; n < 500; n += 1) alerts.raise("fencing", `attempt ${n} failed`);
    for (let n = 0; n < 150; n += 1) alerts.raise(`vm:${n}`, `VM ${n} does not start`);
    await until("the mails", () =>
      peer.mails
        .map(({ source }) => source)
        .join("")
        .includes("VM 149 does not start"),
    );
    await sleep(200);
    assert.ok(peer.mails.length <= 10, `${peer.mails.length} mails`);
    const all = peer.mails.map(({ source }) => source).join("");
    assert.equal([...all.matchAll(/attempt \d+ failed/g)].length, 1);
    assert.equal(new Set([...all.matchAll(/VM (\d+) does not start/g)].map(([, n]) => n)).size, 150);
  });
  await peer.stop();
});

test("more than fits is dropped from the old end, and the next mail says how many", async () => {
  const dead = await startSmtp();
  await dead.stop();
  await withBench(async (bench) => {
    const before = await bench.open(dead.port);
    for (let n = 0; n < 260; n += 1) before.raise(`vm:${n}`, `VM ${n} does not start`);
    await until("the file", () => fileOf(bench).includes("VM 259"));
    await before.stop();
    assert.ok(readFileSync(join(bench.dir, "alerts.json")).length < 400_000);
    const peer = await startSmtp();
    const after = await bench.open(peer.port);
    await until("a mail", () => peer.mails.length > 0);
    assert.match(peer.mails[0]?.source ?? "", /\b60 older alerts could not be delivered/);
    await after.stop();
    await peer.stop();
  });
});

test("a disk that takes nothing is told once, and the mail goes out all the same", async () => {
  const peer = await startSmtp();
  await withBench(async (bench) => {
    // A device is no folder: every write fails as on a disk that is broken.
    const alerts = await bench.open(peer.port, { path: "/dev/full/alerts.json" });
    alerts.raise("fencing", "a");
    await until("the mail", () => peer.mails.length === 1);
    alerts.clear("fencing");
    await until("the second mail", () => peer.mails.length === 2);
    await sleep(150);
    assert.equal(bench.logged.filter((one) => /kept in memory only/.test(one)).length, 1);
  });
  await peer.stop();
});

test("MAIL_ and PRIORITY_ of an area, and HA-Lizard's name for it", async () => {
  const peer = await startSmtp();
  await withBench(async (bench) => {
    const areas = {
      ...AREAS,
      fence_host: { log: true, mail: false, priority: 1 },
      vip: { log: true, mail: true, priority: 0 },
    };
    const alerts = await bench.open(peer.port, { areas });
    alerts.raise("fencing", "no mail, most urgent in xapi");
    alerts.raise("vip-conflict", "mail only");
    await until("one each", () => peer.mails.length === 1 && bench.messages.length === 1);
    await sleep(100);
    assert.deepEqual(subjects(peer), ["ALERT:xcp1 vip-conflict raised"]);
    assert.deepEqual(
      bench.messages.map(({ name, priority }) => [name, priority]),
      [["TANDEM_FENCING", 1]],
    );
  });
  await peer.stop();
});

test("a test mail says what the server objects to", async () => {
  const peer = await startSmtp({ refuses: "admin@example.org" });
  await withBench(async (bench) => {
    const tried = await (await bench.open(peer.port)).test();
    assert.ok(!tried.ok && /no such mailbox|rejected/.test(tried.error), JSON.stringify(tried));
  });
  await peer.stop();
});
