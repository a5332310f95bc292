/** Calls on the pool: its roles, hand-over, promotion and database copies. */
import { action, query, type MethodContext, type MethodTable } from "./method.ts";
import { writeRole } from "./pool-conf.ts";
import { pushTo, syncDatabase, flush } from "./replication.ts";
import { asNumber, asText, fail, type Json } from "./types.ts";
import type { Xapi } from "./xapi.ts";

const assertNoNativeHa = (xapi: Xapi): void => {
  const armed = xapi.db.refs("pool").some((pool) => xapi.db.get("pool", pool, "ha_enabled") === true);
  if (armed) fail("HA_IS_ENABLED");
};

/** Makes this xapi a supporter of another master after the fuse. Asking for the master it has changes nothing. */
export const resetMaster = (xapi: Xapi, address: string): void => {
  assertNoNativeHa(xapi);
  if (!xapi.isMaster && xapi.masterAddress === address) return;
  writeRole(xapi.options.paths.poolConf, { kind: "supporter", masterAddress: address });
  xapi.lightFuse();
};

const otherHosts = (xapi: Xapi): string[] => xapi.db.refs("host").filter((host) => host !== xapi.here);

const recoverSlaves = async ({ xapi }: MethodContext): Promise<Json> => {
  const replies = await Promise.all(
    otherHosts(xapi).map(async (host) => {
      const args = { address: xapi.options.address };
      const { probeMs: timeoutMs } = xapi.timings;
      const reply = await xapi.peers.call(xapi.db.text("host", host, "address"), "reset_master", args, { timeoutMs });
      return { host, reply };
    }),
  );
  return replies.filter(({ reply }) => reply.kind === "ok").map(({ host }) => host);
};

const designate = async (xapi: Xapi, host: string): Promise<void> => {
  assertNoNativeHa(xapi);
  if (!xapi.db.has("host", host)) fail("HANDLE_INVALID", "host", host);
  if (host === xapi.here) return;
  flush(xapi);
  if (!(await pushTo(xapi, host))) fail("HOST_OFFLINE", host);
  const address = xapi.db.text("host", host, "address");
  const { contactMs: timeoutMs } = xapi.timings;
  const reply = await xapi.peers.call(address, "become_master", {}, { timeoutMs });
  if (reply.kind === "unreachable") fail("CANNOT_CONTACT_HOST", host);
  if (reply.kind === "failure") fail(reply.error[0] ?? "INTERNAL_ERROR", ...reply.error.slice(1));
  writeRole(xapi.options.paths.poolConf, { kind: "supporter", masterAddress: address });
  xapi.lightFuse();
};

/** Phase one writes "broken", phase two "master": a host that dies between the two is nobody's master. */
export const becomeMaster = (xapi: Xapi): void => {
  writeRole(xapi.options.paths.poolConf, { kind: "broken" });
  writeRole(xapi.options.paths.poolConf, { kind: "master" });
  xapi.lightFuse();
};

export const poolMethods: MethodTable = {
  "pool.emergency_transition_to_master": action(
    [],
    ({ xapi }) => {
      assertNoNativeHa(xapi);
      writeRole(xapi.options.paths.poolConf, { kind: "master" });
      xapi.lightFuse();
    },
    { local: true },
  ),
  "pool.emergency_reset_master": action(["s"], ({ xapi }, [address]) => resetMaster(xapi, asText(address)), {
    local: true,
  }),
  "pool.recover_slaves": query([], recoverSlaves),
  "pool.designate_new_master": action(["@host"], ({ xapi }, [host]) => designate(xapi, asText(host))),
  "pool.sync_database": action([], ({ xapi }) => syncDatabase(xapi)),
  "pool.is_slave": query(
    ["@host"],
    async ({ xapi, gone }) => {
      // On a supporter in touch with its master this reads the database on purpose, so it hangs with a dead one.
      if (!xapi.isMaster && xapi.phase.kind !== "emergency")
        await xapi.askMaster("exec", { op: "ping", args: {} }, gone, true);
      return !xapi.isMaster;
    },
    { local: true },
  ),
  "pool.enable_ha": action(["[@SR]", "{s,s}"], () => fail("LICENCE_RESTRICTION", "HA")),
  "pool.disable_ha": action([], () => undefined),
  "pool.ha_prevent_restarts_for": action(["i"], ({ xapi }, [seconds]) =>
    xapi.log(`restarts prevented ${asNumber(seconds)} s`),
  ),
  "pool.ha_compute_max_host_failures_to_tolerate": query([], ({ xapi }) => xapi.db.refs("host").length),
  "pool.eject": action(["@host"], () => fail("NOT_IMPLEMENTED", "pool.eject")),
  "pool.ha_failover_plan_exists": query(["i"], () => true),
  "pool.set_ha_host_failures_to_tolerate": action(["@pool", "i"], ({ xapi }, [pool, value = 0]) => {
    xapi.db.set("pool", asText(pool), { ha_host_failures_to_tolerate: value });
  }),
};
