// What bad input gets (spec part 7): one table. Each row puts something wrong into the real code that takes it, and every
// row ends alike: a sentence that names it, nothing written, the configuration in force untouched, and a pair of hosts on
// which no role moved and no acknowledged write is lost.

import assert from "node:assert/strict";
import { chmodSync, rmSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { writePoolConfig } from "../src/act/pool/pool-config.ts";
import { describePoolFailure, type PoolContext } from "../src/act/pool/procedure.ts";
import { enableRefusals } from "../src/config/policy.ts";
import { describeProblem } from "../src/config/problem.ts";
import type { Config } from "../src/config/config.ts";
import { known } from "../src/core/model/observation.ts";
import { createPoolRequests, type PoolRequest } from "../src/daemon/requests/pool-requests.ts";
import { openSettings, type Settings } from "../src/daemon/settings/settings.ts";
import { lookAtStorage } from "../src/daemon/settings/storage-facts.ts";
import { systemClock } from "../src/drivers/clock/system.ts";
import { askDaemon, describeClientError } from "../src/drivers/control/client.ts";
import type { ConfiguredResource } from "../src/drivers/drbd/port.ts";
import { decodeHeartbeat, encodeHeartbeat } from "../src/drivers/peer/codec.ts";
import type { PoolView } from "../src/drivers/xapi/port.ts";
import { xapiRecords } from "../src/drivers/xapi/records.ts";
import { createXapiGate } from "../src/drivers/xapi/session.ts";
import { err, ok } from "../src/util/result.ts";
import { SAMPLE, XCP1 } from "./config/sample.ts";
import { cut, mend } from "./core/mutation.ts";
import { bench as agentBench, HONEST, PEER } from "./drivers/fence/agents.ts";
import { body, bootA, bootB, hostA, hostB, key, onlyKey, otherKey, session } from "./drivers/peer/samples.ts";
import { answer, answerError, startScriptedServer, type Script } from "./drivers/xapi/scripted-server.ts";
import { servingWorld, type World } from "./sim/world.ts";

const folder = await mkdtemp(join(tmpdir(), "tandem-bad-input-"));
const open: Settings[] = [];
after(async () => {
  await Promise.all(open.map((one) => one.stop()));
  await rm(folder, { recursive: true, force: true });
});

const QUICK = { timeoutMs: 900, pingIntMs: 1000, pingTimeoutMs: 500, connectIntMs: 1000 };
const SAFE = { fencing: "resource-and-stonith", "fence-peer": "/opt/tandem/agents/drbd/fence-peer" };
const GOOD_POOL = { "tandem:FENCE_HEURISTICS_IPS": "192.168.1.253", "tandem:MAIL_ON": "1" };

/** One host's configuration as the daemon runs it, with storage that the row may bend. */
class Host {
  addresses = [{ address: "10.10.10.1", prefix: 24 }];
  resources: readonly ConfiguredResource[] = [
    { name: "iscsi1", devices: ["/dev/drbd1"], timings: QUICK, options: SAFE },
  ];
  readonly refused: string[] = [];
  writes = 0;
  readonly path: string;
  settings!: Settings;

  constructor(at: string) {
    this.path = join(at, "tandem.yaml");
  }

  async start(at: string): Promise<this> {
    await writeFile(this.path, SAMPLE);
    await chmod(this.path, 0o600);
    await writeFile(join(at, "inventory"), `INSTALLATION_UUID='${XCP1}'\nMANAGEMENT_INTERFACE='xenbr0'\n`);
    const opened = await openSettings({
      path: this.path,
      inventoryPath: join(at, "inventory"),
      cachePath: join(at, "cache.json"),
      copyPath: join(at, "var", "tandem.yaml.good"),
      keyIdOf: () => "key-1",
      settleMs: 20,
      recheckMs: 50,
    });
    assert.ok(opened.ok);
    this.settings = opened.value;
    open.push(this.settings);
    this.settings.start({
      look: (config: Config) =>
        lookAtStorage(config, {
          addressesOf: async () => ok(this.addresses),
          drbd: { configured: async () => ok(this.resources) },
        }),
      haIsOn: () => true,
      onChange: () => undefined,
      onRefused: (reasons) => void this.refused.push(...reasons),
      onUnkept: () => undefined,
      onOpenSecrets: () => undefined,
    });
    this.settings.poolChanged(GOOD_POOL);
    await this.settings.reconsider();
    return this;
  }

  /** Through the daemon's own answer to the tools. */
  async ask(request: PoolRequest): Promise<string> {
    const reply = await createPoolRequests({
      config: () => this.settings.config(),
      settings: this.settings,
      view: () => known(POOL, 0),
      perform: async () => ((this.writes += 1), err("nothing may be written")),
      keepSecret: async () => ((this.writes += 1), err("nothing may be written")),
      haIsOn: () => true,
      wallMs: () => 0,
    })(request);
    assert.ok(reply.kind === "failed" || reply.kind === "refused", JSON.stringify(reply));
    assert.notEqual(reply.next, "", "what to do next");
    return reply.reason;
  }

  set = (name: string, value: string): Promise<string> => this.ask({ kind: "set", name, value });

  /** A change of the pool's database by another way than ours, as `xe` does it. */
  async pool(changes: Readonly<Record<string, string>>): Promise<string> {
    this.settings.poolChanged({ ...GOOD_POOL, ...changes });
    await this.settings.reconsider();
    return [...this.refused, ...this.settings.config().problems.map(describeProblem)].join("\n");
  }

  /** The local file, edited while the daemon runs. */
  async edit(text: string): Promise<string> {
    await writeFile(this.path, text);
    for (let waited = 0; this.refused.length === 0 && waited < 10_000; waited += 20) await sleep(20);
    return this.refused.join("\n");
  }
}

const vm = (uuid: string, name: string) => ({ uuid, ref: `ref-${uuid}`, name, otherConfig: {}, appliance: null });
const POOL = { hosts: [], appliances: [], vms: [vm("1", "twice"), vm("2", "twice")] } as unknown as PoolView;

/** A heartbeat of the other host as it arrives, and what this one's link says to it. */
function heartbeat(spoil: "signature" | "replay" | "bits"): string {
  const mine = session(hostA, bootA);
  const other = session(hostB, bootB);
  const beat = (now: number) => other.outgoing("management", body(hostB, bootB, 1), now);
  const meet = (now: number) => {
    other.incoming(mine.outgoing("management", body(hostA, bootA, 1), now), "management", now);
    return mine.incoming(beat(now), "management", now);
  };
  for (const now of [0, 10, 20]) meet(now);
  const packet = beat(30);
  const encoded = encodeHeartbeat(packet, spoil === "signature" ? otherKey : key);
  assert.ok(encoded.ok);
  const bytes = encoded.value;
  if (spoil === "bits") bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1);
  const decoded = decodeHeartbeat(bytes, onlyKey(key));
  if (!decoded.ok) return decoded.error;
  assert.equal(mine.incoming(decoded.value.packet, "management", 30).kind, "heard");
  const again = mine.incoming(decoded.value.packet, "management", 31);
  return again.kind === "dropped" ? again.reason : "it was accepted";
}

