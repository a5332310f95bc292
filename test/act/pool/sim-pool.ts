// A pool of simulated xapis in this process, two unless a test wants more, with short clocks, and tandem's own drivers pointed at it.

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { PoolContext, NodeContext } from "../../../src/act/pool/procedure.ts";
import { describePoolFailure, type Done } from "../../../src/act/pool/procedure.ts";
import type { RecoveryTimes } from "../../../src/act/pool/recover-vms.ts";
import { systemClock } from "../../../src/drivers/clock/system.ts";
import { createXapiNode } from "../../../src/drivers/xapi/node-files.ts";
import type { XapiGate, XapiSession } from "../../../src/drivers/xapi/port.ts";
import { xapiRecords } from "../../../src/drivers/xapi/records.ts";
import { createXapiGate } from "../../../src/drivers/xapi/session.ts";
import {
  createMemoryHypervisor,
  startXapi,
  type MemoryHypervisor,
  type RunningXapi,
  type Seed,
  type Storage,
  type Timings,
} from "../../xapi-sim/start.ts";
import { addressOf, FIRST } from "../../xapi-sim/addresses.ts";
import { probeTarget } from "../../xapi-sim/storage.ts";

/** The nth host, from 1. */
export const hostUuid = (n: number): string => {
  const digit = String(n).repeat(4);
  return `${digit}${digit}-${digit}-4${digit.slice(1)}-8${digit.slice(1)}-${digit}${digit}${digit}`;
};
export const XCP1 = hostUuid(1);
export const XCP2 = hostUuid(2);
export const SR = "33333333-3333-4333-8333-333333333333";
export const GIB = 1_073_741_824;

/** The recorded clocks, made short; the order of events is the real one. */
const SHORT: Partial<Timings> = {
  fuseMs: 400,
  restartMs: 60,
  bootMs: 40,
  enableMs: 80,
  initCompleteMs: 20,
  tickleMs: 200,
  gcPassMs: 500,
  probeMs: 200,
  contactMs: 1_500,
  forwardRetryMs: 300,
  helloRetryMs: 100,
  authFailMs: 50,
  eventBatchMs: 5,
  dbFlushMs: 20,
};

export interface SimHost {
  readonly uuid: string;
  readonly address: string;
  readonly xapi: RunningXapi;
  readonly hypervisor: MemoryHypervisor;
  readonly storage: { broken: string | null };
  /** The folder of its plugins. */
  readonly plugins: string;
  readonly gate: XapiGate;
  readonly secretPath: string;
  readonly httpsPort: number;
  readonly context: NodeContext;
  readonly steps: string[];
  /** Set to false to withdraw the permission; called with every question. */
  permission: () => boolean;
  localDomains(): Promise<ReadonlySet<string>>;
  /** No power: domains and xapi are gone at once. */
  powerOff(): Promise<void>;
}

export interface SimPool {
  readonly master: SimHost;
  readonly supporter: SimHost;
  /** Master, supporter, and the others in the order of their addresses. */
  readonly hosts: readonly SimHost[];
}

export const vmUuid = (n: number): string => `aaaaaaaa-0000-4000-8000-${String(n).padStart(12, "0")}`;

