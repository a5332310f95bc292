/** Calls on hosts: enabling, health, death and power. */
import { declareDead, destroyHost } from "./dead-host.ts";
import { execOn, isLive } from "./host-exec.ts";
import { freeMemory } from "./placement.ts";
import { action, query, type MethodTable } from "./method.ts";
import { asNumber, asText, fail, type Json, xapiTime } from "./types.ts";
import type { Xapi } from "./xapi.ts";

const enable = (xapi: Xapi, host: string): void => {
  if (!xapi.db.has("host", host)) fail("HANDLE_INVALID", "host", host);
  if (!isLive(xapi, host)) fail("HOST_OFFLINE", host);
  if (host === xapi.here && !xapi.canEnable) fail("HOST_STILL_BOOTING");
  xapi.db.set("host", host, { enabled: true });
};

export const setLive = (xapi: Xapi, host: string, live: boolean): void => {
  const metrics = xapi.db.text("host", host, "metrics");
  if (xapi.db.get("host_metrics", metrics, "live") !== live) {
    xapi.db.set("host_metrics", metrics, { live, last_updated: xapiTime() });
  }
};

const powerOff = async (xapi: Xapi, host: string, kind: "shutdown" | "reboot"): Promise<void> => {
  if (xapi.db.get("host", host, "enabled") === true) fail("HOST_NOT_DISABLED", host);
  const guests = xapi.db
    .pointingAt("VM", "resident_on", host)
    .filter((vm) => xapi.db.get("VM", vm, "is_control_domain") !== true);
  if (guests.length > 0) fail("HOST_IN_USE", host, "VM", guests[0] ?? "");
  await execOn(xapi, host, "power", { kind });
  setLive(xapi, host, false);
};

const assertHealthy = ({ phase }: Xapi): Json => {
  if (phase.kind === "emergency") fail(phase.error[0] ?? "INTERNAL_ERROR", ...phase.error.slice(1));
  if (phase.kind === "booting") fail("HOST_STILL_BOOTING");
  return "";
};

export const hostMethods: MethodTable = {
  "host.disable": action(
    ["@host", "b"],
    ({ xapi }, [host]) => {
      xapi.db.set("host", asText(host), { enabled: false });
    },
    { optional: 1 },
  ),
  "host.enable": action(["@host"], ({ xapi }, [host]) => enable(xapi, asText(host))),
  "host.declare_dead": action(["@host"], ({ xapi }, [host]) => declareDead(xapi, asText(host))),
  "host.destroy": action(["@host"], ({ xapi }, [host]) => destroyHost(xapi, asText(host))),
  "host.shutdown": action(["@host"], ({ xapi }, [host]) => powerOff(xapi, asText(host), "shutdown")),
  "host.reboot": action(["@host"], ({ xapi }, [host]) => powerOff(xapi, asText(host), "reboot")),
  "host.restart_agent": action(["@host"], async ({ xapi }, [host]) => {
    await execOn(xapi, asText(host), "restart", { afterMs: 100 });
  }),
  "host.shutdown_agent": action([], ({ xapi }) => xapi.lightFuse(100), { local: true }),
  "host.power_on": action(["@host"], () => fail("HOST_POWER_ON_NOT_CONFIGURED")),
  "host.set_power_on_mode": action(["@host", "s", "{s,s}"], ({ xapi }, [host, mode = "", config = {}]) => {
    xapi.db.set("host", asText(host), { power_on_mode: mode, power_on_config: config });
  }),
  "host.get_servertime": query(["@host"], async ({ xapi }, [host]) => {
    await execOn(xapi, asText(host), "ping", {});
    return xapiTime();
  }),
  "host.compute_free_memory": query(["@host"], ({ xapi }, [host]) => freeMemory(xapi, asText(host))),
  "host.compute_memory_overhead": query(["@host"], ({ xapi }, [host]) =>
    asNumber(xapi.db.get("host", asText(host), "memory_overhead")),
  ),
  "host.get_uncooperative_resident_VMs": query(["@host"], () => []),
  "host.call_plugin": query(
    ["@host", "s", "s", "{s,s}"],
    ({ xapi, session }, [host, plugin = "", fn = "", args = {}]) =>
      execOn(xapi, asText(host), "plugin", { plugin, fn, session, args }),
  ),
  "host.is_in_emergency_mode": query([], ({ xapi }) => xapi.phase.kind === "emergency", { local: true }),
  "host.local_assert_healthy": query([], ({ xapi }) => assertHealthy(xapi), { local: true }),
  "host.ha_xapi_healthcheck": query([], () => true, { local: true }),
  "host.emergency_ha_disable": action(["b"], () => undefined, { local: true, optional: 1 }),
  "host.get_system_status_capabilities": query(
    ["@host"],
    ({ xapi }, [host]) =>
      host === xapi.here && xapi.isMaster
        ? "<capabilities/>"
        : fail("INTERNAL_ERROR", 'Failure("Forwarded to the wrong host")'),
    { local: true },
  ),
};