/** A parameter is to be written into a toolstack that does not do its part. */
async function toolstack(script: Script): Promise<string> {
  const server = await startScriptedServer(script);
  const secretPath = join(folder, "ptoken");
  await writeFile(secretPath, "secret");
  const context: PoolContext = {
    gate: createXapiGate({ socketPath: server.path, secretPath, originator: "test" }),
    records: xapiRecords,
    clock: systemClock(),
    signal: new AbortController().signal,
    permitted: () => true,
    progress: () => undefined,
    readMs: 300,
  };
  try {
    const written = await writePoolConfig(context, { MAIL_ON: "0" });
    assert.equal(written.ok, false);
    return written.ok ? "" : describePoolFailure(written.error);
  } finally {
    await server.close();
  }
}

/** A real agent that does something wrong is told to switch the other host off. */
async function agent(program: string, spoil: (script: string) => void = () => undefined): Promise<string> {
  const at = agentBench(program);
  try {
    spoil(at.script);
    const result = await at.fence().off(PEER);
    return result.kind === "failed" ? result.reason : result.kind;
  } finally {
    at.remove();
  }
}

async function noDaemon(): Promise<string> {
  const answered = await askDaemon({ kind: "status" }, { path: join(folder, "none.sock"), silenceMs: 500 });
  if (answered.ok) return "somebody answered";
  const { reason, next } = describeClientError(answered.error);
  return `${reason}; ${next}`;
}

interface Row {
  readonly input: string;
  readonly says: RegExp;
  /** Returns the sentence that an administrator sees. */
  readonly put: (host: Host) => Promise<string> | string;
  /** What it means for a pair of hosts, when it is not merely refused: done to a pair under STRICT. */
  readonly pair?: (world: World) => void;
}

