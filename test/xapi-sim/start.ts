/** startXapi: one host's xapi that restarts itself as systemd would. Library face of the simulator. */
import { Database, readDump, writeDump } from "./db.ts";
import { startLife } from "./life.ts";
import { RECORDED_TIMINGS, type XapiOptions } from "./options.ts";
import { readRole } from "./pool-conf.ts";
import { seedDatabase } from "./seed.ts";
import { sleep } from "./types.ts";
import { Xapi } from "./xapi.ts";

export type { XapiOptions, Timings, XapiPaths } from "./options.ts";
export type { Seed } from "./seed.ts";
export { createMemoryHypervisor, type Hypervisor, type MemoryHypervisor } from "./hypervisor.ts";
export { createPortalStorage, type Storage } from "./storage.ts";
export { RECORDED_TIMINGS } from "./options.ts";

export interface RunningXapi {
  /** The life of now; undefined between an exit and the next start. */
  readonly current: Xapi | undefined;
  /** Ends it as kill -9 would: no goodbye. Nothing restarts it. */
  kill(): Promise<void>;
  /** Ends this life and starts the next, as xe-toolstack-restart does. */
  restart(): Promise<void>;
}

const loadDatabase = (options: XapiOptions): Database => {
  const dump = readDump(options.paths.stateDb);
  if (dump) {
    const db = new Database();
    db.load(dump);
    return db;
  }
  const { seed } = options;
  if (!seed)
    throw new Error(`Cannot start xapi: found neither ${options.paths.stateDb} nor a seed, expected one of them`);
  const db = seedDatabase(seed);
  writeDump(options.paths.stateDb, db.dump());
  db.load(db.dump());
  return db;
};

/** Resolves once the sockets answer (with HOST_STILL_BOOTING at first). Throws when the first start is impossible. */
export const startXapi = async (options: XapiOptions): Promise<RunningXapi> => {
  let stopping = false;
  let current: Xapi | undefined;
  const { restartMs } = { ...RECORDED_TIMINGS, ...options.timings };

  const begin = async (): Promise<void> => {
    const role = readRole(options.paths.poolConf);
    if (role.kind === "broken") throw new Error(`Cannot start xapi: found "broken" in ${options.paths.poolConf}`);
    const xapi = new Xapi(options, role, loadDatabase(options));
    current = xapi;
    try {
      await startLife(xapi);
    } catch (error) {
      await xapi.close("stopped");
      throw error;
    }
    // It was killed while it started: what it opened since would stay open.
    if (stopping) await xapi.close("stopped");
    void xapi.exited.then(async (reason) => {
      if (current === xapi) current = undefined;
      if (reason !== "restart" || stopping) return;
      options.log?.("xapi exits with code 123 and starts again");
      for (;;) {
        await sleep(restartMs);
        if (stopping) return;
        try {
          await begin();
          return;
        } catch (error) {
          options.log?.(`xapi does not start: ${String(error)}`);
        }
      }
    });
  };

  await begin();
  return {
    get current() {
      return current;
    },
    kill: async () => {
      stopping = true;
      await current?.close("stopped");
    },
    restart: async () => {
      await current?.close("restart");
    },
  };
};