export async function startSimPool(
  t: TestContext,
  options: {
    readonly vms?: Seed["vms"];
    /** Besides the shared one. */
    readonly srs?: Seed["srs"];
    readonly timings?: Partial<Timings>;
    readonly memoryBytes?: number;
    readonly hosts?: number;
  } = {},
): Promise<SimPool> {
  const folder = await mkdtemp(join(tmpdir(), "tandem-pool-"));
  const httpsPort = 20_000 + Math.floor(Math.random() * 20_000);
  const abort = new AbortController();
  const sr = { uuid: SR, name: "iscsi", deviceConfig: { targetIQN: "iqn.2026-11.lab.tandem:iscsi1" } };
  const memoryBytes = options.memoryBytes ?? 8 * GIB;
  const seed: Seed = {
    pool: { uuid: "99999999-9999-4999-8999-999999999999" },
    hosts: Array.from({ length: options.hosts ?? 2 }, (_, i) => ({
      uuid: hostUuid(i + 1),
      name: `xcp${i + 1}`,
      address: addressOf(i),
      memoryBytes,
    })),
    srs: [sr, ...(options.srs ?? [])],
    vms: options.vms ?? [],
  };
  const hosts: SimHost[] = [];
  t.after(async () => {
    abort.abort();
    for (const host of hosts) await host.xapi.kill();
    // A write that was under way when the simulator was killed would make the folder anew.
    await new Promise((resolve) => setTimeout(resolve, 200));
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  });
  for (const [index, { uuid, address }] of seed.hosts.entries()) {
    const at = join(folder, `host${index + 1}`);
    await mkdir(at, { recursive: true });
    const file = (name: string): string => join(at, name);
    await writeFile(file("ptoken"), "the-pool-secret");
    await writeFile(file("pool.conf"), index === 0 ? "master" : `slave:${FIRST}`);
    const hypervisor = createMemoryHypervisor();
    const broken = { broken: null as string | null };
    const xapi = await startXapi({
      hostUuid: uuid,
      address,
      unixPath: file("xapi"),
      httpsPort,
      peerPort: httpsPort,
      paths: {
        poolConf: file("pool.conf"),
        stateDb: file("state.db"),
        poolSecret: file("ptoken"),
        certificate: file("cert.pem"),
        startupCookie: file("startup.cookie"),
        initCompleteCookie: file("init.cookie"),
        hooks: file("hooks"),
      },
      rootPassword: "secret",
      seed,
      hypervisor,
      storage: scriptedStorage(broken),
      timings: { ...SHORT, ...options.timings },
      ...(process.env["SIM_LOG"] === undefined ? {} : { log: (line: string) => console.error(`${address} ${line}`) }),
    });
    const gate = createXapiGate({
      socketPath: file("xapi"),
      secretPath: file("ptoken"),
      originator: "tandem-test",
      peerPort: httpsPort,
    });
    const steps: string[] = [];
    const host: SimHost = {
      uuid,
      address,
      xapi,
      hypervisor,
      storage: broken,
      plugins: join(file("hooks"), "plugins"),
      gate,
      secretPath: file("ptoken"),
      httpsPort,
      steps,
      permission: () => true,
      context: {
        gate,
        records: xapiRecords,
        clock: systemClock(),
        signal: abort.signal,
        permitted: () => host.permission(),
        progress: (step) => steps.push(step),
        readMs: 3_000,
        node: createXapiNode({ poolConf: file("pool.conf"), initComplete: file("init.cookie") }),
      },
      async localDomains() {
        return new Set((await hypervisor.list()).map((domain) => domain.vmUuid));
      },
      async powerOff() {
        hypervisor.losePower();
        await xapi.kill();
      },
    };
    hosts.push(host);
    if (index === 0) await eventually(async () => (await enabledHosts(host)).includes(uuid));
  }
  const [master, supporter] = hosts;
  if (master === undefined || supporter === undefined) throw new Error("two hosts are in the seed");
  await eventually(async () => (await enabledHosts(master)).length === hosts.length);
  return { master, supporter, hosts };
}

function scriptedStorage(state: { broken: string | null }): Storage {
  return {
    async attach() {
      if (state.broken !== null) throw new Error(state.broken);
    },
    detach: async () => undefined,
    scan: async () => undefined,
    probe: async (target) => probeTarget(target, 10),
  };
}

async function enabledHosts(host: SimHost): Promise<readonly string[]> {
  const session = await host.gate.openPool(1_000);
  if (!session.ok) return [];
  const hosts = await host.context.records.hosts(session.value, { deadlineMs: 1_000 });
  return hosts.ok ? hosts.value.filter((one) => one.enabled).map((one) => one.uuid) : [];
}

/** Looks until it is so; the test's own time limit ends it otherwise. */
export async function eventually(look: () => Promise<boolean>): Promise<void> {
  while (!(await look())) await new Promise((resolve) => setTimeout(resolve, 20));
}

export function value<T>(done: Done<T>): T {
  if (!done.ok) throw new Error(describePoolFailure(done.error));
  return done.value;
}

/** A logged-in session for the test's own looks and interference. */
export async function sessionOf(host: SimHost): Promise<XapiSession> {
  const session = await host.gate.openPool(3_000);
  if (!session.ok) throw new Error(JSON.stringify(session.error));
  return session.value;
}

/** One call of the test itself; an error of xapi fails the test. */
export async function run(host: SimHost, method: string, ...params: readonly (string | number | boolean)[]) {
  const answer = await (await sessionOf(host)).call(method, params, 10_000);
  if (!answer.ok) throw new Error(JSON.stringify(answer.error));
  return answer.value;
}

export async function refOf(host: SimHost, cls: "VM" | "host", uuid: string): Promise<string> {
  const ref = await run(host, `${cls}.get_by_uuid`, uuid);
  if (typeof ref !== "string") throw new Error(`no ${cls} ${uuid}`);
  return ref;
}

export async function vmState(host: SimHost, uuid: string): Promise<{ power: string; on: string | null }> {
  const session = await sessionOf(host);
  const vms = await host.context.records.vms(session, { deadlineMs: 3_000 });
  const hosts = await host.context.records.hosts(session, { deadlineMs: 3_000 });
  const vm = vms.ok ? vms.value.find((one) => one.uuid === uuid) : undefined;
  if (vm === undefined || !hosts.ok) throw new Error(`no VM ${uuid}`);
  return { power: vm.powerState, on: hosts.value.find((one) => one.ref === vm.residentOn)?.uuid ?? null };
}

export const poolContext = (host: SimHost): PoolContext => host.context;

export const QUICK_RECOVERY: RecoveryTimes = {
  declare: { callMs: 5_000, perProbeMs: 1_000, attempts: 3, backOffMs: 50 },
  start: {
    startMs: 5_000,
    taskEveryMs: 20,
    plugMs: 3_000,
    parallel: 4,
    backOffMs: [50, 100, 200],
    totalMs: 20_000,
  },
  syncMs: 2_000,
};