const lostWithoutProof =
  (mood: "dead" | "lies") =>
  (world: World): void => {
    world.bmc.a = mood;
    cut(world, "a");
    world.run(60_000);
    assert.equal(world.serving("b"), false, "nothing is taken over without proof");
    mend(world, "a");
    world.run(10_000);
    world.bmc.a = "ok";
  };

const TABLE: readonly Row[] = [
  { input: "T_DEAD below what I-a allows", says: /I-a/, put: (host) => host.set("T_DEAD", "0.9") },
  { input: "LEASE below T_DEAD + T_DRBD", says: /I-b/, put: (host) => host.set("LEASE", "4") },
  { input: "T_TAKE below lease, watchdog and reset", says: /I-c/, put: (host) => host.set("T_TAKE", "12") },
  { input: "T_SOFT above WATCHDOG", says: /I-d/, put: (host) => host.set("T_SOFT", "6") },
  { input: "T_TAKE beyond the initiators' patience", says: /I-e/, put: (host) => host.set("T_TAKE", "57") },
  { input: "T_SAMPLE that delays the loss of the vote", says: /I-g/, put: (host) => host.set("T_SAMPLE", "4") },
  {
    input: "a fence device slower than T_FDELAY allows",
    says: /I-h/,
    put: (host) => enableRefusals(host.settings.config(), { measuredOffMs: 9_000 }).join("\n"),
  },
  {
    input: "other timers on the other host",
    says: /I-f/,
    put(host) {
      const world = servingWorld();
      world.command("b", { kind: "disable", force: false });
      world.run(2_000);
      const { config } = world.state("b");
      world.sim.feed(world.hosts.b, { kind: "config", config: { ...config, cfgHash: "another" } });
      world.run(1_000);
      world.command("a", { kind: "enable", force: false });
      world.run(5_000);
      const reply = world.replies.at(-1)?.action;
      assert.equal(reply?.outcome, "refused");
      assert.equal(host.writes, 0);
      return reply.text;
    },
  },
  {
    input: "an unknown parameter",
    says: /MONITOR_DELY: found no parameter of that name; did you mean MONITOR_DELAY\?/,
    put: (host) => host.set("MONITOR_DELY", "3"),
  },
  { input: "a value out of range", says: /found .*99.*expected/, put: (host) => host.set("OP_MODE", "99") },
  { input: "a value with a space", says: /found white space/, put: (host) => host.set("MAIL_SUBJECT", "a b") },
  {
    input: "a policy that changes while HA is on",
    says: /FENCE_METHOD|policy/,
    put: (host) => host.set("FENCE_METHOD", "ILO"),
  },
  {
    input: "a bad value in the pool's database",
    says: /MONITOR_DELAY: found "soon".*last good value stays/s,
    put: (host) => host.pool({ "tandem:MONITOR_DELAY": "soon" }),
  },
  {
    input: "an unknown key of ours in the pool's database",
    says: /tandem:FENCE_METOD.*did you mean FENCE_METHOD/s,
    put: (host) => host.pool({ "tandem:FENCE_METOD": "ILO" }),
  },
  { input: "malformed YAML", says: /tandem\.yaml|line|YAML/i, put: (host) => host.edit(`${SAMPLE}storage: [\n`) },
  {
    input: "an unknown parameter in the local file",
    says: /DRBD_RESOURCE\b.*did you mean DRBD_RESOURCES/s,
    put: (host) => host.edit(SAMPLE.replace("DRBD_RESOURCES", "DRBD_RESOURCE")),
  },
  {
    input: "a timer that one host overrides",
    says: /T_DEAD.*one value for the whole pool \(A24\)/s,
    put: (host) => host.edit(`${SAMPLE}  T_DEAD: 9\n`),
  },
  {
    input: "a floating IP outside the network",
    says: /DRBD_VIRTUAL_IP: found 10\.10\.99\.3/,
    put: (host) => host.edit(SAMPLE.replace("10.10.10.3", "10.10.99.3").replace("255.255.255.0", '""')),
  },
  {
    input: "a DRBD resource that is not there",
    says: /found no DRBD resource "iscsi2"/,
    put: (host) => host.edit(SAMPLE.replaceAll("iscsi1", "iscsi2")),
  },
  {
    input: "a DRBD device that is not there",
    says: /\/dev\/drbd7/,
    put: (host) => host.edit(SAMPLE.replace("/dev/drbd1", "/dev/drbd7")),
  },
  {
    input: "a pool without the other host",
    says: /hosts/,
    put: (host) => host.edit(SAMPLE.replace(/ {2}- uuid: 2222[^]*?10\.10\.10\.2\n/, "")),
  },
  { input: "a file that others may read", says: /mode|others|permission/i, put: otherReaders },
  {
    input: "an unknown VM",
    says: /found no VM of that name/,
    put: (host) => host.ask({ kind: "set-vm-ha", vm: "none", on: true }),
  },
  {
    input: "two VMs of that name",
    says: /found 2 VMs of that name \(1, 2\)/,
    put: (host) => host.ask({ kind: "set-vm-ha", vm: "twice", on: true }),
  },
  {
    input: "`remove` while HA is on",
    says: /HA is enabled/,
    put: (host) => host.ask({ kind: "remove" }),
  },
  { input: "a heartbeat signed with another key", says: /key|signature|mac/i, put: () => heartbeat("signature") },
  { input: "a heartbeat with a flipped bit", says: /signature|mac|malformed|key/i, put: () => heartbeat("bits") },
  { input: "a heartbeat that was sent before", says: /replay/, put: () => heartbeat("replay") },
  {
    input: "an error of XAPI",
    says: /xapi refused .*RBAC_PERMISSION_DENIED/,
    put: () =>
      toolstack(({ method }, response) => {
        if (method.startsWith("session.")) answer(response, "OpaqueRef:session");
        else answerError(response, "RBAC_PERMISSION_DENIED", method);
      }),
  },
  {
    input: "a toolstack that hangs",
    says: /xapi gave no answer to .* within 300 ms/,
    put: () => toolstack(() => undefined),
    pair(world) {
      world.run(30_000);
    },
  },
  { input: "no daemon", says: /found no socket.*systemctl start tandemd/, put: noDaemon },
  { input: "a fence agent that is missing", says: /is missing; install it/, put: () => agent(HONEST, rmSync) },
  {
    input: "a fence agent that is not executable",
    says: /not executable/,
    put: () => agent(HONEST, (script) => chmodSync(script, 0o644)),
  },
  {
    input: "a fence agent that others may write",
    says: /mode 0757/,
    put: () => agent(HONEST, (script) => chmodSync(script, 0o757)),
  },
  {
    input: "a fence agent that hangs",
    says: /did not end|within|timed out|no answer/,
    put: () => agent("trap '' TERM; while :; do sleep 0.1; done"),
    pair: lostWithoutProof("dead"),
  },
  {
    input: "a fence agent that is killed",
    says: /ended with|signal|SIGKILL|137|-1/,
    put: () => agent("kill -9 $$"),
    pair: lostWithoutProof("dead"),
  },
  {
    input: "a fence agent that lies",
    says: /not verified off within 3000 ms: it reads on/,
    put: () => agent("case $2 in status) echo on; exit 0;; esac; exit 0"),
    pair: lostWithoutProof("lies"),
  },
];

