/** A pool of two simulated xapis in this process, on loopback addresses and a temporary folder, with short waits. */
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeRole } from "./pool-conf.ts";
import {
  createMemoryHypervisor,
  createPortalStorage,
  type MemoryHypervisor,
  type RunningXapi,
  type Seed,
} from "./start.ts";
import { startXapi, type Timings, type XapiOptions } from "./start.ts";
import { asText, type Json, sleep } from "./types.ts";
import { FIRST, SECOND } from "./addresses.ts";

export const HOSTS = [
  { uuid: "11111111-1111-4111-8111-111111111111", name: "xcp1", address: FIRST },
  { uuid: "22222222-2222-4222-8222-222222222222", name: "xcp2", address: SECOND },
] as const;
export const SR_UUID = "aaaaaaaa-0000-4000-8000-000000000001";
export const VM_UUIDS = ["bbbbbbbb-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"] as const;
export const PASSWORD = "secret";

export const SEED: Seed = {
  pool: { uuid: "cccccccc-0000-4000-8000-000000000001", name: "pair" },
  hosts: HOSTS.map((host) => ({ ...host, pifs: [{ device: "eth0", IP: host.address, management: true }] })),
  srs: [{ uuid: SR_UUID, name: "shared", type: "lvmoiscsi", shared: true }],
  vms: [
    { uuid: VM_UUIDS[0], name: "vm1", disks: [{ sr: SR_UUID }] },
    { uuid: VM_UUIDS[1], name: "vm2", disks: [{ sr: SR_UUID }], pvDrivers: true },
  ],
};

export const SHORT_TIMINGS: Partial<Timings> = {
  fuseMs: 150,
  restartMs: 30,
  bootMs: 10,
  enableMs: 20,
  initCompleteMs: 10,
  tickleMs: 100,
  gcPassMs: 100,
  assumedDeadMs: 60_000,
  forwardRetryMs: 50,
  helloRetryMs: 50,
  helloRefusedRetryMs: 50,
  contactMs: 500,
  probeMs: 300,
  authFailMs: 10,
  eventBatchMs: 5,
  dbFlushMs: 10,
};

export interface PairHost {
  readonly uuid: string;
  readonly address: string;
  readonly folder: string;
  readonly socket: string;
  readonly hypervisor: MemoryHypervisor;
  readonly options: XapiOptions;
  readonly running: RunningXapi;
  /** Starts again after a kill, from what is on its disk. */
  boot(): Promise<void>;
}

export interface Pair {
  readonly httpPort: number;
  readonly httpsPort: number;
  readonly hosts: readonly [PairHost, PairHost];
  /** Cuts or mends the network between the hosts, or only what the named host sends. */
  setLink(up: boolean, from?: 0 | 1): void;
  close(): Promise<void>;
}

export interface RpcReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

/** One POST; rejects when no answer came in time. */
export const post = (
  target: { socketPath: string } | { host: string; port: number },
  path: string,
  body: string,
  timeoutMs = 5000,
): Promise<RpcReply> =>
  new Promise((resolve, reject) => {
    const headers = { "content-length": String(Buffer.byteLength(body)) };
    const outgoing = request({ ...target, path, method: "POST", headers }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("end", () => {
        clearTimeout(timer);
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text });
      });
    });
    const timer = setTimeout(() => outgoing.destroy(new Error("no answer in time")), timeoutMs);
    outgoing.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    outgoing.end(body);
  });

export const rpc = async (
  target: { socketPath: string } | { host: string; port: number },
  method: string,
  params: Json[],
  timeoutMs?: number,
): Promise<{ result?: Json; error?: Json; id?: Json }> => {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  return JSON.parse((await post(target, "/jsonrpc", body, timeoutMs)).body) as { result?: Json; error?: Json };
};