async function otherReaders(host: Host): Promise<string> {
  await chmod(host.path, 0o666);
  return host.edit(`${SAMPLE}  FENCE_PASSWD: open\n`);
}

for (const [index, row] of TABLE.entries()) {
  test(row.input, async () => {
    const at = join(folder, String(index));
    await mkdir(at);
    const host = await new Host(at).start(at);
    const before = JSON.stringify({ ...host.settings.config(), problems: [] });
    const world = servingWorld({ policy: "strict" });
    const { epoch } = world.state("a").durable;
    const acked = world.acked;

    const sentence = await row.put(host);
    assert.match(sentence, row.says);

    assert.equal(host.writes, 0, "nothing was written");
    const now = JSON.stringify({ ...host.settings.config(), problems: [] });
    assert.equal(withoutSources(now), withoutSources(before), "the configuration in force is the old one");
    row.pair?.(world);
    world.run(2_000);
    assert.equal(world.serving("a"), true);
    assert.equal(world.state("a").durable.owner, "a");
    if (row.pair === undefined) assert.equal(world.state("a").durable.epoch, epoch);
    assert.deepEqual(world.violations, []);
    assert.ok(world.acked > acked, "I/O goes on");
    await host.settings.stop();
  });
}

/** Where a value in force comes from may change: the last good one replaces what was read. */
const withoutSources = (text: string): string =>
  text.replaceAll('"source":"last-good"', '"source":"pool"').replaceAll('"source":"default"', '"source":"pool"');