/** The result of a call, or an Error with the code. */
export const must = async (
  target: { socketPath: string } | { host: string; port: number },
  method: string,
  params: Json[],
  timeoutMs?: number,
): Promise<Json> => {
  const reply = await rpc(target, method, params, timeoutMs);
  if (reply.error !== undefined && reply.error !== null) throw new Error(`${method}: ${JSON.stringify(reply.error)}`);
  return reply.result ?? null;
};

export const login = async (socketPath: string): Promise<string> =>
  asText(await must({ socketPath }, "session.login_with_password", ["root", "", "1.0", "test"]));

export const eventually = async (
  what: string,
  check: () => Promise<boolean> | boolean,
  withinMs = 8000,
): Promise<void> => {
  const deadline = performance.now() + withinMs;
  for (;;) {
    let seen = "";
    try {
      if (await check()) return;
    } catch (error) {
      seen = ` (${error instanceof Error ? error.message : JSON.stringify(error)})`;
    }
    if (performance.now() > deadline) throw new Error(`Never came true: ${what}${seen}`);
    await sleep(20);
  }
};

let nextPort = 20_000 + (process.pid % 20_000);

export const startPair = async (
  change: { seed?: Seed; timings?: Partial<Timings>; gate?: "v1" | "v2" } = {},
): Promise<Pair> => {
  const folder = mkdtempSync(join(tmpdir(), "xapi-sim-"));
  const [httpPort, httpsPort] = [nextPort++, nextPort++];
  const seed = change.seed ?? SEED;
  const canSend = [true, true];
  const startHost = async (index: 0 | 1): Promise<PairHost> => {
    const { uuid, address } = seed.hosts[index] ?? HOSTS[index];
    const own = join(folder, `host${index + 1}`);
    mkdirSync(own);
    const file = (name: string): string => join(own, name);
    const paths = {
      poolConf: file("pool.conf"),
      stateDb: file("state.db"),
      poolSecret: file("ptoken"),
      certificate: file("xapi-ssl.pem"),
      startupCookie: file("startup.cookie"),
      initCompleteCookie: file("init-complete.cookie"),
      hooks: file("xapi.d"),
    };
    writeFileSync(paths.poolSecret, "the-pool-secret");
    writeRole(
      paths.poolConf,
      index === 0 ? { kind: "master" } : { kind: "supporter", masterAddress: (seed.hosts[0] ?? HOSTS[0]).address },
    );
    const hypervisor = createMemoryHypervisor();
    const options: XapiOptions = {
      hostUuid: uuid,
      address,
      unixPath: file("xapi.sock"),
      httpPort,
      httpsPort,
      paths,
      rootPassword: PASSWORD,
      seed,
      hypervisor,
      storage: createPortalStorage(),
      timings: { ...SHORT_TIMINGS, ...change.timings },
      canReach: () => canSend[index] === true,
      gateEnvelope: change.gate ?? "v1",
      ...(process.env["XAPI_SIM_LOG"] === undefined
        ? {}
        : { log: (line: string) => console.error(`host${index + 1}: ${line}`) }),
    };
    let running = await startXapi(options);
    return {
      uuid,
      address,
      folder: own,
      socket: file("xapi.sock"),
      hypervisor,
      options,
      get running() {
        return running;
      },
      boot: async () => {
        running = await startXapi(options);
      },
    };
  };
  const hosts = [await startHost(0), await startHost(1)] as const;
  const pair: Pair = {
    httpPort,
    httpsPort,
    hosts: [hosts[0], hosts[1]],
    setLink: (up, from) => {
      for (const index of from === undefined ? [0, 1] : [from]) canSend[index] = up;
    },
    close: async () => {
      await Promise.all(hosts.map((host) => host.running.kill()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await waitReady(pair);
  return pair;
};

/** Until both hosts are live and enabled in the first host's database. */
export const waitReady = async (pair: Pair): Promise<void> => {
  const [master] = pair.hosts;
  await eventually("both hosts enabled", () => {
    const db = master.running.current?.db;
    if (!db) return false;
    return db.refs("host").every((host) => db.get("host", host, "enabled") === true);
  });
};
